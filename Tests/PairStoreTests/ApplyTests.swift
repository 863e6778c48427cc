import Foundation
import PairCore
import PairStore
import PairWAL
import TestThreads
import Testing

@Suite("Apply: the copy follows", .partOfMachine, .ownThreads)
struct ApplyTests {
    @Test(arguments: [512, 4_096, 65_536])
    func `repeats every commit to the byte`(pageSize: Int) throws {
        let bench = try ApplyBench(pageSize: pageSize)
        try bench.start()

        for round in 0..<4 {
            try bench.source.python(
                """
                app = connect()
                for i in range(60):
                    app.execute("BEGIN IMMEDIATE")
                    for j in range(3):
                        app.execute("INSERT INTO t(body) VALUES(randomblob(?))", (100 + 137 * j,))
                    app.execute("UPDATE t SET body=randomblob(50) WHERE id=?", (1 + i // 2,))
                    app.execute("COMMIT")
                if \(round) == 1:
                    app.execute("CREATE TABLE more(x TEXT UNIQUE)")
                    app.execute("DELETE FROM t WHERE id % 3 = 0")
                    app.execute("VACUUM")
                """
            )
            let end = try bench.level(batchesOf: 1 + 5 * round)
            #expect(try bench.scan() == end.digest)
        }

        let files = try bench.finalFiles()
        #expect(files.copy == files.source)
    }

    @Test func `shows readers one committed state after the other`() throws {
        let bench = try ApplyBench(
            setup: """
                CREATE TABLE account(id INTEGER PRIMARY KEY, amount INTEGER, pad BLOB);
                WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 100)
                INSERT INTO account SELECT i, 1000, randomblob(300) FROM n;
                CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES(0);
                """
        )
        try bench.start()
        let stop = bench.folder("stop")
        let readers = try [0, 1, 7].map { life in
            try Client(python: Self.reader, on: bench.path, stop, String(life))
        }
        let writer = try Client(
            python: """
                import random
                app = connect()
                for i in range(4000):
                    a, b = random.randint(1, 100), random.randint(1, 100)
                    app.execute("BEGIN IMMEDIATE")
                    app.execute("UPDATE account SET amount=amount-7, pad=randomblob(300) WHERE id=?", (a,))
                    app.execute("UPDATE account SET amount=amount+7 WHERE id=?", (b,))
                    app.execute("UPDATE counter SET n=n+1")
                    app.execute("COMMIT")
                """,
            on: bench.source.path
        )

        while writer.isRunning { try bench.applyCaptured(batchesOf: 3) }
        #expect(writer.wait() == ("", 0))
        let end = try bench.level(batchesOf: 3)
        #expect(FileManager.default.createFile(atPath: stop, contents: nil))

        for reader in readers {
            let (text, status) = reader.wait()
            #expect(status == 0, "\(text)")
            let states = text.split(whereSeparator: \.isWhitespace).last.flatMap { Int($0) } ?? 0
            #expect(states > 5, "\(text)")
        }
        #expect(end.txid.rawValue == 4_010)
        let files = try bench.finalFiles()
        #expect(files.copy == files.source)
    }

    /// Reads until the file named second exists; opens anew every so many reads, if at all.
    static let reader = """
        stop, life = sys.argv[2], int(sys.argv[3])
        connection, newest, reads, states = None, -1, 0, 0
        while not os.path.exists(stop):
            if connection is None or (life and reads % life == 0):
                if connection: connection.close()
                connection = connect()
            connection.execute("BEGIN")
            total = connection.execute("SELECT sum(amount) FROM account").fetchone()[0]
            n = connection.execute("SELECT n FROM counter").fetchone()[0]
            again = connection.execute("SELECT sum(amount), count(*) FROM account").fetchone()
            connection.execute("COMMIT")
            assert total == 100000 and again == (100000, 100), (total, again)
            assert n >= newest, (n, newest)
            states += n > newest
            newest, reads = n, reads + 1
            if reads % 50 == 0:
                check = connection.execute("PRAGMA integrity_check").fetchone()[0]
                assert check == "ok", check
        print("states", states)
        """

    @Test func `starts its WAL anew while readers come and go`() throws {
        let bench = try ApplyBench(
            setup: """
                CREATE TABLE account(id INTEGER PRIMARY KEY, amount INTEGER);
                WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 100)
                INSERT INTO account SELECT i, 1000 FROM n;
                CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES(0);
                CREATE TABLE bulk(id INTEGER PRIMARY KEY, body BLOB);
                """
        )
        try bench.start()
        let stop = bench.folder("stop")
        let readers = try [1, 3].map { life in
            try Client(python: Self.reader, on: bench.path, stop, String(life))
        }
        var generations: Set<Data> = []

        for _ in 0..<12 {
            try bench.source.python(
                """
                app = connect()
                for i in range(40):
                    app.execute("BEGIN IMMEDIATE")
                    app.execute("INSERT INTO bulk(body) VALUES(randomblob(400000))")
                    app.execute("UPDATE counter SET n=n+1")
                    app.execute("DELETE FROM bulk WHERE id < (SELECT max(id) - 5 FROM bulk)")
                    app.execute("COMMIT")
                """
            )
            try bench.level()
            generations.insert(try Self.salts(bench.path + "-wal"))
        }

        #expect(FileManager.default.createFile(atPath: stop, contents: nil))
        for reader in readers {
            let (text, status) = reader.wait()
            #expect(status == 0, "\(text)")
        }
        #expect(generations.count > 1)
        let size = try FileManager.default.attributesOfItem(atPath: bench.path + "-wal")[.size]
        #expect(try #require(size as? Int) < 100 << 20)
        let files = try bench.finalFiles()
        #expect(files.copy == files.source)
    }

    private static func salts(_ path: String) throws -> Data {
        let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? handle.close() }
        return try handle.read(upToCount: 24)?.suffix(8) ?? Data()
    }

    @Test func `applies a transaction of many parts as one`() throws {
        let bench = try ApplyBench()
        try bench.start()
        try bench.source.python(
            """
            app = connect()
            app.execute("BEGIN IMMEDIATE")
            for i in range(400):
                app.execute("INSERT INTO t(body) VALUES(randomblob(50000))")
            app.execute("COMMIT")
            app.execute("INSERT INTO t(body) VALUES('after')")
            """
        )
        let end = try bench.source.settle()
        let headers = try bench.source.captured.map { try SegmentHeader(decoding: $0[...]) }
        #expect(headers.count { $0.isOpenPart } > 15)

        try bench.applyCaptured(batchesOf: 5)

        #expect(bench.copy.applied == end)
        #expect(
            try bench.python("print(connect().execute('SELECT count(*) FROM t').fetchone())")
                == "(401,)\n"
        )
        let files = try bench.finalFiles()
        #expect(files.copy == files.source)
    }

    @Test func `shows nothing of a transaction whose closing part has not come`() throws {
        let bench = try ApplyBench()
        let start = try bench.start()
        try bench.source.python(
            """
            app = connect()
            app.execute("BEGIN IMMEDIATE")
            for i in range(100):
                app.execute("INSERT INTO t(body) VALUES(randomblob(50000))")
            app.execute("COMMIT")
            """
        )
        let end = try bench.source.settle()
        let parts = bench.source.captured

        #expect(try bench.copy.apply(Array(parts.dropLast())) == start)
        #expect(
            try bench.python("print(connect().execute('SELECT count(*) FROM t').fetchone())")
                == "(0,)\n"
        )
        #expect(try bench.scan() == start.digest)

        // The connection was lost and the primary begins the transaction again.
        #expect(try bench.copy.apply(parts) == end)
        #expect(try bench.scan() == end.digest)
    }

    @Test func `refuses segments that do not follow, and is as it was`() throws {
        let bench = try ApplyBench()
        let start = try bench.start()
        for _ in 0..<3 {
            try bench.source.shell("INSERT INTO t(body) VALUES(randomblob(3000));")
            try bench.source.settle()
        }
        let good = bench.source.captured
        try #require(good.count == 3)
        var damaged = good[0]
        damaged[300] ^= 1

        for bad in [
            [good[1]], [good[0], good[2]], [damaged], [try Self.lying(good[0])],
            [try Self.elsewhere(good[0])], [good[0], try Self.lying(good[1])],
        ] {
            #expect(throws: VaultError.self) { try bench.copy.apply(bad) }
            #expect(bench.copy.applied == start)
            #expect(bench.copy.log.newest == start)
            #expect(try bench.scan() == start.digest)
        }

        #expect(try bench.level().txid == TXID(13))
        let files = try bench.finalFiles()
        #expect(files.copy == files.source)
    }

    /// The same segment with another image of a page, and a right checksum.
    private static func lying(_ bytes: [UInt8]) throws -> [UInt8] {
        try self.rebuilt(bytes) { image in image[100] ^= 1 }
    }

    /// The same pages as the successor of a digest that the copy does not have.
    private static func elsewhere(_ bytes: [UInt8]) throws -> [UInt8] {
        try self.rebuilt(bytes, digestBefore: VaultDigest(1, 2, 3, 4)) { _ in }
    }

    private static func rebuilt(
        _ bytes: [UInt8],
        digestBefore: VaultDigest? = nil,
        _ change: (inout [UInt8]) -> Void
    ) throws -> [UInt8] {
        let view = try SegmentView(bytes)
        var builder = SegmentBuilder(
            pageSize: view.header.pageSize,
            epoch: view.header.epoch,
            first: view.header.first,
            digestBefore: digestBefore ?? view.header.digestBefore,
            commitTimeMicroseconds: 0
        )
        for record in view.records {
            var image = view.withImage(of: record) { Array($0) }
            change(&image)
            image.withUnsafeBytes { builder.append(record.page, $0) }
            if let pagesAfter = record.pagesAfter { builder.endCommit(pagesAfter: pagesAfter) }
        }
        return builder.finish(digestAfter: view.header.digestAfter)
    }
}
