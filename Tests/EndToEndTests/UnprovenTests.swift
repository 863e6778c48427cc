import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    /// What the log of its node does not lead to, whatever the reason.
    @Suite("A vault that nothing proves", .timeLimit(.minutes(5)))
    struct Unproven {
        /// A pair with 200 transactions of the ledger, one node of which is in doubt and the other
        /// held where it is.
        private func inDoubt(_ body: (LabPair, LabNode) async throws -> Void) async throws {
            try await Trial.run { trial in
                trial.killClient()
                let lab = trial.lab
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 200)
                try await lab.waitApplied(on: .one)
                try await body(lab, try await Doubt.reach(trial))
            }
        }

        /// Waits until node 1 remembers that it serves alone, as it then does again at its next start.
        private func alone(_ lab: LabPair) async throws {
            try await eventually("node 1 knows that it serves alone") {
                try String(contentsOfFile: lab.folder.log(.one), encoding: .utf8)
                    .contains("the lease has lapsed")
            }
        }

        @Test func `is served by force in doubt, and what the peer held is sealed first`()
            async throws
        {
            try await self.inDoubt { lab, old in
                // With whatever of the offer it has not read.
                try await lab.kill(old.other)
                try await lab.kill(old)
                try lab.removeVault(old)
                try await lab.makeAnother(old, counter: -55)
                try await lab.start(old)
                try await lab.operate(
                    old,
                    ["promote", "--force", "--confirm", old.other.name, "--reason", "test"]
                )
                try await lab.start(old.other)

                let primary = try await lab.whole()

                // The offer may have been taken after all; then the other way round.
                let lost = primary == old ? "200" : "-55"
                #expect(try await lab.isKept(lost, of: primary.other), "\(primary) serves")
            }
        }

        @Test func `is sealed when the successor has taken over meanwhile`() async throws {
            try await self.inDoubt { lab, old in
                try await lab.kill(old)
                try lab.resume(old.other)
                try await eventually("the successor serves") {
                    try await lab.status(old.other).local.gate == .open
                }
                try lab.removeVault(old)
                try await lab.makeAnother(old, counter: -55)
                try await lab.start(old)

                try await eventually("what lay there is archived", within: .seconds(15)) {
                    try await lab.isKept("-55", of: old)
                }
                #expect(try await lab.whole() == old.other)
            }
        }

        @Test func `is sealed too when an application was the first to open it`() async throws {
            try await LabPair.filled { lab in
                let (writer, reader) = (try lab.application(.one), try lab.application(.one))
                // Keeps the WAL from being emptied.
                _ = try await reader.run("BEGIN; SELECT count(*) FROM credential;")
                try await LedgerWriter(writer, from: 201).run(rate: nil, until: 210)
                try await lab.waitApplied(on: .one)
                try await lab.kill(.one)
                try await LedgerWriter(writer, from: 211).run(rate: nil, until: 213)
                // A power cut, and a file system that is mounted late.
                writer.kill()
                reader.kill()
                let away = try lab.moveAway(.one)
                try await eventually("node 2 serves") {
                    try await lab.status(.two).local.gate == .open
                }
                try lab.cut()
                try await lab.start(.one)
                try lab.pause(.two)
                try lab.heal()
                let early = try SQLiteShell(vault: away)
                defer { early.kill() }
                #expect(try await early.run("SELECT value FROM counter;").rows == ["213"])
                try lab.putBack(.one)
                try lab.resume(.two)

                #expect(try await lab.whole(within: .seconds(15)) == .two)
                #expect(try await lab.isKept("213", of: .one))
            }
        }

        @Test func `does not cost what the peer holds when the log is gone as well`() async throws {
            try await LabPair.filled { lab in
                try await lab.kill(.two)
                try await self.alone(lab)
                try await lab.kill(.one)
                try lab.removeVault(.one)
                try FileManager.default.removeItem(
                    atPath: lab.folder.stateDirectory(.one) + "/log"
                )
                try await Ledger.make(in: lab, on: .one)
                try await lab.start(.one)
                try await eventually("node 1 serves") {
                    try await lab.status(.one).local.gate == .open
                }
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 30)
                try await lab.start(.two)

                #expect(try await lab.whole() == .one)
                #expect(try await lab.isKept("200", of: .two))
            }
        }

        @Test(arguments: [20, 150])
        func `is an older state with its log, and what the peer holds is sealed first`(
            commits: Int
        ) async throws {
            try await LabPair.filled { lab in
                try await lab.kill(.two)
                try await self.alone(lab)
                try await lab.stop(.one)
                let (files, folder) = (FileManager.default, lab.folder.folder(.one))
                for name in ["/state", "/vault"] {
                    try files.copyItem(atPath: folder + name, toPath: folder + name + ".before")
                }
                for node in LabNode.allCases { try await lab.start(node) }
                try await lab.protected()
                try await LedgerWriter(try lab.application(.one), from: 201).run(
                    rate: nil,
                    until: 260
                )
                try await lab.waitApplied(on: .one)
                try await lab.kill(.two)
                try await lab.stop(.one)
                for name in ["/state", "/vault"] {
                    try files.removeItem(atPath: folder + name)
                    try files.moveItem(atPath: folder + name + ".before", toPath: folder + name)
                }
                try await lab.start(.one)
                try await eventually("node 1 serves") {
                    try await lab.status(.one).local.gate == .open
                }
                let updates = (1...commits).map { "UPDATE counter SET value = \(1000 + $0);" }
                let answer = try await lab.application(.one).run(updates.joined(separator: "\n"))
                #expect(answer.errors == [])
                try await lab.start(.two)

                #expect(try await lab.whole() == .one)
                let rows = "SELECT count(*) FROM credential WHERE id BETWEEN 201 AND 260;"
                #expect(try await lab.isKept("60", of: .two, to: rows))
            }
        }

        /// The marker alone says nothing of what is in it: every copy of a marked vault has it.
        @Test func `is archived when a parked node finds it with the marker`() async throws {
            try await LabPair.filled(.patient) { lab in
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "30s"])
                try await lab.stop(.two)
                try lab.removeVault(.two)
                try await lab.makeAnother(.two, counter: -8)
                let vault = URL(filePath: lab.folder.vault(.two))
                var content = try Data(contentsOf: vault)
                content[18] = 3
                try content.write(to: vault)
                try await lab.start(.two)

                try await lab.operate(.one, ["enable-ha", "--confirm", "node-1"])

                #expect(try await lab.whole() == .one)
                #expect(try await lab.isKept("-8", of: .two))
                try await lab.expectEqual(atLeast: 200)
            }
        }

        @Test func `does not cost what only the log of the lost one holds`() async throws {
            try await LabPair.filled(.patient) { lab in
                try await lab.kill(.two)
                try await LedgerWriter(try lab.application(.one), from: 201).run(
                    rate: nil,
                    until: 230
                )
                try await eventually("the commits are captured") {
                    try await lab.status(.one).replication.unprotectedTransactions == 30
                }
                try await lab.kill(.one)
                try lab.removeVault(.one)
                try await lab.makeAnother(.one)
                try await lab.start(.one)
                try await lab.start(.two)
                try await lab.whole()

                let kept = try await lab.keptLog(.one)
                #expect(kept.contains { $0.hasSuffix("/start") }, "\(kept)")
                let pages = kept.compactMap { FileManager.default.contents(atPath: $0) }
                let lost = (201...230).filter { number in
                    let name = Data("service-\(number)".utf8)
                    return !pages.contains { $0.range(of: name) != nil }
                }
                #expect(lost == [], "of these transactions no page is kept")
            }
        }
    }
}
