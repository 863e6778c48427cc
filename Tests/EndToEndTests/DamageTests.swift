import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    /// Pages that are not on the disk what was written to them; no file shows when that happened.
    @Suite("Damage on a disk", .timeLimit(.minutes(3)))
    struct Damage {
        /// Flips bits in every page of a node's WAL but the first one's.
        ///
        /// What was written has to be there and nowhere else: somebody reads an older state.
        private func damage(_ lab: LabPair, _ node: LabNode) throws {
            let path = lab.folder.vault(node) + "-wal"
            let wal = try Data(contentsOf: URL(filePath: path))
            let file = try #require(FileHandle(forUpdatingAtPath: path))
            var count = 0
            for frame in stride(from: 32, to: wal.count - 4_119, by: 4_120)
            where wal[frame..<frame + 4].contains(where: { $0 > 1 }) {
                let place = frame + 24 + 4_000
                try file.seek(toOffset: UInt64(place))
                try file.write(contentsOf: wal[place..<place + 2].map { $0 ^ 0x15 })
                count += 1
            }
            try file.close()
            try #require(count > 0)
        }

        /// A pair with 300 transactions, of which 100 are damaged on `node` during `body`.
        private func fill(
            _ lab: LabPair,
            damaging node: LabNode,
            _ body: () async throws -> Void
        ) async throws {
            let reader = try lab.application(node)
            let began = try await reader.run("BEGIN; SELECT count(*) FROM credential;")
            try #require(began.errors.isEmpty)
            try await LedgerWriter(try lab.application(.one), from: 201).run(rate: nil, until: 300)
            try await lab.waitApplied(on: .one)
            try self.damage(lab, node)
            try await body()
            let ended = try await reader.run("COMMIT;")
            #expect(ended.errors.isEmpty, "\(ended.errors)")
        }

        /// What verify says, and the status of both nodes.
        private func expectDamage(
            _ lab: LabPair,
            on node: LabNode,
            next: String
        ) async throws {
            let full = try await lab.pairctl(.one, ["verify", "--full"])
            let plain = try await lab.pairctl(.one, ["verify"])

            #expect(full.status == 1, "\(full.output)\(full.errors)")
            #expect(
                full.errors.contains("disk of \(node.name) holds") && full.errors.contains(next),
                "\(full.errors)"
            )
            // The digests that both nodes keep are equal, which says nothing of the disk.
            #expect(plain.status == 0, "\(plain.output)\(plain.errors)")
            for teller in [LabNode.one, node] {
                let status = try await lab.status(teller)
                #expect(status.verdict == .degraded && status.next == next, "\(status)")
            }
        }

        private func expectMended(_ lab: LabPair) async throws {
            try await eventually("the damaged copy is mended", within: .seconds(30)) {
                let said = try await lab.pairctl(.one, ["verify", "--full"])
                return said.status == 0
            }
            for node in LabNode.allCases {
                let status = try await lab.status(node)
                #expect(!status.reasons.contains { $0.contains("what the disk") }, "\(status)")
            }
            try await lab.expectEqual(atLeast: 300)
        }

        @Test(arguments: LabNode.allCases)
        func `is named with its node, and with the way to mend it`(node: LabNode) async throws {
            try await LabPair.filled(.patient) { lab in
                // Whoever serves hands over first: a secondary takes the pages that differ.
                let next =
                    (node == .one ? "pairctl switchover; then " : "")
                    + "on \(node.name): systemctl restart paird, which archives that copy and mends "
                    + "it; then pairctl verify --full"
                try await self.fill(lab, damaging: node) {
                    try await self.expectDamage(lab, on: node, next: next)
                }

                if node == .one {
                    try await lab.operate(.one, ["switchover", "--wait", "--timeout", "30s"])
                }
                try await lab.stop(node)
                try await lab.start(node)
                try await self.expectMended(lab)
            }
        }
    }
}
