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
    }
}
