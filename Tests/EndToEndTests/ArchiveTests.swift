import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    @Suite("What only the losing side held", .timeLimit(.minutes(3)))
    struct Archives {
        private func archives(_ lab: LabPair, _ node: LabNode) throws -> [String] {
            let folder = lab.folder.stateDirectory(node) + "/tails"
            return try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        }

        /// Both nodes still tell how it came to the archive, which is gone by now.
        private func expectHistory(_ lab: LabPair) async throws {
            for node in LabNode.allCases {
                let lines = try await lab.operate(node, ["history", "-o", "json"]).lines
                let changes = try lines.map {
                    try JSONDecoder().decode(StatusReport.Change.self, from: Data($0.utf8))
                }
                #expect(changes.first?.cause == .enable && changes.first?.by == "root")
                let failover = try #require(changes.first { $0.cause == .failover })
                #expect(failover.from == "node-1" && failover.lostTransactions == 1)
                #expect(changes.contains { $0.cause == .resolution && $0.owner == "node-2" })
            }
            let told = try await lab.operate(.two, ["history"]).output
            #expect(told.contains("failover to node-2, "), "\(told)")
        }

        @Test func `can be read with the stock shell, and cleared by hand on both nodes`()
            async throws
        {
            let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(4))
            try await LabPair.enabled(options) { lab in
                // The log's newest transaction tells the vault from a backup.
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 10)
                try await lab.waitApplied(on: .one)
                try await lab.protected()
                try await lab.kill(.one)
                let written = try await lab.sql(.one, "CREATE TABLE only_here (word TEXT);")
                #expect(written.status == 0, "\(written.errors)")
                try await eventually("node 2 serves") {
                    try await lab.status(.two).local.gate == .open
                }
                // Whoever has more commits of its own goes on.
                for number in 1...3 {
                    let sql = "CREATE TABLE after_promotion_\(number) (word TEXT);"
                    #expect(try await lab.sql(.two, sql).status == 0)
                }
                try await lab.start(.one)
                try await eventually("both know of one archive and are in sync") {
                    for node in LabNode.allCases {
                        let status = try await lab.status(node)
                        guard status.tails.count == 1, status.verdict == .degraded,
                            status.reasons.count == 1
                        else { return false }
                    }
                    return true
                }
                let id = try #require(try await lab.status(.two).tails.first?.id)
                for node in LabNode.allCases {
                    #expect(try self.archives(lab, node) == [id])
                    let image = lab.folder.stateDirectory(node) + "/tails/\(id)/vault.db"
                    let tables = try await Command.run(
                        try Programs.system("sqlite3"),
                        ["-readonly", image, ".tables"]
                    )
                    #expect(tables.output.contains("only_here"), "\(tables)")
                }

                // The way that README.md tells: the secondary first.
                for node in [LabNode.one, .two] {
                    try FileManager.default.removeItem(
                        atPath: lab.folder.stateDirectory(node) + "/tails/\(id)"
                    )
                    try await lab.stop(node)
                    try await lab.start(node)
                }

                try await eventually("the pair is protected", within: .seconds(60)) {
                    for node in LabNode.allCases {
                        let status = try await lab.status(node)
                        guard status.verdict == .protected, status.tails.isEmpty else {
                            return false
                        }
                    }
                    return true
                }
                for node in LabNode.allCases { #expect(try self.archives(lab, node) == []) }
                #expect(try await lab.status(.two).local.role == .primary)
                try await self.expectHistory(lab)
            }
        }
    }
}
