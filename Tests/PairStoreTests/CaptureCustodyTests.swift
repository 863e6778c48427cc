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
}
