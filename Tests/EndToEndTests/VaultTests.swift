import Foundation
import PairCore
import PairLab
import PairStore
import Testing

extension EndToEnd {
    @Suite("Whatever an application does with its vault", .timeLimit(.minutes(5)))
    struct Vaults {
        @Test(arguments: [512, 4096, 65_536])
        func `arrives with every page size`(pageSize: Int) async throws {
            try await LabPair.enabled(pageSize: pageSize) { lab in
                let writer = LedgerWriter(try lab.application(.one))
                try await writer.run(rate: nil, until: 1_000)

                try await lab.expectEqual(atLeast: 1_000)
                let size = try await lab.sql(.two, "PRAGMA page_size;")
                #expect(size.lines == ["\(pageSize)"])
            }
        }

        @Test(arguments: ["OFF", "NORMAL", "FULL", "EXTRA"])
        func `arrives with every synchronous mode`(mode: String) async throws {
            try await LabPair.enabled { lab in
                let shell = try lab.application(.one)
                _ = try await shell.run("PRAGMA synchronous = \(mode);")
                try await LedgerWriter(shell).run(rate: nil, until: 1_000)

                try await lab.expectEqual(atLeast: 1_000)
            }
        }

        @Test func `arrives through storms of checkpoints`() async throws {
            try await LabPair.enabled { lab in
                let committed = try await lab.underLoad(rate: 1_000) { writer, _ in
                    let storm = try lab.application(.one)
                    for mode in ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] {
                        for _ in 0..<25 {
                            _ = try await storm.run("PRAGMA wal_checkpoint(\(mode));")
                        }
                    }
                    try await eventually("2,000 transactions are committed") {
                        writer.committed >= 2_000
                    }
                }

                try await lab.expectEqual(atLeast: committed)
                #expect(lab.seedCount(.two) == 1)
            }
        }

        @Test func `arrives through VACUUM, changes of the schema and large rows`() async throws {
            try await LabPair.enabled { lab in
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 500)
                let done = try await lab.sql(
                    .one,
                    """
                    CREATE TABLE large (id INTEGER PRIMARY KEY, data BLOB);
                    INSERT INTO large VALUES (1, randomblob(3000000)), (2, zeroblob(2000000));
                    CREATE INDEX by_name ON credential (name);
                    ALTER TABLE credential ADD COLUMN note TEXT;
                    DELETE FROM large WHERE id = 1;
                    VACUUM;
                    CREATE VIEW newest AS SELECT max(id) AS id FROM credential;
                    DROP TABLE large;
                    VACUUM;
                    """
                )
                #expect(done.status == 0, "\(done.errors)")

                try await lab.expectEqual(atLeast: 500)
                #expect(lab.seedCount(.two) == 1)
            }
        }

        @Test func `arrives when large transactions go on while the secondary catches up`()
            async throws
        {
            try await LabPair.enabled { lab in
                let shell = try lab.application(.one)
                try await LedgerWriter(shell).run(rate: nil, until: 100)
                _ = try await shell.run("CREATE TABLE large (id INTEGER PRIMARY KEY, data BLOB);")
                func commit(_ count: Int) async throws {
                    for id in 0..<count {
                        let byteCount = 2_000_000 + id % 3 * 1_500_000
                        _ = try await shell.run(
                            "INSERT OR REPLACE INTO large VALUES (\(id), randomblob(\(byteCount)));"
                        )
                    }
                }

                for _ in 0..<12 {
                    try lab.pause(.two)
                    try await commit(8)
                    try lab.resume(.two)
                    try await commit(12)
                }

                try await lab.expectEqual(atLeast: 100)
            }
        }

        @Test func `arrives although others checkpointed while no daemon looked`() async throws {
            try await LabPair.enabled { lab in
                var committed = 300
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: committed)
                for mode in ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] {
                    let shell = try lab.application(.one)
                    let writer = LedgerWriter(shell, from: committed + 1)
                    // The log's newest transaction tells the vault from a backup.
                    try await writer.run(rate: nil, until: committed + 60)
                    try await lab.waitApplied(on: .one)
                    try await lab.kill(.one)
                    try await writer.run(rate: nil, until: committed + 290)
                    let answer = try await shell.run(
                        "PRAGMA wal_checkpoint(\(mode)); PRAGMA wal_checkpoint(\(mode));"
                    )
                    #expect(answer.errors == [])
                    #expect(answer.rows.allSatisfy { $0.hasPrefix("0|") }, "\(answer.rows)")
                    try await writer.run(rate: nil, until: committed + 340)
                    committed = writer.committed
                    await shell.close()
                    try await lab.start(.one)
                    try await lab.protected()
                }

                try await lab.expectEqual(atLeast: committed)
                #expect(lab.seedCount(.two) == 1, "a whole copy was taken again")
            }
        }

        @Test(arguments: ["cp backup.db vault.db", "mv backup.db vault.db"])
        func `is archived by the secondary before a backup that was put in its place is taken`(
            restore: String
        ) async throws {
            try await LabPair.enabled { lab in
                let shell = try lab.application(.one)
                let writer = LedgerWriter(shell)
                try await writer.run(rate: nil, until: 300)
                let folder = lab.folder.folder(.one) + "/vault"
                let backup = try await lab.sql(.one, "VACUUM INTO '\(folder)/backup.db';")
                #expect(backup.status == 0, "\(backup.errors)")
                try await writer.run(rate: nil, until: 600)
                try await lab.waitApplied(on: .one)
                await shell.close()
                try await lab.stop(.one)
                // The last to leave it puts the WAL into the vault.
                _ = try await lab.sql(.one, "PRAGMA wal_checkpoint(TRUNCATE);")
                let restored = try await Command.run(
                    "/bin/sh",
                    [
                        "-c",
                        "cd '\(folder)' && sqlite3 backup.db 'PRAGMA journal_mode=WAL' && "
                            + restore,
                    ]
                )
                #expect(restored.status == 0, "\(restored.errors)")

                try await lab.start(.one)
                try await eventually("node 1 has node 2's archive", within: .seconds(60)) {
                    try await !lab.status(.one).tails.isEmpty
                }
                try await lab.expectEqual(atLeast: 300)

                let tail = try #require(try await lab.status(.one).tails.first)
                for node in LabNode.allCases {
                    let image = lab.folder.stateDirectory(node) + "/tails/\(tail.id)/vault.db"
                    let kept = try await Command.run(
                        try Programs.system("sqlite3"),
                        ["file:\(image)?immutable=1", "SELECT value FROM counter;"]
                    )
                    #expect(kept.lines == ["600"], "\(kept.errors)")
                }
                let view = try Ledger.View(try await lab.sql(.two, Ledger.look).lines)
                #expect(view.counter == 300)
                let log = try String(contentsOfFile: lab.folder.log(.one), encoding: .utf8)
                #expect(log.contains("vault.replaced"))
            }
        }

        @Test func `is seeded while it is written to`() async throws {
            try await LabPair.use { lab in
                try await Ledger.make(
                    in: lab,
                    on: .one,
                    more: Ledger.bulk(mebibytes: 64)
                )
                try await lab.pair()
                let writer = LedgerWriter(try lab.application(.one))
                async let writing: Void = writer.run(rate: 500)
                try await eventually("the application writes") { writer.committed > 100 }
                try await lab.enableHA(on: .one)
                writer.stop()
                try await writing

                try await lab.expectEqual(atLeast: writer.committed)
            }
        }

        @Test func `is gone on with when the node died before it had noted its first copy`()
            async throws
        {
            try await LabPair.enabled { lab in
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 100)
                try await lab.waitApplied(on: .one)
                try await lab.kill(.two)
                // Between the rename that puts the copy in its place and the record that says so.
                let file = try NodeStateFile(directory: lab.folder.stateDirectory(.two))
                var record = try #require(try file.load().record)
                record.lineage = Lineage()
                record.epoch = .none
                record.arming = .never
                record.isSeeding = true
                try file.store(record)
                let writer = LedgerWriter(try lab.application(.one), from: 101)
                try await writer.run(rate: nil, until: 200)

                try await lab.start(.two)

                try await lab.protected(within: .seconds(20))
                try await lab.expectEqual(atLeast: 200)
                #expect(lab.seedCount(.two) == 1, "a whole copy was taken again")
            }
        }

        @Test(.enabled(if: EndToEnd.isLong, "takes minutes; set PAIR_LONG=1"))
        func `is seeded when it is large, and whole again after a minute's absence`() async throws {
            try await LabPair.use { lab in
                try await Ledger.make(
                    in: lab,
                    on: .one,
                    more: Ledger.bulk(mebibytes: 1024)
                )
                try await lab.pair()
                let application = try LedgerApplication(lab, rate: 200)
                defer { application.kill() }
                try await application.commits(200)
                let asked = ContinuousClock.now
                try await lab.enableHA(on: .one)
                print("1 GiB, 200 commits/s: protected after \(ContinuousClock.now - asked)")

                for (node, commits) in [(LabNode.two, 12_000), (.one, 600)] {
                    try await lab.kill(node)
                    try await application.commits(commits)
                    let back = ContinuousClock.now
                    try await lab.start(node)
                    try await lab.protected()
                    print(
                        "\(node.name) away for \(commits) commits:",
                        "protected \(ContinuousClock.now - back) after its start"
                    )
                }
                application.finish()

                try await lab.waitApplied(on: .one)
                let verified = try await lab.pairctl(.one, ["verify", "--full"])
                #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
                let view = try Ledger.View(try await lab.sql(.two, Ledger.look).lines)
                let committed = try application.committed
                #expect(view.isConsistent && view.counter == committed, "\(committed), \(view)")
                #expect(lab.seedCount(.two) == 1, "a whole copy was taken again")
            }
        }
    }

    @Suite("The gate", .timeLimit(.minutes(5)))
    struct Gate {
        /// Everything that writes, by a client that does not care what it breaks.
        private static let writes = [
            "UPDATE counter SET value = -1", "INSERT INTO account VALUES (9999, 1)",
            "DELETE FROM credential", "CREATE TABLE intruder (id INTEGER PRIMARY KEY)",
            "DROP TABLE credential", "ALTER TABLE credential ADD COLUMN intruder TEXT",
            "CREATE INDEX intruder ON credential (name)", "PRAGMA user_version = 77", "VACUUM",
        ]

        /// Tries every write on a connection of its own, and says which of them was accepted.
        private static let program = """
            import sqlite3, sys
            for statement in sys.argv[2:]:
                db = sqlite3.connect(sys.argv[1], timeout=0.2, isolation_level=None)
                try:
                    db.execute(statement)
                    print("accepted:", statement)
                except sqlite3.OperationalError as error:
                    print("refused:", error)
                finally:
                    db.close()
            """

        /// Neither the stock shell nor Python can write on a node.
        private func expectRefused(
            _ lab: LabPair,
            on node: LabNode = .two,
            _ when: String
        ) async throws {
            let shell = try lab.application(node, busyTimeout: .milliseconds(200))
            for statement in Self.writes {
                let answer = try await shell.run("\(statement);")
                #expect(
                    answer.isRefusal || answer.errors.contains { $0.contains("locked") },
                    "the shell, \(when): \(statement): \(answer)"
                )
            }
            shell.kill()
            let python = try await Command.run(
                try Programs.system("python3"),
                ["-c", Self.program, lab.folder.vault(node)] + Self.writes
            )
            #expect(python.lines.count == Self.writes.count, "\(when): \(python.errors)")
            #expect(
                python.lines.allSatisfy {
                    $0.hasPrefix("refused: attempt to write a readonly database")
                        || $0.hasPrefix("refused: database is locked")
                },
                "Python, \(when): \(python.lines)"
            )
        }

        @Test func `refuses applications on the secondary, with and without a daemon`()
            async throws
        {
            try await LabPair.enabled { lab in
                try await self.expectRefused(lab, "while the daemon runs")
                try await lab.kill(.two)
                try await self.expectRefused(lab, "after kill -9 of the daemon")
                try await lab.start(.two)
                try await self.expectRefused(lab, "after the daemon came back")
                try await lab.stop(.two)
                try await self.expectRefused(lab, "after a clean stop")
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 5_000)
                async let start: Void = lab.start(.two)
                try await self.expectRefused(lab, "while the daemon starts and catches up")
                try await start
                try await lab.protected()
                try await self.expectRefused(lab, "when the pair is protected again")
                try lab.pause(.two)
                try await self.expectRefused(lab, "while the daemon hangs")
                try lab.resume(.two)
                try lab.cut()
                try await self.expectRefused(lab, "while the link is cut")
                try await eventually("node 1 misses its peer") {
                    try await lab.status(.one).verdict == .unprotected
                }
                try await self.expectRefused(lab, "when the secondary misses its primary")
                try lab.heal()
                try await lab.protected()

                try await lab.expectEqual(atLeast: 5_000)
            }
        }

        @Test func `refuses applications on a secondary that finds no primary`() async throws {
            try await LabPair.enabled { lab in
                try await lab.kill(.one)
                try await lab.kill(.two)
                try await self.expectRefused(lab, "without any daemon")
                try await lab.start(.two)
                try await self.expectRefused(lab, "while it looks for its primary")
                try await lab.start(.one)
                try await lab.protected()

                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "30s"])
                try await self.expectRefused(lab, "when HA is switched off")
                try await lab.stop(.two)
                try await self.expectRefused(lab, "when HA is off and the daemon stopped")
                try await lab.start(.two)
                try await lab.enableHA(on: .two)
                try await self.expectRefused(lab, on: .one, "after the roles were reversed")
            }
        }

        @Test func `refuses applications while a secondary is seeded`() async throws {
            let options = LabOptions(configuration: "replication: { max_rate: 4MiB }")
            try await LabPair.use(options) { lab in
                try await Ledger.make(in: lab, on: .two)
                try await Ledger.make(
                    in: lab,
                    on: .one,
                    more: Ledger.bulk(mebibytes: 16)
                )
                try await lab.pair()
                try await lab.operate(
                    .one,
                    ["enable-ha", "--discard-peer-vault", "--confirm", "node-2"]
                )
                try await eventually("the seed has begun") {
                    try await lab.status(.two).local.state == .seeding
                }
                try await self.expectRefused(lab, "while it is seeded")
                #expect(try await lab.status(.two).local.state == .seeding, "it was over too soon")
                try await lab.enableHA(on: .one)
                try await self.expectRefused(lab, "when it is seeded")
            }
        }

        @Test func `is open on the primary whatever happens to daemons`() async throws {
            try await LabPair.enabled { lab in
                let committed = try await lab.underLoad(rate: 200, readers: 1) { writer, _ in
                    try await lab.kill(.two)
                    try await lab.start(.two)
                    try await lab.protected()
                    try await lab.stop(.two)
                    let goal = writer.committed + 100
                    try await eventually("the application goes on") { writer.committed >= goal }
                    try await lab.start(.two)
                    try await lab.protected()
                }

                #expect(try await lab.status(.one).local.gate == .open)
                #expect(try await lab.status(.two).local.gate == .closed)
                try await lab.expectEqual(atLeast: committed)
            }
        }

        @Test func `lets applications read on the secondary as before`() async throws {
            try await LabPair.enabled { lab in
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 100)
                try await lab.waitApplied(on: .one)
                try await lab.kill(.two)

                let view = try Ledger.View(try await lab.sql(.two, Ledger.look).lines)
                #expect(view.isConsistent && view.counter == 100, "\(view)")
            }
        }
    }
}
