import Foundation
import PairCore
import PairStore
import PairWAL
import TestThreads
import Testing

@Suite("Capture: the WAL is checkpointed", .serialized, .wholeMachine, .ownThreads)
struct CaptureCheckpointTests {
    @Test(arguments: ["PASSIVE", "FULL", "RESTART", "TRUNCATE"])
    func `misses nothing while others try to checkpoint`(mode: String) throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        var reference = try bench.copy()

        try bench.python(
            """
            stormers = []
            for n in range(2):
                child = os.fork()
                if child == 0:
                    other = connect()
                    other.execute("PRAGMA busy_timeout=500")
                    stop = time.time() + 1.5
                    while time.time() < stop:
                        other.execute("PRAGMA wal_checkpoint(\(mode))").fetchall()
                    os._exit(0)
                stormers.append(child)
            app = connect()
            app.execute("PRAGMA synchronous=NORMAL")
            stop = time.time() + 1.5
            while time.time() < stop:
                app.execute("INSERT INTO t(body) VALUES(randomblob(6000))")
            for child in stormers: os.waitpid(child, 0)
            """
        )
        try bench.settle()

        try reference.apply(bench.captured)
        #expect(try bench.walByteCount() <= Self.longestWAL)
        #expect(try bench.finalFile() == reference.file)
        #expect(bench.events == [])
    }

    /// What it may grow to while nobody reads an old state: the promise of the figures' table.
    private static let longestWAL = 64 << 20

    @Test func `keeps the WAL small while an application writes at full speed`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        var reference = try bench.copy()

        try bench.python(
            """
            app = connect(); app.execute("PRAGMA synchronous=NORMAL")
            for i in range(18000):
                app.execute("INSERT INTO t(body) VALUES(randomblob(9000))")
            """
        )
        try bench.settle()

        try reference.apply(bench.captured)
        let captured = bench.captured.reduce(0) { $0 + $1.count }
        #expect(captured > 2 * Self.longestWAL, "too little was written to show anything")
        #expect(try bench.walByteCount() <= Self.longestWAL)
        #expect(try bench.finalFile() == reference.file)
        #expect(bench.events == [])
    }

    /// Capture that is given a fraction of what the writer has: the writer waits for it.
    @Test(arguments: ["", "PRAGMA wal_autocheckpoint=0"])
    func `keeps the WAL small while capture is starved`(pragma: String) throws {
        try Self.starve(pragma: pragma)
    }

    /// Each sync of a checkpoint takes long, and the writer has none.
    @Test func `keeps the WAL small while the disk is busy`() throws {
        try Self.starve(
            meanwhile: """
                noise = os.fork()
                if noise == 0:
                    parent = os.getppid()
                    while os.getppid() == parent:
                        with open(path + "-noise", "wb") as file:
                            for n in range(300): file.write(bytes(1 << 20))
                            os.fsync(file.fileno())
                    os._exit(0)
                """
        )
    }

    private static func starve(pragma: String = "", meanwhile noise: String = "noise = 0") throws {
        let bench = try CaptureBench()
        let never = DispatchSemaphore(value: 0)
        try bench.startCapture { _ = never.wait(timeout: .now() + .milliseconds(10)) }
        var reference = try bench.copy()

        let worst = try bench.python(
            """
            \(noise)
            app = connect(); app.execute("PRAGMA synchronous=OFF")
            app.execute("\(pragma)")
            worst = 0
            for i in range(16000):
                began = time.time()
                app.execute("INSERT INTO t(body) VALUES(randomblob(9000))")
                worst = max(worst, time.time() - began)
            if noise: os.kill(noise, signal.SIGKILL)
            print(worst)
            """
        )
        try bench.settle()

        try reference.apply(bench.captured)
        let captured = bench.captured.reduce(0) { $0 + $1.count }
        #expect(captured > 2 * Self.longestWAL, "too little was written to show anything")
        let size = try bench.walByteCount()
        #expect(size <= Self.longestWAL, "a commit waited for \(worst) s")
        #expect(try bench.finalFile() == reference.file)
        #expect(bench.events == [])
    }

    @Test func `writes what readers of older states need only once they have left`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        var reference = try bench.copy()

        let answer = try bench.python(
            """
            app = connect(); app.execute("PRAGMA synchronous=OFF")
            app.execute("INSERT INTO t(body) VALUES(randomblob(9000))")
            stop = time.time() + 3
            child = os.fork()
            if child == 0:
                # Each state is read twice; nothing may have moved in between.
                while time.time() < stop:
                    reader = connect()
                    reader.execute("PRAGMA cache_size=0")
                    for pause in (0, 0.02, 0.3):
                        reader.execute("BEGIN")
                        sums = []
                        for look in range(2):
                            query = "SELECT count(*), total(length(body)), max(id), min(hex(body)) FROM t"
                            sums.append(reader.execute(query).fetchone())
                            time.sleep(pause)
                        reader.execute("COMMIT")
                        if sums[0] != sums[1]: print("moved", sums, flush=True)
                    if reader.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                        print("broken", flush=True)
                    reader.close()
                os._exit(0)
            number = 0
            while time.time() < stop:
                number += 1
                app.execute("INSERT INTO t(body) VALUES(randomblob(30000))")
                app.execute("UPDATE t SET body=randomblob(8000) WHERE id=?", (number // 2,))
                if number % 40 == 0: app.execute("DELETE FROM t WHERE id < ?", (number - 30,))
                if number % 400 == 0: app.execute("VACUUM")
            os.waitpid(child, 0)
            """
        )
        try bench.settle()

        #expect(answer == "")
        try reference.apply(bench.captured)
        #expect(try bench.finalFile() == reference.file)
        // Such a reader may pin the WAL, which is said.
        #expect(bench.events.allSatisfy { $0.hasPrefix("walPinned") })
    }

    @Test func `says how long an application has kept others from writing`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        try bench.shell("INSERT INTO t(body) VALUES(1);")
        try bench.settle()
        let before = try #require(bench.vault.longestWriteHold)
        let holder = try bench.process("app = connect(); app.execute('BEGIN IMMEDIATE')")
        defer { holder.end() }

        bench.wait { bench.vault.longestWriteHold ?? .zero >= .seconds(1) }

        #expect(before < .seconds(1))
        #expect(bench.vault.longestWriteHold ?? .zero >= .seconds(1))
    }

    @Test func `copies everything into the database once nobody commits`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        try bench.shell("INSERT INTO t(body) VALUES('by file copy alone');")
        try bench.settle()

        var content = ""
        try bench.wait {
            content = try CaptureBench.run(["sh", "-c", "strings \"$0\"", bench.path])
            return content.contains("alone")
        }

        #expect(content.contains("by file copy alone"))
    }

    @Test func `mends a wal-index whose writer died while it published`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        var reference = try bench.copy()

        try bench.python(
            """
            app = connect()
            app.execute("INSERT INTO t(body) VALUES(randomblob(5000))")
            for i in range(3):
                shm = os.open(path + "-shm", os.O_RDWR)
                os.pwrite(shm, b"torn", 40)
                started = time.time()
                app.execute("INSERT INTO t(body) VALUES(randomblob(5000))")
                assert time.time() - started < 5, "writers waited for recovery"
            os._exit(0)
            """
        )
        try bench.settle()

        #expect(bench.events.filter { $0.contains("recovered") }.count == 3)
        try reference.apply(bench.captured)
        #expect(reference.position.txid == TXID(14))
        #expect(try bench.finalFile() == reference.file)
    }

    @Test func `stops when the vault is replaced`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        try bench.shell("INSERT INTO t(body) VALUES(1);")
        try bench.settle()

        _ = try CaptureBench.run(["mv", bench.path, bench.path + ".old"])
        _ = try CaptureBench.run(["cp", bench.path + ".old", bench.path])

        bench.wait { !bench.events.isEmpty }
        #expect(bench.events.count == 1 && bench.events[0].contains("replaced"))
        #expect(throws: VaultError.replaced(path: bench.path)) { try bench.settle() }
    }
}
