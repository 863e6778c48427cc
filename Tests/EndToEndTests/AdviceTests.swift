import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    /// What is refused says what else can be done, and what is waited for has a name.
    @Suite("An operator who needs advice", .timeLimit(.minutes(3)))
    struct Advice {
        @Test func `learns how a node whose peer is lost can serve alone, and what follows`()
            async throws
        {
            try await LabPair.enabled { lab in
                try await lab.operate(.one, ["disable-ha", "--wait"])
                try await lab.kill(.one)
                try await eventually("node 2 has noticed") {
                    try await lab.status(.two).peer?.node.state == nil
                }

                for verb in ["promote", "enable-ha"] {
                    let refused = try await lab.pairctl(.two, [verb])
                    #expect(refused.status == 10, "\(verb): \(refused.errors)")
                    #expect(refused.errors.contains("init --standalone"), "\(refused.errors)")
                }
                try await lab.operate(.two, ["init", "--standalone"])
                let served = try await lab.pairctl(.two, ["promote"])
                #expect(served.status == 10, "\(served.errors)")
                #expect(served.errors.contains("serves alone already"), "\(served.errors)")

                try await lab.start(.one)
                for node in LabNode.allCases {
                    try await eventually("\(node.name) sees two vaults that go apart") {
                        try await lab.status(node).verdict == .diverged
                    }
                    let status = try await lab.pairctl(node, ["status"])
                    #expect(status.status == 2 && status.output.hasPrefix("DIVERGED  pair lab"))
                    #expect(status.output.contains("serves alone too"), "\(status.output)")
                }
            }
        }

        @Test func `is told of a vault that cannot be served, before and when HA is switched on`()
            async throws
        {
            try await LabPair.use { lab in
                let vault = lab.folder.vault(.one)
                try await lab.pair()

                try await self.expectRefused(lab, saying: "there is no vault at \(vault)")
                let alone = try await lab.pairctl(.one, ["init", "--standalone"])
                #expect(alone.status == 10, "\(alone.errors)")
                #expect(alone.errors.contains("then: pairctl init --standalone"))

                try await Ledger.make(in: lab, on: .one)
                _ = try await lab.sql(.one, "PRAGMA journal_mode = DELETE;")
                try await self.expectRefused(lab, saying: "\(vault) is in journal mode delete")

                _ = try await lab.sql(.one, "PRAGMA journal_mode = WAL;")
                try await lab.enableHA(on: .one)
            }
        }

        /// Both the rehearsal and the verb itself, and the status before them.
        private func expectRefused(_ lab: LabPair, saying text: String) async throws {
            try await eventually("status says: \(text)") {
                try await lab.status(.one).reasons.contains { $0.contains(text) }
            }
            for more in [["--dry-run"], []] {
                let answer = try await lab.pairctl(.one, ["enable-ha"] + more)
                #expect(answer.status == 10, "\(more): \(answer.status) \(answer.errors)")
                #expect(answer.errors.contains(text), "\(more): \(answer.errors)")
                #expect(answer.errors.contains("then: pairctl enable-ha"), "\(answer.errors)")
            }
            #expect(try await lab.status(.one).local.gate == .unmanaged)
        }
    }
}
