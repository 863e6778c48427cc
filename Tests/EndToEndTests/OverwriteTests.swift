import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    /// What is copied over a file keeps its name and its number.
    @Suite("An older state that was copied over a vault", .timeLimit(.minutes(3)))
    struct Overwrite {
        /// Starts node 2 with a vault that has no WAL: else readers go by that.
        private func settle(_ lab: LabPair) async throws {
            try await lab.stop(.two)
            _ = try await lab.sql(.two, "SELECT count(*) FROM credential;")
            try await lab.start(.two)
            try await lab.protected()
        }

        /// A pair with 260 transactions.
        ///
        /// - Returns: node 2's vault as it was after 200.
        private func grow(_ lab: LabPair) async throws -> Data {
            for _ in 1...2 { try await self.settle(lab) }
            let old = try Data(contentsOf: URL(filePath: lab.folder.vault(.two)))
            try await LedgerWriter(try lab.application(.one), from: 201).run(rate: nil, until: 260)
            try await lab.waitApplied(on: .one)
            try await self.settle(lab)
            return old
        }

        private func copy(_ content: Data, over vault: String) throws {
            let file = try FileHandle(forWritingTo: URL(filePath: vault))
            try file.truncate(atOffset: 0)
            try file.write(contentsOf: content)
            try file.close()
        }

        private func overwrite(_ lab: LabPair, with old: Data) async throws {
            try self.copy(old, over: lab.folder.vault(.two))
            try await self.noticed(lab)
        }

        private func noticed(_ lab: LabPair) async throws {
            let log = lab.folder.log(.two)
            try await eventually("node 2 notices", within: .seconds(10)) {
                try String(contentsOfFile: log, encoding: .utf8).contains("vault.replaced")
            }
        }

        @Test func `is not kept by a secondary`() async throws {
            try await LabPair.filled(.patient) { lab in
                let old = try await self.grow(lab)

                try await self.overwrite(lab, with: old)

                #expect(try await lab.whole() == .one)
                try await lab.expectEqual(atLeast: 260)
            }
        }

        @Test(arguments: LabNode.allCases)
        func `is not taken for the pair's on a parked node`(next: LabNode) async throws {
            try await LabPair.filled(.patient) { lab in
                let old = try await self.grow(lab)
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "30s"])

                try await self.overwrite(lab, with: old)
                try await lab.enableHA(on: next, ["--confirm", next.name])

                #expect(try await lab.whole() == next)
                try await lab.operate(next, ["wait", "--applied", "--timeout", "30s"])
                for node in LabNode.allCases {
                    let view = try Ledger.View(try await lab.sql(node, Ledger.look).lines)
                    #expect(view.isConsistent && view.counter == 260, "\(node.name): \(view)")
                }
            }
        }

        /// It could not be attached, so it has not been looked at when the peer asks.
        @Test func `is waited for when a parked node that is to follow cannot read it`()
            async throws
        {
            try await LabPair.filled(.patient) { lab in
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "30s"])
                let other = lab.folder.folder(.two) + "/other.db"
                let made = try await Command.run(
                    try Programs.system("sqlite3"),
                    [other, "CREATE TABLE counter (value); INSERT INTO counter VALUES (-4);"]
                )
                #expect(made.status == 0, "\(made.errors)")
                try lab.removeVault(.two)
                try FileManager.default.moveItem(atPath: other, toPath: lab.folder.vault(.two))
                try await eventually("node 2 says what is wrong", within: .seconds(10)) {
                    try await lab.status(.two).reasons.contains { $0.contains("journal_mode=WAL") }
                }

                try await lab.operate(.one, ["enable-ha"])
                try await eventually("node 2 is to follow", within: .seconds(10)) {
                    let local = try await lab.status(.two).local
                    return local.state == .failed || local.role == .secondary
                }
                #expect(try await lab.status(.two).local.state != .failed)
                #expect(try await lab.sql(.two, "PRAGMA journal_mode = WAL;").status == 0)

                #expect(try await lab.whole() == .one)
                #expect(try await lab.isKept("-4", of: .two))
                try await lab.expectEqual(atLeast: 200)
            }
        }

        /// What the peer has beyond it is not in there.
        @Test(arguments: [true, false])
        func `is where a parked node goes on that is to serve it`(isNoticed: Bool) async throws {
            try await LabPair.filled(.patient) { lab in
                let old = try await self.grow(lab)
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "30s"])
                try self.copy(old, over: lab.folder.vault(.two))
                if isNoticed { try await self.noticed(lab) }

                try await lab.operate(.two, ["init", "--standalone", "--confirm", "node-1"])
                try await LedgerWriter(try lab.application(.two), from: 201).run(
                    rate: nil,
                    until: 205
                )
                try await lab.enableHA(
                    on: .two,
                    ["--discard-peer-vault", "--confirm", "node-1"]
                )

                #expect(try await lab.whole() == .two)
                let rows = "SELECT count(*) FROM credential WHERE id BETWEEN 201 AND 260;"
                #expect(try await lab.isKept("60", of: .one, to: rows))
            }
        }

        /// Its content is what it was: what counts is that somebody was there.
        @Test func `is told by a primary, with what to do about it`() async throws {
            try await LabPair.filled(.patient) { lab in
                let vault = URL(filePath: lab.folder.vault(.one))
                let start = try Data(contentsOf: vault).prefix(16)
                let file = try FileHandle(forWritingTo: vault)
                try file.write(contentsOf: start)
                try file.close()

                try await eventually("node 1 says so", within: .seconds(10)) {
                    let status = try await lab.status(.one)
                    return status.verdict == .degraded
                        && status.reasons.contains { $0.contains("something that is not SQLite") }
                        && status.next?.hasPrefix("pairctl verify --full; when") == true
                }
                let verified = try await lab.pairctl(.one, ["verify", "--full"])
                #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
                try await lab.stop(.one)
                try await lab.start(.one)
                try await lab.protected()
            }
        }
    }
}
