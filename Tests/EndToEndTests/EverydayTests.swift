import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    /// None of it may leave an archive behind: an operator who sees one must be able to believe it.
    @Suite("What happens every day", .timeLimit(.minutes(3)))
    struct Everyday {
        enum Event: String, CaseIterable, Sendable {
            /// The daemon is stopped, the application restarted, the daemon started.
            case upgrade
            /// The daemon dies while the application works, which is restarted before it is back.
            case death
            /// Both nodes go at once, and the application is the first that is back.
            case reboot
        }

        @Test(arguments: Event.allCases, [LabNode.one, .two])
        func `leaves the pair as it was`(event: Event, node: LabNode) async throws {
            try await LabPair.enabled(.patient) { lab in
                _ = try await lab.sql(.one, Ledger.bulk(mebibytes: 1))
                var application = try lab.application(.one)
                try await LedgerWriter(application).run(rate: nil, until: 300)
                try await lab.waitApplied(on: .one)

                switch event {
                case .upgrade: try await lab.stop(node)
                case .death: try await lab.kill(node)
                case .reboot: for node in LabNode.allCases { try await lab.kill(node) }
                }
                try await LedgerWriter(application, from: 301).run(rate: nil, until: 310)
                // The last one to close checkpoints the WAL and removes it, where no daemon keeps it.
                await application.close()
                application = try lab.application(.one)
                try await LedgerWriter(application, from: 311).run(rate: nil, until: 320)
                for node in event == .reboot ? LabNode.allCases : [node] {
                    try await lab.start(node)
                }

                try await lab.protected()
                try await lab.expectEqual(atLeast: 320)
                for node in LabNode.allCases {
                    // A secondary hears where its primary is a moment after that has heard it.
                    try await eventually("\(node.name) has nothing to say") {
                        try await lab.status(node).reasons == []
                    }
                    #expect(try await lab.status(node).tails == [])
                }
                #expect(lab.seedCount(.two) == 1)
            }
        }
    }
}
