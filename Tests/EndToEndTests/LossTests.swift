import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    @Suite("A vault that is gone", .timeLimit(.minutes(5)))
    struct Loss {
        /// Node 2 is primary, node 1 follows, and both hold the ledger.
        private func expectTakenOver(_ lab: LabPair, tails: Int) async throws {
            try await eventually("node 1 follows node 2", within: .seconds(60)) {
                guard let one = try? await lab.status(.one), let two = try? await lab.status(.two)
                else { return false }
                return one.local.role == .secondary && one.local.state == .streaming
                    && two.local.role == .primary && two.local.gate == .open
                    && two.failover.blockers.isEmpty && two.reasons.count == two.tails.count
            }
            try await lab.waitApplied(on: .two)
            let verified = try await lab.pairctl(.two, ["verify", "--full"])
            #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
            for node in LabNode.allCases {
                let view = try Ledger.View(try await lab.sql(node, Ledger.look).lines)
                #expect(view.isConsistent && view.counter == 200, "\(node.name): \(view)")
                try await eventually("\(node.name) names \(tails) archives") {
                    try await lab.status(node).tails.count == tails
                }
            }
        }

        @Test func `is taken anew by a former primary whose peer was promoted`() async throws {
            try await LabPair.filled { lab in
                try await lab.kill(.one)
                try lab.removeVault(.one)
                try await eventually("node 2 serves", within: .seconds(30)) {
                    try await lab.status(.two).local.gate == .open
                }

                try await lab.start(.one)

                try await self.expectTakenOver(lab, tails: 0)
            }
        }

        @Test(arguments: [false, true])
        func `is not made up for by one that an application makes`(isRestarted: Bool) async throws {
            try await LabPair.filled { lab in
                try await lab.kill(.one)
                try lab.removeVault(.one)
                try await lab.start(.one)
                let gone = try await lab.status(.one)
                let refused = try await lab.pairctl(.two, ["promote"])
                try await lab.makeAnother(.one)
                if isRestarted {
                    try await lab.kill(.one)
                    try await lab.start(.one)
                }

                #expect(gone.verdict == .down && gone.local.state == .starting)
                #expect(gone.reasons.contains { $0.contains("is gone") }, "\(gone.reasons)")
                #expect(gone.next?.contains("on node-2: pairctl promote") == true)
                #expect(refused.status == 11 && refused.errors.contains("has lost its vault"))
                // Node 2 hears no heartbeat, and is not promoted by anybody.
                try await self.expectTakenOver(lab, tails: 1)
                let tail = try #require(try await lab.status(.two).tails.first)
                try await lab.expectKept("-1", in: tail, .two)
            }
        }

        @Test func `leaves in the log what had not reached the peer, and that is kept`()
            async throws
        {
            try await LabPair.filled { lab in
                try lab.cut()
                let application = try lab.application(.one)
                try await LedgerWriter(application, from: 201).run(rate: nil, until: 203)
                try await eventually("the commits are captured") {
                    try await lab.status(.one).replication.unprotectedTransactions == 3
                }
                try await lab.kill(.one)
                await application.close()
                try lab.removeVault(.one)
                try lab.heal()
                try await eventually("node 2 serves", within: .seconds(30)) {
                    try await lab.status(.two).local.gate == .open
                }
                try await lab.start(.one)

                try await eventually("node 1 follows, and says what is kept", within: .seconds(60))
                {
                    let status = try await lab.status(.one)
                    return status.local.state == .streaming && status.verdict == .degraded
                        && status.reasons.count == 1
                }
                let kept = try await lab.keptLog(.one)
                #expect(kept.contains { $0.hasSuffix("/start") } && kept.count >= 2, "\(kept)")
                let log = try String(contentsOfFile: lab.folder.log(.one), encoding: .utf8)
                #expect(log.contains("3 transactions of the vault that is gone"))
            }
        }

        @Test func `of a node that serves alone is not made up for without a word`() async throws {
            try await LabPair.filled { lab in
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "30s"])
                try await lab.kill(.one)
                try lab.removeVault(.one)
                try await lab.start(.one)
                try await lab.makeAnother(.one)
                try await eventually("node 1 serves what lies there") {
                    try await lab.status(.one).local.gate == .open
                }

                let unsaid = try await lab.pairctl(.one, ["enable-ha"])
                try await lab.enableHA(
                    on: .one,
                    ["--discard-peer-vault", "--confirm", "node-2"]
                )

                #expect(unsaid.status == 11, "\(unsaid.errors)")
                #expect(unsaid.errors.contains("before it was replaced"), "\(unsaid.errors)")
                let tail = try #require(try await lab.status(.one).tails.first)
                try await lab.expectKept("200", in: tail, .one)
            }
        }

        @Test func `that is back after its node has given in is sealed`() async throws {
            try await LabPair.filled { lab in
                try await lab.kill(.one)
                // With no daemon nothing of this is in the log.
                try await LedgerWriter(try lab.application(.one), from: 201).run(
                    rate: nil,
                    until: 203
                )
                try lab.moveAway(.one)
                try await eventually("node 2 serves", within: .seconds(30)) {
                    try await lab.status(.two).local.gate == .open
                }
                // The link is slow to come back, as a file system that is mounted late.
                try lab.cut()
                try await lab.start(.one)
                try lab.pause(.two)
                try lab.heal()
                try lab.putBack(.one)
                try lab.resume(.two)

                try await self.expectTakenOver(lab, tails: 1)
                let tail = try #require(try await lab.status(.two).tails.first)
                try await lab.expectKept("203", in: tail, .two)
            }
        }

        @Test func `of a secondary whose primary is gone can be put back and served`() async throws
        {
            try await LabPair.filled { lab in
                try await lab.kill(.one)
                try lab.moveAway(.two)
                try await eventually("node 2 misses its copy", within: .seconds(30)) {
                    let log = try String(contentsOfFile: lab.folder.log(.two), encoding: .utf8)
                    return log.contains("vault.replaced")
                }
                let promote = ["promote", "--force", "--confirm", "node-1", "--reason", "test"]
                let refused = try await lab.pairctl(.two, promote)
                try lab.putBack(.two)

                try await eventually("node 2 has its copy again", within: .seconds(30)) {
                    try await lab.pairctl(.two, promote).status == 0
                }

                #expect(refused.status == 10, "\(refused.errors)")
                let view = try Ledger.View(try await lab.sql(.two, Ledger.look).lines)
                #expect(view.isConsistent && view.counter == 200, "\(view)")
                #expect(try await lab.status(.two).local.gate == .open)
            }
        }

        @Test func `is missed too when what lay in its place could not be used`() async throws {
            try await LabPair.filled { lab in
                let vault = lab.folder.vault(.one)
                try await lab.kill(.one)
                try lab.removeVault(.one)
                try Data(repeating: 65, count: 10_000).write(to: URL(fileURLWithPath: vault))
                try await lab.start(.one)
                try await eventually("node 2 serves", within: .seconds(30)) {
                    try await lab.status(.two).local.gate == .open
                }
                #expect(try await lab.status(.one).reasons.contains { $0.contains(vault) })

                try FileManager.default.removeItem(atPath: vault)

                try await self.expectTakenOver(lab, tails: 0)
            }
        }

        @Test func `is served again when it is back`() async throws {
            try await LabPair.filled { lab in
                try await lab.kill(.one)
                try lab.moveAway(.one)
                try await lab.start(.one)
                #expect(try await lab.status(.one).verdict == .down)
                try lab.putBack(.one)

                try await lab.protected()

                try await LedgerWriter(try lab.application(.one), from: 201).run(
                    rate: nil,
                    until: 300
                )
                try await lab.expectEqual(atLeast: 300)
                #expect(try await lab.status(.one).tails.isEmpty)
            }
        }

        @Test func `is served again when it is put back in place of another`() async throws {
            try await LabPair.filled(.patient) { lab in
                try await lab.stop(.one)
                try lab.moveAway(.one)
                try await lab.start(.one)
                try await lab.makeAnother(.one)
                try await eventually("node 1 holds") {
                    try await lab.status(.one).local.state == .hold
                }
                try lab.putBack(.one)

                try await eventually("node 1 serves", within: .seconds(30)) {
                    try await lab.status(.one).local.gate == .open
                }
                let view = try Ledger.View(try await lab.sql(.one, Ledger.look).lines)
                #expect(view.isConsistent && view.counter == 200, "\(view)")
            }
        }

        @Test func `is replaced for good when an operator says so`() async throws {
            try await LabPair.filled(LabOptions()) { lab in
                try await lab.kill(.one)
                try lab.removeVault(.one)
                try await lab.start(.one)
                try await lab.makeAnother(.one)
                try await eventually("node 1 holds") {
                    try await lab.status(.one).local.state == .hold
                }

                let unsaid = try await lab.pairctl(.one, ["promote"])
                try await lab.operate(
                    .one,
                    ["promote", "--force", "--confirm", "node-2", "--reason", "a new beginning"]
                )

                #expect(unsaid.status == 11, "\(unsaid.errors)")
                try await eventually("node 2 has node 1's vault", within: .seconds(60)) {
                    let status = try await lab.status(.one)
                    return status.verdict == .degraded && status.tails.count == 1
                        && status.reasons.count == 1
                }
                let values = try await lab.sql(.two, "SELECT value FROM counter;")
                #expect(values.lines == ["-1"], "\(values.errors)")
            }
        }

        @Test func `under a secondary that runs is taken anew`() async throws {
            try await LabPair.filled { lab in
                try lab.removeVault(.two)

                try await eventually("node 2 takes a copy again", within: .seconds(30)) {
                    lab.seedCount(.two) == 2
                }
                try await lab.protected()
                try await lab.expectEqual(atLeast: 200)
                let log = try String(contentsOfFile: lab.folder.log(.two), encoding: .utf8)
                #expect(log.contains("vault.replaced"))
            }
        }

        @Test(arguments: [false, true])
        func `and has garbage in its place is taken anew when that is removed`(
            isRestarted: Bool
        ) async throws {
            try await LabPair.filled { lab in
                if isRestarted { try await lab.kill(.two) }
                try lab.removeVault(.two)
                let vault = lab.folder.vault(.two)
                try Data(repeating: 65, count: 10_000).write(to: URL(fileURLWithPath: vault))
                if isRestarted { try await lab.start(.two) }
                try await eventually("node 2 says what lies there", within: .seconds(30)) {
                    try await lab.status(.two).reasons.contains { $0.contains(vault) }
                }
                try await eventually("node 1 knows it", within: .seconds(30)) {
                    try await lab.status(.one).verdict == .unprotected
                }

                try FileManager.default.removeItem(atPath: vault)

                try await lab.protected()
                try await lab.expectEqual(atLeast: 200)
            }
        }

        @Test(arguments: [false, true])
        func `is missed by a primary that runs, and its secondary takes over`(
            isMadeAnew: Bool
        ) async throws {
            try await LabPair.filled { lab in
                // It has the files open, and goes on with them.
                let application = try lab.application(.one, busyTimeout: .milliseconds(100))
                _ = try await application.run("SELECT count(*) FROM credential;")
                try lab.removeVault(.one)
                try await eventually("node 1 misses it") {
                    try await lab.status(.one).reasons.contains { $0.contains("is gone") }
                }
                let late = try await application.run("UPDATE counter SET value = -2;")
                if isMadeAnew {
                    try await lab.makeAnother(.one)
                    try await eventually("node 1 holds") {
                        try await lab.status(.one).local.state == .hold
                    }
                    let closed = try await lab.sql(.one, "UPDATE counter SET value = -3;")
                    #expect(closed.status != 0, "a vault that nobody serves takes writes")
                }
                let status = try await lab.status(.two)
                let unforced = try await lab.pairctl(.two, ["promote"])

                #expect(!late.errors.isEmpty, "committed to a file without a name")
                #expect(status.verdict == .down || status.local.role == .primary)
                #expect(unforced.status == 11 || status.local.role == .primary)
                try await self.expectTakenOver(lab, tails: isMadeAnew ? 1 : 0)
            }
        }

        /// A suspension has disarmed the secondary, and only heartbeats arm it again.
        @Test func `while failover is suspended is for the operator to decide`() async throws {
            try await LabPair.filled { lab in
                try await lab.operate(.one, ["suspend", "--for", "10m"])
                try lab.removeVault(.one)
                try await eventually("node 1 misses its vault") {
                    try await lab.status(.one).verdict == .down
                }
                try await lab.operate(.two, ["resume"])

                let status = try await lab.status(.one)
                #expect(!status.reasons.contains { $0.contains("promotes itself") }, "\(status)")
                #expect(status.next?.contains("on node-2: pairctl promote") == true, "\(status)")
                let word = ["--force", "--confirm", "node-1", "--reason", "it is lost"]
                try await lab.operate(.two, ["promote"] + word)
                try await self.expectTakenOver(lab, tails: 0)
            }
        }

        @Test(arguments: [false, true])
        func `of a secondary is not made up for by one that somebody makes`(
            isRunning: Bool
        ) async throws {
            try await LabPair.filled { lab in
                if !isRunning { try await lab.kill(.two) }
                try lab.removeVault(.two)
                try await lab.makeAnother(.two)
                if !isRunning { try await lab.start(.two) }

                try await eventually("what was made is archived", within: .seconds(60)) {
                    try await lab.status(.one).tails.count == 1
                }
                try await lab.expectEqual(atLeast: 200)
                let tail = try #require(try await lab.status(.one).tails.first)
                try await lab.expectKept("-1", in: tail, .one)
            }
        }

        @Test func `of a secondary, and made anew, can be served when the primary is lost`()
            async throws
        {
            try await LabPair.filled { lab in
                try await lab.kill(.one)
                try await lab.kill(.two)
                try lab.removeVault(.two)
                try await lab.makeAnother(.two)
                try await lab.start(.two)
                try await eventually("node 2 says so") {
                    try await lab.status(.two).next?.contains("promote --force") == true
                }

                try await lab.operate(
                    .two,
                    ["promote", "--force", "--confirm", "node-1", "--reason", "a new beginning"]
                )

                #expect(try await lab.status(.two).local.gate == .open)
                let written = try await lab.sql(.two, "UPDATE counter SET value = 7;")
                #expect(written.status == 0, "\(written.errors)")
            }
        }

        @Test func `is not handed over to`() async throws {
            try await LabPair.filled { lab in
                try lab.removeVault(.two)

                let refused = try await lab.pairctl(.one, ["switchover", "--wait"])

                #expect(refused.status != 0, "\(refused.errors)")
                try await lab.protected()
                try await lab.expectEqual(atLeast: 200)
            }
        }

        @Test func `leaves a secondary unfit to take over`() async throws {
            try await LabPair.filled { lab in
                try await lab.kill(.one)
                try lab.removeVault(.two)
                try await eventually("node 2 has noticed", within: .seconds(30)) {
                    let status = try await lab.status(.two)
                    return status.failover.conditions.contains {
                        $0.name == "vault passes its check" && !$0.met
                    }
                }
                let refused = try await lab.pairctl(
                    .two,
                    ["promote", "--force", "--confirm", "node-1", "--reason", "test"]
                )

                #expect(refused.status == 10, "\(refused.errors)")
                try await lab.start(.one)
                try await lab.protected()
                try await lab.expectEqual(atLeast: 200)
            }
        }
    }
}
