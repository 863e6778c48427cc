import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    /// Between the primary's last word and its successor's first.
    @Suite("A switchover in doubt", .timeLimit(.minutes(5)))
    struct Doubt {
        /// Begins switchovers until one leaves the old primary in doubt, its successor held where
        /// it is.
        ///
        /// - Returns: the node that is in doubt.
        static func reach(_ trial: Trial) async throws -> LabNode {
            let lab = trial.lab
            for _ in 1...60 {
                let primary = try await trial.settled()
                async let verb = try? lab.pairctl(primary, ["switchover", "--timeout", "1s"])
                try await eventually("the primary drains", every: .milliseconds(1)) {
                    try await lab.health(primary, "/primary").status != 200
                }
                try lab.pause(primary.other)
                _ = await verb
                // Called off after its two seconds, over already, or in doubt.
                try await eventually("it is decided") {
                    let local = try await lab.status(primary).local
                    return local.state == .inDoubt || local.gate == .open
                        || local.role == .secondary
                }
                if try await lab.status(primary).local.state == .inDoubt { return primary }
                try lab.resume(primary.other)
            }
            throw LabError.unexpected("none of 60 switchovers was caught in the midst")
        }

        @Test(arguments: ["successor", "old primary", "both"])
        func `resolves itself when a daemon dies in it`(victim: String) async throws {
            try await Trial.run { trial in
                let lab = trial.lab
                let old = try await Self.reach(trial)
                #expect(try await lab.health(old, "/primary").status == 503)
                #expect(try await lab.sql(old, "UPDATE counter SET value = 9;").status != 0)
                let asked = try await lab.pairctl(old, ["switchover"])
                #expect(asked.status == 12, "\(asked.status) \(asked.errors)")

                var victims: [LabNode] = []
                if victim != "old primary" { victims.append(old.other) }
                if victim != "successor" { victims.append(old) }
                for node in victims { try await lab.kill(node) }
                for node in victims { try await lab.start(node) }
                if victim == "old primary" { try lab.resume(old.other) }

                let primary = try await trial.settled()
                try await trial.client.commits(20, on: primary)
                #expect(try await trial.expectNothingMissing(on: primary) == 0)
            }
        }
    }
}
