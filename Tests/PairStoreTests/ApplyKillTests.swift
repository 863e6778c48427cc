import Foundation
import PairCore
import PairStore
import PairWAL
import TestThreads
import Testing

@Suite("Apply: killed at any moment", .partOfMachine, .ownThreads)
struct ApplyKillTests {
    /// Kills the applier at random moments until it has applied everything.
    ///
    /// With readers that stay, SQLite recovers nothing and the header says what counts; with readers
    /// that come and go, the last of them checkpoints and removes the WAL between two lives.
    @Test(arguments: [true, false])
    func `goes on from a state that the log knows`(readersStay: Bool) throws {
        let bench = try ApplyBench(
            setup: """
                CREATE TABLE account(id INTEGER PRIMARY KEY, amount INTEGER, pad BLOB);
                WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 100)
                INSERT INTO account SELECT i, 1000, randomblob(300) FROM n;
                CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES(0);
                """
        )
        let base = try self.record(bench)
        // From here on it is a secondary's copy, which nobody may ever write to.
        _ = try bench.copy.attach(.closed(marked: true))
        bench.copy.detach()
        let feed = bench.source.directory + "/log"
        let stop = bench.folder("stop")
        let readers = try (readersStay ? [0, 0] : [1]).map { life in
            try Client(python: ApplyTests.reader, on: bench.path, stop, String(life))
        }
        var random = SplitMix(state: readersStay ? 7 : 8)
        var kills = 0
        var newest = base.txid.rawValue

        while true {
            let client = try self.fixture(bench, feed, base)
            let life = kills < 20 ? Double(random.next() % 90) / 1_000 + 0.005 : 60
            let isDone = client.ends(within: life)
            client.kill()
            let (text, _) = client.wait()
            try #require(!text.contains("failed"), "\(text)")
            try #require(!isDone || text.hasSuffix("done\n"), "it ended by itself: \(text)")
            newest = try self.checkProgress(text, newest)
            if isDone { break }
            kills += 1
            try self.expectRefusal(bench)
        }

        #expect(FileManager.default.createFile(atPath: stop, contents: nil))
        for reader in readers {
            let (text, status) = reader.wait()
            #expect(status == 0, "\(text)")
        }
        #expect(kills > 10)
        let files = try bench.finalFiles()
        #expect(files.copy == files.source)
    }

    /// Kills a copy at random moments: there is nothing, the old vault or the new one, never a mixture.
    @Test(arguments: [true, false])
    func `takes a copy completely or not at all`(isDelta: Bool) throws {
        let bench = try ApplyBench(setup: Self.bulk)
        let image = bench.folder("image")
        try bench.source.startCapture()
        try bench.source.shell("UPDATE t SET body=randomblob(2000) WHERE id % 3 = 0; VACUUM;")
        let end = try bench.source.settle()
        try bench.source.finalFile().write(to: URL(fileURLWithPath: image))
        if !isDelta { try FileManager.default.removeItem(atPath: bench.path) }
        let old = isDelta ? try Self.sum(bench.path) : nil
        let new = try Self.sum(image)
        var kills = 0

        while true {
            let client = try Client([
                Self.program, "copy", bench.folder.path, image, "4096", end.epoch.description,
                end.txid.description, end.digest.description,
            ])
            // Each life is a little longer than the one before, so that the death moves through it.
            let life = kills < 25 ? Double(kills + 1) * 0.002 : 60
            let isDone = client.ends(within: life)
            client.kill()
            let (text, _) = client.wait()
            try #require(!text.contains("failed"), "\(text)")
            try #require(!isDone || text.hasSuffix("done\n"), "it ended by itself: \(text)")
            if isDone { break }
            kills += 1
            let exists = FileManager.default.fileExists(atPath: bench.path)
            #expect(exists || !isDelta)
            if exists {
                let sum = try Self.sum(bench.path)
                #expect(sum == old || sum == new, "after \(kills) kills")
            }
        }

        #expect(kills > 0, "no life was short enough to be cut off")
        #expect(try Self.sum(bench.path) == new)
        #expect(try bench.copyFile() == Data(contentsOf: URL(fileURLWithPath: image)))
    }

    private static let bulk = """
        CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);
        WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
        INSERT INTO t SELECT i, randomblob(2000) FROM n;
        """

    /// A number that two different vaults hardly share, and that needs every page.
    private static func sum(_ path: String) throws -> String {
        try CaptureBench.run([
            "sqlite3", path,
            "SELECT count(*), sum(unicode(hex(body)) + id), md5 FROM t,"
                + " (SELECT hex(max(body)) || hex(min(body)) AS md5 FROM t);"
                + " PRAGMA integrity_check;",
        ])
    }

    private static let program =
        Bundle.main.bundleURL.appendingPathComponent("store-fixture").path

    /// Lets an application commit, so that there is a log to apply.
    private func record(_ bench: ApplyBench) throws -> Position {
        try bench.source.startCapture()
        let base = try #require(bench.source.vault.captured)
        try bench.source.python(
            """
            import random
            app = connect()
            for i in range(1500):
                a, b = random.randint(1, 100), random.randint(1, 100)
                app.execute("BEGIN IMMEDIATE")
                app.execute("UPDATE account SET amount=amount-7, pad=randomblob(300) WHERE id=?", (a,))
                app.execute("UPDATE account SET amount=amount+7 WHERE id=?", (b,))
                if i % 500 == 250:
                    app.execute("CREATE TABLE bulk%d(x)" % i)
                    for j in range(60):
                        app.execute("INSERT INTO bulk%d VALUES(randomblob(60000))" % i)
                app.execute("UPDATE counter SET n=n+1")
                app.execute("COMMIT")
            """
        )
        try bench.source.settle()
        return base
    }

    private func fixture(_ bench: ApplyBench, _ feed: String, _ base: Position) throws -> Client {
        try Client([
            Self.program, "apply", bench.folder.path, feed, base.epoch.description,
            base.txid.description, base.digest.description, "60000",
        ])
    }

    /// What was seen once is never lost again.
    private func checkProgress(_ text: String, _ before: UInt64) throws -> UInt64 {
        var newest = before
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, let txid = UInt64(words[1]) else { continue }
            #expect(txid >= newest, "\(text)")
            newest = max(newest, txid)
        }
        return newest
    }

    private func expectRefusal(_ bench: ApplyBench) throws {
        let answer = try bench.python(
            """
            app = sqlite3.connect(path, timeout=2, isolation_level=None)
            try:
                app.execute("UPDATE account SET amount=0")
                print("written")
            except sqlite3.OperationalError as error: print(error)
            """
        )
        #expect(answer.contains("readonly"), "\(answer)")
    }
}

/// Random numbers that a seed repeats.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var value = self.state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
