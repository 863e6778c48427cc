import Foundation
import PairCore
import PairStore
import PairWAL
import TestThreads
import Testing

@Suite("Capture: what was changed while nobody looked", .partOfMachine, .ownThreads)
struct ReplacedVaultTests {
    /// Some committed transactions that have been captured, and a backup from the middle of them.
    private func captured() throws -> CaptureBench {
        let bench = try CaptureBench(
            setup: """
                CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);
                WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 50)
                INSERT INTO t SELECT i, randomblob(2000) FROM n;
                """
        )
        try bench.startCapture()
        try bench.shell("INSERT INTO t(body) VALUES(randomblob(3000));")
        try bench.settle()
        try bench.shell("VACUUM INTO '\(bench.directory)/compact'")
        _ = try CaptureBench.run(["sqlite3", bench.path, ".backup '\(bench.directory)/backup'"])
        // As it lies there, without and with its WAL.
        for (name, suffix) in [("hot", ""), ("hot-wal", "-wal")] {
            try FileManager.default.copyItem(
                atPath: bench.path + suffix,
                toPath: "\(bench.directory)/\(name)"
            )
        }
        _ = try CaptureBench.run([
            "sh", "-c",
            "cd \"$0\" && cp hot cold && cp hot-wal cold-wal && sqlite3 cold 'PRAGMA wal_checkpoint(TRUNCATE)'",
            bench.directory,
        ])
        try bench.shell("INSERT INTO t(body) VALUES('the only copy'), (randomblob(9000));")
        try bench.settle()
        return bench
    }

    @Test(arguments: [
        "UPDATE t SET body=randomblob(10) WHERE id=7; PRAGMA wal_checkpoint(TRUNCATE);"
            + " INSERT INTO t(body) VALUES(randomblob(3000));",
        "DELETE FROM t WHERE id > 40 AND id < 50; CREATE TABLE u(a); PRAGMA wal_checkpoint(RESTART);"
            + " INSERT INTO u VALUES(1);",
        "UPDATE t SET body=randomblob(2000) WHERE id > 2 AND id < 52;",
        // The page of the newest transaction is written again and again, and what is new in it stays.
        "INSERT INTO t(body) SELECT randomblob(40) FROM t;",
    ])
    func `an application's own work is a gap and nothing more`(sql: String) throws {
        let bench = try self.captured()
        bench.vault.detach()
        // The last to close: the WAL is copied into the vault and removed.
        try bench.shell(sql)

        let attachment = try bench.vault.attach(.open)

        #expect(attachment.isGap)
        #expect(!attachment.isReplaced)
    }

    /// A backup of all three files has the same WAL: salts that were counted up prove nothing.
    @Test func `an application that rewrites everything and stays costs an archive`() throws {
        let bench = try self.captured()
        let other = try bench.keepOpen()
        defer { other.end() }
        bench.vault.detach()
        try bench.python(
            """
            app = connect()
            app.execute("UPDATE t SET body=randomblob(2000)")
            app.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            app.execute("UPDATE t SET body=randomblob(2100)")
            app.execute("VACUUM")
            """
        )

        let attachment = try bench.vault.attach(.open)

        #expect(attachment.isGap)
        #expect(attachment.isReplaced)
    }

    @Test(arguments: [false, true])
    func `pages that go back and forth are no older state`(isLastToClose: Bool) throws {
        let bench = try CaptureBench(
            setup: """
                CREATE TABLE flag(id INTEGER PRIMARY KEY, value);
                INSERT INTO flag VALUES(1, 0);
                CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);
                """
        )
        try bench.startCapture()
        let other = try isLastToClose ? nil : bench.keepOpen()
        defer { other?.end() }
        for _ in 0..<4 {
            try bench.shell(
                "BEGIN; UPDATE flag SET value=1-value; INSERT INTO t(body) VALUES(randomblob(5000)); COMMIT;"
            )
            try bench.settle()
        }
        bench.vault.detach()
        try bench.shell("PRAGMA wal_checkpoint(RESTART); UPDATE flag SET value=1-value;")

        let attachment = try bench.vault.attach(.open)

        #expect(attachment.isGap)
        #expect(!attachment.isReplaced)
    }

    @Test(arguments: [
        // Restored in place, by renaming, from a compacted backup, and gone on with.
        "cp backup vault.db", "cp backup new && mv new vault.db", "cp compact vault.db",
        "cp backup vault.db && sqlite3 vault.db 'INSERT INTO t(body) VALUES(1)'",
        // An application goes on with it, in the very page that the newest transaction had changed.
        "cp cold vault.db && sqlite3 vault.db \"INSERT INTO t(body) VALUES('the other copy'), (randomblob(9000))\"",
        "cp cold vault.db && sqlite3 vault.db 'INSERT INTO t(body) SELECT randomblob(50) FROM t'",
        "cp hot vault.db && cp hot-wal vault.db-wal && sqlite3 vault.db 'PRAGMA wal_checkpoint(RESTART);"
            + " INSERT INTO t(body) SELECT randomblob(50) FROM t'",
        // The newest state, but for its last transactions, in a file that is another one.
        "cp vault.db new && sqlite3 new 'DELETE FROM t WHERE id > 51' && mv new vault.db",
        // Another database, which has seen more changes than this one.
        "cp other vault.db",
        "sqlite3 vault.db .dump > dump; rm vault.db; sqlite3 vault.db < dump;"
            + " sqlite3 vault.db 'PRAGMA journal_mode=WAL'",
    ])
    func `another file or an older state is said to be one`(script: String) throws {
        let bench = try self.captured()
        bench.vault.detach()
        _ = try CaptureBench.run([
            "python3", "-c",
            """
            import sqlite3, sys
            other = sqlite3.connect(sys.argv[1] + "/other", isolation_level=None)
            other.execute("PRAGMA journal_mode=WAL")
            other.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB)")
            for i in range(300): other.execute("INSERT INTO t(body) VALUES(randomblob(2000))")
            """, bench.directory,
        ])
        let setMode = "for f in backup compact; do sqlite3 $f 'PRAGMA journal_mode=WAL'; done; "
        _ = try CaptureBench.run([
            "sh", "-c", "cd \"$0\" && \(setMode)\(script)", bench.directory,
        ])

        let attachment = try bench.vault.attach(.open)

        #expect(attachment.isGap)
        #expect(attachment.isReplaced)
    }

    /// Applications have the vault open: its WAL stays, with the log's newest transaction in it.
    @Test(arguments: ["", "INSERT INTO t(body) VALUES('since');"])
    func `what lies under a WAL that stayed is looked at`(since: String) throws {
        let bench = try self.captured()
        let other = try bench.keepOpen()
        defer { other.end() }
        let wal = URL(fileURLWithPath: bench.path + "-wal")
        let salts = { try Data(contentsOf: wal)[16..<24] }
        let before = try salts()
        // Once all of it is copied, the next commit begins the WAL anew.
        try bench.wait {
            try bench.shell("INSERT INTO t(body) VALUES(randomblob(1000000));")
            try bench.settle()
            return try salts() != before
        }
        bench.vault.detach()
        _ = try CaptureBench.run([
            "sh", "-c", "cd \"$0\" && cp cold vault.db && sqlite3 vault.db \"$1\"",
            bench.directory, since + "SELECT 1;",
        ])

        let attachment = try bench.vault.attach(.open)

        #expect(attachment.isGap)
        #expect(attachment.isReplaced)
    }

    /// A checkpoint of the application's has copied its commits, and a reader keeps the WAL as it is.
    @Test(arguments: [false, true])
    func `commits that are in the WAL and in the database follow the log's`(isCopied: Bool) throws {
        let bench = try self.captured()
        let reader = try bench.process(
            "app = connect(); app.execute('BEGIN'); app.execute('SELECT count(*) FROM t').fetchall()"
        )
        defer { reader.end() }
        bench.vault.detach()
        for _ in 0..<3 { try bench.shell("INSERT INTO t(body) VALUES(randomblob(700));") }
        let newest = try bench.process(
            "app = connect(); app.execute('BEGIN'); app.execute('SELECT count(*) FROM t').fetchall()"
        )
        defer { newest.end() }
        if isCopied {
            reader.end()
            try bench.shell("PRAGMA wal_checkpoint(PASSIVE);")
        }

        let attachment = try bench.vault.attach(.open)

        #expect(attachment.hasUnloggedCommits, "isCopied: \(isCopied)")
        #expect(!attachment.isGap && !attachment.isReplaced)
    }

    /// Its applications go on, and what they commit looks as if it followed the log.
    @Test func `a vault that was copied over while it was captured is never taken for itself`()
        throws
    {
        let bench = try CaptureBench(
            setup: """
                CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);
                WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 50)
                INSERT INTO t SELECT i, randomblob(2000) FROM n;
                """
        )
        _ = try CaptureBench.run(["cp", bench.path, bench.directory + "/backup"])
        try bench.shell("UPDATE t SET body='newer' WHERE id=5;")
        try bench.startCapture()
        let application = try bench.keepOpen()
        for _ in 0..<2 {
            try bench.shell("INSERT INTO t(body) VALUES(randomblob(100));")
            try bench.settle()
        }
        _ = try CaptureBench.run(["cp", bench.directory + "/backup", bench.path])
        try bench.shell("INSERT INTO t(body) VALUES('since');")
        try bench.settle()
        bench.vault.detach()
        application.end()
        // The last to close: the WAL is copied into the database and removed.
        try bench.shell("INSERT INTO t(body) VALUES('later');")

        let attachment = try bench.vault.attach(.open)

        #expect(attachment.isGap)
        #expect(attachment.isReplaced)
        try bench.startCapture(epoch: 4)
        try bench.settle()
        bench.vault.detach()
        #expect(try bench.vault.attach(.open).position != nil)
    }

    @Test func `nothing to compare with counts as another vault`() throws {
        let bench = try self.captured()
        bench.vault.detach()
        try FileManager.default.removeItem(atPath: bench.directory + "/log/sample")
        try bench.shell("INSERT INTO t(body) VALUES(1);")

        #expect(try bench.vault.attach(.open).isReplaced)
    }

    /// Work whose result is the same in a backup says nothing of the vault.
    @Test(arguments: [
        // A row that was there from the beginning is deleted.
        Repeatable(logged: "DELETE FROM s WHERE id=20", since: ""),
        Repeatable(logged: "DELETE FROM s WHERE id=20", since: "INSERT INTO t VALUES(2, 'other')"),
        // A flag comes back to what it was.
        Repeatable(
            logged: "UPDATE flag SET value='closed'; UPDATE flag SET value='opened'",
            since: ""
        ),
        Repeatable(
            logged: "UPDATE flag SET value='closed'; UPDATE flag SET value='opened'",
            since: "INSERT INTO t VALUES(2, 'other')"
        ),
        // The same job is done anew with the backup.
        Repeatable(
            logged: "UPDATE s SET v='half' WHERE id=3; DELETE FROM s WHERE id=7",
            since: "UPDATE s SET v='half' WHERE id=3; DELETE FROM s WHERE id=7"
        ),
        Repeatable(
            logged: "UPDATE flag SET value='number' || (SELECT count(*) FROM s)",
            since: "INSERT INTO t VALUES(2, 'other');"
                + " UPDATE flag SET value='number' || (SELECT count(*) FROM s)"
        ),
        Repeatable(
            logged: "INSERT INTO s VALUES(21, 'step one'); INSERT INTO s VALUES(22, 'step two')",
            since: "INSERT INTO t VALUES(2, 'other'); INSERT INTO s VALUES(21, 'step one');"
                + " INSERT INTO s VALUES(22, 'step two')"
        ),
        // What only the vault has is a change of a row.
        Repeatable(
            logged: "UPDATE t SET body='the only change' WHERE id=1;"
                + " INSERT INTO s VALUES(21, 'step one'); INSERT INTO s VALUES(22, 'step two')",
            since: "INSERT INTO s VALUES(21, 'step one'); INSERT INTO s VALUES(22, 'step two')"
        ),
    ])
    func `what a backup shows too is no proof`(work: Repeatable) throws {
        let bench = try CaptureBench(
            setup: """
                CREATE TABLE t(id INTEGER PRIMARY KEY, body);
                CREATE TABLE s(id INTEGER PRIMARY KEY, v);
                CREATE TABLE flag(id INTEGER PRIMARY KEY, value);
                INSERT INTO t VALUES(1, 'the first');
                INSERT INTO flag VALUES(1, 'opened');
                WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 20)
                INSERT INTO s SELECT i, 'some' FROM n;
                """
        )
        try bench.startCapture()
        // SQLite's own backup has a change counter of its own, and this has the vault's.
        _ = try CaptureBench.run(["cp", bench.path, bench.directory + "/backup"])
        let only = "INSERT INTO t VALUES(2, 'the only copy')"
        for sql in [only] + work.logged.components(separatedBy: "; ") {
            try bench.shell(sql + ";")
            try bench.settle()
        }
        bench.vault.detach()
        _ = try CaptureBench.run([
            "sh", "-c",
            "cd \"$0\" && cp backup vault.db && sqlite3 vault.db \"$1\"", bench.directory,
            work.since + ";",
        ])

        let attachment = try bench.vault.attach(.open)

        #expect(attachment.isGap)
        #expect(attachment.isReplaced)
    }

    struct Repeatable: Sendable, CustomTestStringConvertible {
        /// After the row that is in no backup.
        var logged: String
        /// Of what an application makes of the backup.
        var since: String

        var testDescription: String { "\(self.logged); backup; \(self.since)" }
    }

    @Test func `the next gap is measured from the last one`() throws {
        let bench = try self.captured()
        bench.vault.detach()
        for round in 0..<3 {
            try bench.shell("UPDATE t SET body=randomblob(2000) WHERE id=\(round + 1);")
            let attachment = try bench.startCapture(epoch: UInt64(4 + 2 * round))
            #expect(attachment.isGap && !attachment.isReplaced)
            for _ in 0..<2 {
                try bench.shell("INSERT INTO t(body) VALUES('in the log');")
                try bench.settle()
            }
            bench.vault.detach()
        }
    }

    /// What is in the log alone could tell the vault from a backup.
    @Test func `two gaps in a row cost an archive`() throws {
        let bench = try self.captured()
        bench.vault.detach()
        try bench.shell("UPDATE t SET body=randomblob(2000) WHERE id=1;")
        try bench.startCapture(epoch: 4)
        bench.vault.detach()
        try bench.shell("UPDATE t SET body=randomblob(2000) WHERE id=2;")

        let attachment = try bench.vault.attach(.open)

        #expect(attachment.isGap)
        #expect(attachment.isReplaced)
    }
}
