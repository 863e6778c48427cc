import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    /// Vaults that somebody puts in their place, or takes from it, without asking `paird`.
    @Suite("A vault that comes and goes", .timeLimit(.minutes(5)))
    struct Displaced {
        /// What the stock shell says to a write of somebody who does not wait.
        private func write(_ sql: String, _ lab: LabPair, _ node: LabNode) async throws -> Command {
            try await Command.run(
                try Programs.system("sqlite3"),
                ["-batch", lab.folder.vault(node), sql]
            )
        }

        /// Another vault comes to lie where node 1's was, and nobody opens it.
        private func hold(_ lab: LabPair) async throws {
            try await self.miss(lab)
            try await lab.makeAnother(.one)
            try await eventually("node 1 holds") {
                try await lab.status(.one).local.state == .hold
            }
        }

        private func miss(_ lab: LabPair) async throws {
            try await eventually("node 1 misses its vault") {
                try await lab.status(.one).reasons.contains { $0.contains("is gone") }
            }
        }

        @Test func `is archived when it comes while a copy is being taken`() async throws {
            let slow = LabOptions(configuration: "replication: { max_rate: 1MiB }")
            try await LabPair.use(slow) { lab in
                try await Ledger.make(in: lab, on: .one, more: Ledger.bulk(mebibytes: 6))
                try await lab.pair()
                try await lab.operate(.one, ["enable-ha"])
                try await eventually("the copy is under way", every: .milliseconds(10)) {
                    let status = try await lab.status(.two)
                    return status.local.state == .seeding && (status.seed?.doneBytes ?? 0) > 0
                }
                try await lab.makeAnother(.two, counter: -77)

                #expect(try await lab.whole() == .one)

                try await lab.expectEqual(atLeast: 0)
                try await eventually("what came is archived", within: .seconds(5)) {
                    try await lab.isKept("-77", of: .two)
                }
                for tail in try await lab.status(.two).tails {
                    let list = try await lab.operate(.two, ["tail", "list"])
                    #expect(list.output.contains(tail.id), "\(list.output)")
                }
            }
        }

        @Test func `takes no writes when it comes back to a parked node, with paird or without`()
            async throws
        {
            try await LabPair.filled { lab in
                try await lab.stop(.one)
                try lab.moveAway(.one)
                try await eventually("node 2 serves") {
                    try await lab.status(.two).local.gate == .open
                }
                try await lab.operate(.two, ["disable-ha", "--force", "--confirm", "node-1"])
                try await lab.start(.one)
                try await eventually("node 1 is parked, and asks nobody to make a vault") {
                    let status = try await lab.status(.one)
                    return status.local.state == .parked
                        && status.reasons.contains { $0.contains("enable-ha on node-2 brings") }
                        && !status.reasons.contains { $0.contains("created by the application") }
                }
                try lab.putBack(.one)

                try await eventually("the vault takes no writes", within: .seconds(10)) {
                    try await self.write("BEGIN IMMEDIATE; ROLLBACK;", lab, .one).errors
                        .contains("readonly")
                }
                let update = "UPDATE counter SET value = -6;"
                let refused = try await self.write(update, lab, .one)
                try await lab.kill(.one)
                let refusedAlone = try await self.write(update, lab, .one)

                #expect(refused.status != 0 && refusedAlone.status != 0)
                let value = try await lab.sql(.one, "SELECT value FROM counter;")
                #expect(value.lines == ["200"], "\(value.errors)")
            }
        }

        @Test func `is nothing to a parked node that follows again when it has no tables`()
            async throws
        {
            try await LabPair.filled(.patient) { lab in
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "30s"])
                try lab.removeVault(.two)
                let bare = "PRAGMA journal_mode = WAL; CREATE TABLE t (x); DROP TABLE t;"
                #expect(try await lab.sql(.two, bare).status == 0)
                try await eventually("it takes no writes", within: .seconds(10)) {
                    try await self.write("BEGIN IMMEDIATE; ROLLBACK;", lab, .two).errors
                        .contains("readonly")
                }

                try await lab.operate(.one, ["enable-ha"])

                #expect(try await lab.whole() == .one)
                #expect(try await lab.status(.two).tails == [])
                try await lab.expectEqual(atLeast: 200)
            }
        }

        @Test func `takes no commits under another name, also when one has come in its place`()
            async throws
        {
            try await LabPair.filled(.patient) { lab in
                let application = try lab.application(.one, busyTimeout: .milliseconds(300))
                _ = try await application.run("SELECT count(*) FROM credential;")
                try lab.renameVault(.one)
                try await self.miss(lab)
                let missing = try await application.run("UPDATE counter SET value = -2;")
                try await self.hold(lab)

                let held = try await application.run("UPDATE counter SET value = -3;")

                #expect(!missing.errors.isEmpty, "committed to a file that has another name")
                #expect(!held.errors.isEmpty, "committed to a file that has another name")
                let value = try await application.run("SELECT value FROM counter;")
                #expect(value.rows == ["200"], "\(value.errors)")
            }
        }

        @Test(arguments: [false, true])
        func `is noticed and archived when it came without tables and gets them`(
            isSeenFirst: Bool
        ) async throws {
            try await LabPair.filled(.patient) { lab in
                for node in LabNode.allCases { try await lab.kill(node) }
                try lab.removeVault(.two)
                let bare = "PRAGMA journal_mode = WAL; CREATE TABLE t (x); DROP TABLE t;"
                #expect(try await lab.sql(.two, bare).status == 0)
                try await lab.start(.two)
                try await eventually("node 2 looks for its primary") {
                    try await lab.status(.two).local.state == .lookingForPeer
                }
                let before = try await lab.status(.two).reasons
                try await lab.makeAnother(.two, counter: -9)
                if isSeenFirst {
                    let vault = lab.folder.vault(.two)
                    try await eventually("node 2 says what lies there", within: .seconds(10)) {
                        let status = try await lab.status(.two)
                        return status.local.state != .lookingForPeer
                            || status.reasons.contains {
                                $0.contains(vault) && !before.contains($0)
                            }
                    }
                }
                try await lab.start(.one)

                #expect(try await lab.whole() == .one)
                #expect(try await lab.isKept("-9", of: .two))
                try await lab.expectEqual(atLeast: 200)
            }
        }

        @Test func `and has gone again leaves its node fit to follow the peer`() async throws {
            let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(6))
            try await LabPair.filled(options) { lab in
                try lab.removeVault(.one)
                try await self.hold(lab)
                try lab.removeVault(.one)
                let copies = lab.seedCount(.one)
                var states: Set<NodeState> = []
                try await eventually("node 1 follows") {
                    let local = try await lab.status(.one).local
                    states.formUnion(local.state.map { [$0] } ?? [])
                    return local.state == .failed
                        || local.role == .secondary && local.state == .streaming
                }

                try #require(!states.contains(.failed), "\(states)")
                #expect(try await lab.whole() == .two)
                #expect(lab.seedCount(.one) == copies + 1)
                for node in LabNode.allCases {
                    let view = try Ledger.View(try await lab.sql(node, Ledger.look).lines)
                    #expect(view.isConsistent && view.counter == 200, "\(node.name): \(view)")
                }
            }
        }

        @Test func `and has gone again is served by nobody's force`() async throws {
            try await LabPair.filled(.patient) { lab in
                try lab.removeVault(.one)
                try await self.hold(lab)
                try lab.removeVault(.one)
                try await eventually("node 1 has noticed") {
                    let status = try await lab.status(.one)
                    return status.local.state != .hold
                        || status.reasons.contains { $0.contains("is gone") }
                }

                let refused = try await lab.pairctl(
                    .one,
                    ["promote", "--force", "--confirm", "node-2", "--reason", "test"]
                )

                #expect(refused.status != 0, "\(refused.output)")
                #expect(refused.errors.contains("gone"), "\(refused.errors)")
                let two = try await lab.status(.two)
                #expect(two.local.role == .secondary && two.local.state != .superseded)
                #expect(two.tails == [])
                let view = try Ledger.View(try await lab.sql(.two, Ledger.look).lines)
                #expect(view.isConsistent && view.counter == 200, "\(view)")
            }
        }

        @Test func `is served again when it is put back after another lay in its place`()
            async throws
        {
            try await LabPair.filled(.patient) { lab in
                let application = try lab.application(.one)
                _ = try await application.run("SELECT 1;")
                try lab.moveAway(.one)
                try await self.miss(lab)
                try await lab.makeAnother(.one)
                try await eventually("node 1 holds it") {
                    try await lab.status(.one).local.state == .hold
                }
                await application.close()

                try lab.putBack(.one)

                try await eventually("node 1 serves again", within: .seconds(20)) {
                    try await lab.status(.one).local.gate == .open
                }
                try await LedgerWriter(try lab.application(.one), from: 201).run(
                    rate: nil,
                    until: 205
                )
                // The lineage has it that another was there, so the copy is archived, for nothing.
                #expect(try await lab.whole() == .one)
                try await lab.expectEqual(atLeast: 205)
            }
        }

        @Test(arguments: [false, true])
        func `is replaced on a parked node that follows again`(isRestarted: Bool) async throws {
            try await LabPair.filled(.patient) { lab in
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "30s"])
                try lab.removeVault(.two)
                try await eventually("node 2 misses its copy") {
                    try await lab.status(.two).reasons.contains { $0.contains("is gone") }
                }
                if isRestarted {
                    try await lab.kill(.two)
                    try await lab.start(.two)
                }

                try await lab.operate(.one, ["enable-ha"])

                #expect(try await lab.whole(within: .seconds(10)) == .one)
                #expect(try await lab.status(.two).tails == [])
                try await lab.expectEqual(atLeast: 200)
            }
        }

        @Test func `is replaced on a secondary where only its database was moved`() async throws {
            try await LabPair.filled(.patient) { lab in
                let vault = lab.folder.vault(.two)
                try FileManager.default.moveItem(atPath: vault, toPath: vault + ".away")

                try await eventually("a whole copy is taken", within: .seconds(20)) {
                    lab.seedCount(.two) == 2
                }
                try await lab.protected()
                try await lab.expectEqual(atLeast: 200)
            }
        }

        /// Nobody may write there, and it is not to be used; then it is taken away.
        @Test func `that could not even be read is given up by removing it`() async throws {
            try await LabPair.filled(.patient) { lab in
                try await lab.kill(.two)
                try lab.removeVault(.two)
                let vault = lab.folder.vault(.two)
                try Data(repeating: 7, count: 100_000).write(to: URL(filePath: vault))
                try await lab.start(.two)
                try await eventually("node 2 says what is wrong") {
                    try await lab.status(.two).reasons.contains { $0.contains("not an SQLite") }
                }
                try await lab.stop(.two)
                try lab.removeVault(.two)

                try await lab.start(.two)

                try await lab.protected()
                try await lab.expectEqual(atLeast: 200)
            }
        }

        @Test func `is said to be gone by both nodes when both have lost theirs`() async throws {
            try await LabPair.filled(.patient) { lab in
                try lab.removeVault(.one)
                try await self.miss(lab)
                try lab.removeVault(.two)
                let log = lab.folder.log(.two)
                try await eventually("node 2 misses its copy") {
                    try String(contentsOfFile: log, encoding: .utf8).contains("vault.replaced")
                }
                let copy = lab.folder.vault(.two)
                try await eventually("node 2 says so", within: .seconds(5)) {
                    try await lab.status(.two).reasons.contains {
                        $0.contains(copy) && $0.contains("gone")
                    }
                }

                let refused = try await lab.pairctl(.two, ["promote"])

                #expect(refused.status != 0, "\(refused.output)")
                // Neither sends the operator to the other for what that would refuse.
                #expect(try await lab.status(.two).next?.hasPrefix("pairctl promote") == false)
                try await eventually("node 1 knows that node 2 has no copy") {
                    try await !lab.status(.one).reasons.contains { $0.contains("last copy") }
                }
                let advice = try #require(try await lab.status(.one).next)
                #expect(!advice.contains("on node-2: pairctl promote"), "\(advice)")
            }
        }
    }
}
