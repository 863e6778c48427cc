import Foundation
import PairCore
import PairStore
import PairWAL
import TestThreads
import Testing

@Suite("Capture: an application commits", .partOfMachine, .serialized, .ownThreads)
struct CaptureTests {
    @Test(arguments: [512, 4_096, 65_536], ["OFF", "NORMAL", "FULL"])
    func `follows every commit to the byte`(pageSize: Int, synchronous: String) throws {
        let bench = try CaptureBench(pageSize: pageSize)
        try bench.startCapture()
        var reference = try bench.copy()

        try bench.python(
            """
            app = connect()
            app.execute("PRAGMA synchronous=\(synchronous)")
            for i in range(300):
                app.execute("BEGIN IMMEDIATE")
                for j in range(3):
                    app.execute("INSERT INTO t(body) VALUES(randomblob(?))", (100 + 37 * j,))
                app.execute("UPDATE t SET body=randomblob(50) WHERE id=?", (1 + i // 2,))
                app.execute("COMMIT")
            """
        )
        let end = try bench.settle()

        try reference.apply(bench.captured)
        #expect(reference.position == end)
        #expect(end.txid == TXID(10 + 300))
        #expect(try bench.finalFile() == reference.file)
        #expect(bench.events == [])
    }

    @Test func `follows VACUUM, new tables and a vault that shrinks`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        var reference = try bench.copy()

        try bench.shell(
            """
            CREATE TABLE u(a, b); CREATE INDEX ub ON u(b);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO u SELECT i, hex(randomblob(200)) FROM n;
            DELETE FROM u WHERE a > 100;
            VACUUM;
            ALTER TABLE u ADD COLUMN c DEFAULT 7;
            INSERT INTO u SELECT a, b, c FROM u;
            DROP TABLE u; VACUUM;
            PRAGMA user_version = 4;
            """
        )
        try bench.settle()

        try reference.apply(bench.captured)
        #expect(try bench.finalFile() == reference.file)
        #expect(bench.events == [])
    }

    @Test func `follows incremental vacuum, which shrinks and grows within one look`() throws {
        let bench = try CaptureBench(
            pageSize: 1_024,
            setup: "PRAGMA auto_vacuum=FULL; VACUUM; CREATE TABLE t(id, body);"
        )
        try bench.startCapture()
        var reference = try bench.copy()

        try bench.python(
            """
            app = connect()
            app.execute("PRAGMA synchronous=OFF")
            for i in range(200):
                app.execute("INSERT INTO t VALUES(?, randomblob(?))", (i, 900 * (i % 7 + 1)))
                if i % 3 == 2: app.execute("DELETE FROM t WHERE id < ?", (i - 1,))
            """
        )
        try bench.settle()

        try reference.apply(bench.captured)
        #expect(try bench.finalFile() == reference.file)
        #expect(bench.events == [])
    }

    @Test func `ships a commit of many segments in parts`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        var reference = try bench.copy()

        try bench.python(
            """
            app = connect()
            app.execute("PRAGMA cache_size=50")
            app.execute("BEGIN")
            for i in range(9000):
                app.execute("INSERT INTO t(body) VALUES(randomblob(900))")
            app.execute("UPDATE t SET body=randomblob(901) WHERE id % 10 = 0")
            app.execute("COMMIT")
            app.execute("INSERT INTO t(body) VALUES(1)")
            """
        )
        let end = try bench.settle()

        let parts = try bench.captured.filter { try SegmentView($0).header.isOpenPart }
        #expect(parts.count >= 7)
        #expect(end.txid == TXID(12))
        #expect(bench.captured.allSatisfy { $0.count <= SegmentHeader.longestSegmentByteCount })
        try reference.apply(bench.captured)
        #expect(try bench.finalFile() == reference.file)
    }

    @Test func `leaves out what is rolled back, spilled or not yet committed`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        var reference = try bench.copy()

        try bench.python(
            """
            app = connect()
            app.execute("PRAGMA cache_size=10")
            for end in ["ROLLBACK", "COMMIT"] * 4:
                app.execute("BEGIN")
                app.execute("SAVEPOINT inner")
                for i in range(600): app.execute("INSERT INTO t(body) VALUES(randomblob(700))")
                app.execute("ROLLBACK TO inner")
                for i in range(300): app.execute("INSERT INTO t(body) VALUES(randomblob(700))")
                app.execute(end)
            """
        )
        let end = try bench.settle()

        #expect(end.txid == TXID(14))
        try reference.apply(bench.captured)
        #expect(try bench.finalFile() == reference.file)
        #expect(bench.events == [])
    }

    @Test func `survives applications that are killed in the middle of a transaction`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        var reference = try bench.copy()

        try bench.python(
            """
            for life in range(12):
                child = os.fork()
                if child == 0:
                    app = connect()
                    app.execute("PRAGMA cache_size=5")
                    for i in range(10): app.execute("INSERT INTO t(body) VALUES(randomblob(3000))")
                    app.execute("BEGIN")
                    for i in range(50): app.execute("INSERT INTO t(body) VALUES(randomblob(3000))")
                    os.kill(os.getpid(), signal.SIGKILL)
                os.waitpid(child, 0)
            """
        )
        let end = try bench.settle()

        #expect(end.txid == TXID(10 + 120))
        try reference.apply(bench.captured)
        #expect(try bench.finalFile() == reference.file)
        #expect(try bench.shell("SELECT count(*) FROM t; PRAGMA integrity_check;") == "120\nok\n")
    }
}
