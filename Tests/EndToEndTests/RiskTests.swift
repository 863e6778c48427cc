import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    @Suite("What is at risk, over restarts", .timeLimit(.minutes(3)))
    struct Risk {
        private func atRisk(_ lab: LabPair) async throws -> UInt64 {
            try #require(try await lab.status(.one).replication.unprotectedTransactions)
        }

        /// Writes on node 1, which the link does not carry to node 2.
        private func commitAlone(
            _ lab: LabPair,
            _ application: SQLiteShell,
            from first: Int,
            until last: Int
        ) async throws {
            let before = try await self.atRisk(lab)
            try await LedgerWriter(application, from: first).run(rate: nil, until: last)
            let count = UInt64(last - first + 1)
            // And some ticks have passed since: what was acknowledged is remembered by then.
            try await eventually("the commits are captured") {
                let replication = try await lab.status(.one).replication
                return replication.unprotectedTransactions == before + count
                    && (replication.lagSeconds ?? 0) > 0.5
            }
        }

        @Test(arguments: [true, false])
        func `is told by a primary that starts while its peer is away`(
            isKilled: Bool
        )
            async throws
        {
            try await LabPair.enabled { lab in
                // Held open: the last connection that closes would take the WAL away, and with it the
                // proof of what was committed.
                let application = try lab.application(.one)
                try await LedgerWriter(application).run(rate: nil, until: 100)
                try await lab.waitApplied(on: .one)
                try lab.cut()
                try await eventually("node 1 notices") {
                    try await lab.status(.one).local.state != .streaming
                }
                #expect(try await self.atRisk(lab) == 0)
                try await self.commitAlone(lab, application, from: 101, until: 140)

                if isKilled { try await lab.kill(.one) } else { try await lab.stop(.one) }
                try await LedgerWriter(application, from: 141).run(rate: nil, until: 150)
                try await lab.start(.one)

                // What was committed while no daemon ran is one transaction of the log.
                try await eventually("all fifty are counted") {
                    try await self.atRisk(lab) == 41
                }
                let status = try await lab.status(.one)
                #expect(status.replication.lagTransactions == 41)
                // It cannot know whether node 2 is armed still.
                #expect(status.reasons.contains { $0.contains("may promote itself, or not") })
                // Each has a page at the least.
                #expect((status.replication.unprotectedBytes ?? 0) >= 41 * 4096)
                #expect((status.replication.lagSeconds ?? 0) > 0)
            }
        }

        @Test func `counts what a promoted secondary has committed since, over its restart`()
            async throws
        {
            try await LabPair.enabled { lab in
                try await LedgerWriter(lab.application(.one)).run(rate: nil, until: 100)
                try await lab.waitApplied(on: .one)
                try await lab.kill(.one)
                try await eventually("node 2 serves", within: .seconds(30)) {
                    try await lab.status(.two).local.gate == .open
                }
                #expect(try await lab.status(.two).replication.unprotectedTransactions == 0)
                // Held open, as above.
                let application = try lab.application(.two)
                try await LedgerWriter(application, from: 101).run(rate: nil, until: 107)
                // What is not captured by then is one transaction afterwards.
                try await eventually("the commits are captured") {
                    try await lab.status(.two).replication.unprotectedTransactions == 7
                }
                try await lab.kill(.two)
                try await lab.start(.two)

                try await eventually("all seven are counted", within: .seconds(30)) {
                    try await lab.status(.two).replication.unprotectedTransactions == 7
                }
                await application.close()
            }
        }

        @Test func `is the whole vault once the secondary has lost its copy`() async throws {
            let slow = LabOptions(configuration: "replication: { max_rate: 1MiB }")
            try await LabPair.enabled(slow) { lab in
                _ = try await lab.sql(.one, Ledger.bulk(mebibytes: 4))
                try await lab.waitApplied(on: .one)
                try await lab.kill(.two)
                let folder = lab.folder.folder(.two) + "/vault"
                for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
                    try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
                }
                #expect(try await self.atRisk(lab) == 0)

                try await lab.start(.two)

                try await eventually("all of it is at risk while the copy is taken") {
                    let status = try await lab.status(.one)
                    return status.replication.unprotectedTransactions == status.local.position?.txid
                        && (status.replication.unprotectedBytes ?? 0) >= 4 << 20
                }
                try await eventually("nothing is at risk when it is whole", within: .seconds(30)) {
                    try await self.atRisk(lab) == 0
                }
                try await lab.protected()
            }
        }

        /// A primary that has just started has no word of its secondary's yet, and must not make one up.
        @Test func `is nothing that wait would take for confirmed`() async throws {
            try await LabPair.enabled { lab in
                try await LedgerWriter(lab.application(.one)).run(rate: nil, until: 100)
                try await lab.waitApplied(on: .one)
                try lab.cut()
                try await LedgerWriter(lab.application(.one), from: 101).run(
                    rate: nil,
                    until: 20_000
                )
                try await lab.kill(.one)
                try await lab.start(.one)
                try lab.heal()

                var answers = 0
                try await eventually("the secondary has all of it", within: .seconds(60)) {
                    let waited = try await lab.pairctl(
                        .one,
                        ["wait", "--applied", "--timeout", "200ms"]
                    )
                    let rows = try await lab.sql(.two, "SELECT value FROM counter;")
                    guard waited.status == 0 else { return false }
                    answers += 1
                    #expect(rows.output.contains("20000"), "\(rows.output)")
                    return true
                }
                #expect(answers == 1)
            }
        }
    }
}
