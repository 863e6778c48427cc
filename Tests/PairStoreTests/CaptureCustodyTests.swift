import Foundation
import PairCore
import PairStore
import PairWAL
import TestThreads
import Testing

@Suite("Capture: custody in the way of nobody", .partOfMachine, .serialized, .ownThreads)
struct CaptureCustodyTests {
    /// Python that finds out whether anybody else holds a byte of the `-shm`.
    static let locks = """
        import fcntl, struct
        shm = os.open(path + "-shm", os.O_RDWR)
        def held(byte):
            request = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, byte, 1, 0)
            answer = fcntl.fcntl(shm, fcntl.F_GETLK, request)
            return struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK

        """

    @Test func `keeps the checkpoint lock while a mark finds a torn wal-index`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        try bench.shell("INSERT INTO t(body) VALUES(1);")
        try bench.settle()
        // It has the only connection that has read already: the next mark opens one.
        let first = try bench.mark()

        try bench.python(Self.locks + "os.pwrite(shm, b'torn', 40)")
        try bench.mark().end()
        first.end()

        #expect(try bench.python(Self.locks + "print(held(121))") == "True\n")
        #expect(bench.events.count == 1 && bench.events[0].hasPrefix("recovered"))
    }

    /// The header of a restart is out, the number of copied frames is still the old generation's.
    @Test func `shows all commits after a writer has died while it restarted the WAL`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        try bench.shell("INSERT INTO t(body) VALUES('before');")
        try bench.settle()

        let answer = try bench.python(
            Self.locks + """
                copied = lambda: struct.unpack("=I", os.pread(shm, 4, 96))[0]
                while copied() == 0: time.sleep(0.01)
                words = list(struct.unpack("=12I", os.pread(shm, 48, 0)))
                words[4], words[9] = 0, words[9] ^ 1
                words[8] = struct.unpack("=I", struct.pack(">I", 1 + struct.unpack(
                    ">I", struct.pack("=I", words[8]))[0]))[0]
                first = second = 0
                for index in range(0, 10, 2):
                    first = (first + words[index] + second) & 0xffffffff
                    second = (second + words[index + 1] + first) & 0xffffffff
                words[10], words[11] = first, second
                os.pwrite(shm, struct.pack("=24I", *words, *words), 0)
                while copied() != 0: time.sleep(0.01)
                connect().execute("INSERT INTO t(body) VALUES('after')")
                print(connect().execute("SELECT group_concat(body) FROM t").fetchone()[0])
                """
        )

        #expect(answer == "before,after\n")
        #expect(bench.events == ["recovered(after: 0.0 seconds)"])
    }

    @Test func `fails no writer while somebody reads the bare database`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        try bench.settle()

        let answer = try bench.python(
            """
            reader = connect(); reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM t").fetchall()
            app = sqlite3.connect(path, timeout=0, isolation_level=None)
            app.execute("PRAGMA synchronous=OFF")
            failures = 0
            for i in range(9000):
                try: app.execute("INSERT INTO t(body) VALUES(randomblob(9000))")
                except sqlite3.OperationalError: failures += 1; time.sleep(0.001)
            print(failures)
            """
        )

        #expect(answer == "0\n")
        #expect(bench.events.allSatisfy { $0.hasPrefix("walPinned") } && !bench.events.isEmpty)
    }

    @Test func `lets writers go on while others truncate the WAL with patience`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        var reference = try bench.copy()

        let answer = try bench.python(
            """
            stop = time.time() + 4
            child = os.fork()
            if child == 0:
                other = connect()
                other.execute("PRAGMA busy_timeout=30000")
                while time.time() < stop:
                    other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                os._exit(0)
            app = connect()
            app.execute("PRAGMA synchronous=OFF")
            app.execute("PRAGMA busy_timeout=60000")
            worst = 0
            while time.time() < stop:
                began = time.time()
                app.execute("INSERT INTO t(body) VALUES(randomblob(9000))")
                worst = max(worst, time.time() - began)
            os.waitpid(child, 0)
            print(worst)
            """
        )
        try bench.settle()

        let worst = try #require(Double(answer.dropLast()))
        #expect(worst < 10, "a commit waited for a checkpoint that waited for us")
        try reference.apply(bench.captured)
        #expect(try bench.finalFile() == reference.file)
        #expect(bench.events.allSatisfy { $0.hasPrefix("walPinned") })
    }

    /// A checkpoint of the application's has copied what capture cannot follow for a while.
    @Test func `lets the WAL restart after capture has stood still`() throws {
        let bench = try CaptureBench()
        let never = DispatchSemaphore(value: 0)
        let still = bench.directory + "/still"
        try bench.startCapture {
            _ = never.wait(timeout: .now() + .milliseconds(10))
            while access(still, F_OK) == 0 { _ = never.wait(timeout: .now() + .milliseconds(10)) }
        }

        let answer = try bench.python(
            Self.locks + """
                app = connect(); app.execute("PRAGMA synchronous=OFF")
                insert = "INSERT INTO t(body) VALUES(randomblob(9000))"
                still = os.path.dirname(path) + "/still"
                stop = time.time() + 20
                while not held(127) and time.time() < stop:
                    app.execute(insert)
                    time.sleep(0.0004)
                print(held(127))
                open(still, "w").close()
                for i in range(290): app.execute(insert)
                time.sleep(3)
                os.remove(still)
                while held(127) and time.time() < stop: time.sleep(0.1)
                print(held(127))
                """
        )

        #expect(answer == "True\nFalse\n")
    }

    @Test func `bounds the WAL also while capture has nothing to say`() throws {
        let bench = try CaptureBench()
        let once = DispatchSemaphore(value: 0)
        try bench.startCapture {
            _ = once.wait(timeout: .now() + .seconds(4))
            once.signal()
        }

        try bench.python(
            """
            app = connect(); app.execute("PRAGMA synchronous=OFF")
            app.execute("INSERT INTO t(body) VALUES(1)")
            time.sleep(0.5)
            stop = time.time() + 3
            while time.time() < stop: app.execute("INSERT INTO t(body) VALUES(randomblob(9000))")
            """
        )

        #expect(try bench.walByteCount() < 160 << 20)
    }

    @Test func `tries a checkpoint that fails again, but not at once`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()

        try bench.python(
            Self.locks + """
                app = connect(); app.execute("PRAGMA synchronous=OFF")
                insert = "INSERT INTO t(body) VALUES(randomblob(9000))"
                app.execute(insert)
                # No page has this number: the first frame cannot be copied.
                os.pwrite(shm, bytes(4), 136)
                for i in range(4000): app.execute(insert)
                time.sleep(3)
                """
        )

        let failures = bench.events.filter { $0.hasPrefix("checkpointFailed") }
        #expect((2...10).contains(failures.count), "\(failures.count)")
    }
}
