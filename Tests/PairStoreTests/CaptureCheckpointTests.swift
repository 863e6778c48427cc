import Foundation
import PairCore
import PairStore
import PairWAL
import TestThreads
import Testing

@Suite("Capture: the WAL is checkpointed", .partOfMachine, .serialized, .ownThreads)
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
        #expect(try bench.finalFile() == reference.file)
        // The storm may pin the WAL for a while, which is said and costs nothing but space.
        #expect(bench.events.filter { !$0.hasPrefix("walPinned") } == [])
    }

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

        let size = try FileManager.default.attributesOfItem(atPath: bench.path + "-wal")[.size]
        try reference.apply(bench.captured)
        let captured = bench.captured.reduce(0) { $0 + $1.count }
        #expect(captured > 128 << 20, "too little was written to show anything")
        // Checkpointed while it was written: never all of it stood in the WAL at once.
        #expect((size as? Int ?? .max) < captured)
        #expect(try bench.finalFile() == reference.file)
        // The storm may pin the WAL for a while, which is said and costs nothing but space.
        #expect(bench.events.filter { !$0.hasPrefix("walPinned") } == [])
    }

    @Test func `copies everything into the database once nobody commits`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        try bench.shell("INSERT INTO t(body) VALUES('by file copy alone');")
        try bench.settle()

        let deadline = ContinuousClock.now + .seconds(20)
        var content = ""
        while !content.contains("alone"), ContinuousClock.now < deadline {
            content = try CaptureBench.run(["sh", "-c", "strings \"$0\"", bench.path])
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

        let deadline = ContinuousClock.now + .seconds(10)
        while bench.events.isEmpty, ContinuousClock.now < deadline {
            Thread.sleep(forTimeInterval: 0.01)
        }
        #expect(bench.events.count == 1 && bench.events[0].contains("replaced"))
        #expect(throws: VaultError.replaced(path: bench.path)) { try bench.settle() }
    }
}
