import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    @Suite("A node that was put back to a snapshot", .timeLimit(.minutes(3)))
    struct Rollback {
        /// State, log and vault, as a virtual machine's snapshot has them.
        private static let parts = ["/state", "/vault"]

        private func keep(_ folder: String) throws {
            for name in Self.parts {
                try FileManager.default.copyItem(
                    atPath: folder + name,
                    toPath: folder + name + ".before"
                )
            }
        }

        private func putBack(_ folder: String) throws {
            for name in Self.parts {
                try FileManager.default.removeItem(atPath: folder + name)
                try FileManager.default.moveItem(
                    atPath: folder + name + ".before",
                    toPath: folder + name
                )
            }
        }

        /// The peer must heed it although it has heard later starts of this node; else it would hear no
        /// heartbeat, and promote itself beside a healthy primary.
        @Test func `follows again, however often it had started since`() async throws {
            try await LabPair.filled { lab in
                let folder = lab.folder.folder(.two)
                try await lab.stop(.two)
                try self.keep(folder)
                for _ in 1...3 {
                    try await lab.start(.two)
                    try await lab.protected()
                    try await lab.stop(.two)
                }
                try await lab.start(.two)
                try await LedgerWriter(try lab.application(.one), from: 201).run(
                    rate: nil,
                    until: 210
                )
                try await lab.waitApplied(on: .one)
                try await lab.kill(.two)
                try self.putBack(folder)

                try await lab.start(.two)

                try await lab.protected()
                try await lab.expectEqual(atLeast: 210)
                for node in LabNode.allCases {
                    let status = try await lab.status(node)
                    #expect(status.local.role == (node == .one ? .primary : .secondary))
                    #expect(status.tails == [])
                }
                let log = try String(contentsOfFile: lab.folder.log(.two), encoding: .utf8)
                #expect(!log.contains("role.promoted"))
            }
        }
    }
}
