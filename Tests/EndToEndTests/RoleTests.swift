import Foundation
import Glibc
import PairCore
import PairLab
import Testing

extension EndToEnd {
    @Suite("Roles that move", .timeLimit(.minutes(5)))
    struct Roles {
        /// Waits until a node serves as primary.
        private func serves(
            _ lab: LabPair,
            _ node: LabNode,
            within limit: Duration = .seconds(60)
        ) async throws {
            try await eventually("\(node.name) serves", within: limit) {
                guard let status = try? await lab.status(node) else { return false }
                return status.local.role == .primary && status.local.gate == .open
            }
        }

        /// Both copies hold the ledger up to exactly `committed`.
        private func expectLedger(_ lab: LabPair, _ committed: Int) async throws {
            for node in LabNode.allCases {
                let view = try Ledger.View(try await lab.sql(node, Ledger.look).lines)
                #expect(view.isConsistent && view.counter == committed, "\(node.name): \(view)")
            }
            #expect(try await lab.dump(.one) == (try await lab.dump(.two)), "the dumps differ")
        }

        @Test func `a secondary promotes itself when its primary is lost, and not before`()
            async throws
        {
            let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(5))
            try await LabPair.enabled(options) { lab in
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 500)
                try await lab.waitApplied(on: .one)
                let epoch = try await lab.status(.one).pair.epoch

                let killed = ContinuousClock.now
                try await lab.kill(.one)
                try await self.serves(lab, .two)

                // The last heartbeat was at most one period old, and the full timer ran from it.
                let took = ContinuousClock.now - killed
                #expect(took >= .seconds(4), "promoted after \(took)")
                #expect(try await lab.status(.two).pair.epoch > epoch)
                #expect(try await lab.health(.two, "/primary").status == 200)
                let writer = LedgerWriter(try lab.application(.two), from: 501)
                try await writer.run(rate: nil, until: 600)

                try await lab.start(.one)
                try await eventually("node 1 follows as secondary", within: .seconds(60)) {
                    let status = try await lab.status(.one)
                    return status.local.role == .secondary && status.verdict == .protected
                }
                try await lab.waitApplied(on: .two)
                try await self.expectLedger(lab, 600)
                let refused = try await lab.sql(.one, "UPDATE counter SET value = 0;")
                #expect(refused.status != 0, "the old primary still accepts writes")
            }
        }

        @Test func `a switchover loses nothing of what was committed`() async throws {
            try await LabPair.enabled { lab in
                let writer = LedgerWriter(try lab.application(.one))
                let writing = Task { try await writer.run(rate: 500) }
                try await eventually("the application writes") { writer.committed > 300 }

                try await lab.operate(.one, ["switchover", "--wait", "--timeout", "60s"])

                // The application on the old primary is told, and not left in the dark.
                await #expect(throws: LabError.self) { try await writing.value }
                try await self.serves(lab, .two)
                try await eventually("the pair is protected again", within: .seconds(60)) {
                    try await lab.status(.two).verdict == .protected
                }
                let view = try Ledger.View(try await lab.sql(.two, Ledger.look).lines)
                #expect(view.isConsistent && view.counter >= writer.committed, "\(view)")
                try await self.expectLedger(lab, view.counter)
            }
        }

        @Test func `a switchover that a long transaction has stopped can be asked for again`()
            async throws
        {
            try await LabPair.enabled { lab in
                let application = try lab.application(.one)
                try await LedgerWriter(application).run(rate: nil, until: 100)
                try await lab.waitApplied(on: .one)
                _ = try await application.run("BEGIN IMMEDIATE;")
                let stopped = try await lab.pairctl(.one, ["switchover", "--wait"])
                #expect(stopped.status != 0, "\(stopped.output)")
                _ = try await application.run("COMMIT;")
                try await self.serves(lab, .one)

                try await lab.operate(.one, ["switchover", "--wait", "--timeout", "30s"])

                try await self.serves(lab, .two)
            }
        }

        @Test func `an operator whose time is over hears how it stands`() async throws {
            try await LabPair.enabled { lab in
                let application = try lab.application(.one)
                _ = try await application.run("BEGIN IMMEDIATE;")

                let answer = try await lab.pairctl(
                    .one,
                    ["switchover", "--wait", "--timeout", "500ms"]
                )

                #expect(answer.status == 75, "\(answer.errors)")
                #expect(answer.errors.contains("it may still finish; now: "), "\(answer.errors)")
                _ = try await application.run("COMMIT;")
                try await lab.protected()
            }
        }

        @Test func `disable-ha and enable-ha on the other node reverse the roles without loss`()
            async throws
        {
            try await LabPair.enabled { lab in
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 200)
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "60s"])
                #expect(try await lab.status(.one).local.role == .standalone)
                #expect(try await lab.status(.two).local.state == .parked)
                #expect(try await lab.sql(.two, "UPDATE counter SET value = 0;").status != 0)
                let more = LedgerWriter(try lab.application(.one), from: 201)
                try await more.run(rate: nil, until: 300)

                try await lab.enableHA(on: .two)

                try await self.serves(lab, .two)
                #expect(try await lab.status(.one).local.role == .secondary)
                try await lab.waitApplied(on: .two)
                try await self.expectLedger(lab, 300)
            }
        }

        @Test func `a secondary goes on serving readers while the network is cut`() async throws {
            let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(30))
            try await LabPair.enabled(options) { lab in
                try lab.cut()

                var states: Set<NodeState> = []
                try await eventually("node 2 suspects its primary") {
                    let health = try await lab.health(.two, "/secondary")
                    #expect(health.status == 200, "\(health.body) \(health.headers)")
                    #expect(try await lab.health(.two, "/ready").status == 200)
                    let status = try await lab.status(.two)
                    if let state = status.local.state { states.insert(state) }
                    return status.local.state == .suspect
                }

                #expect(states.isSubset(of: [.streaming, .suspect]), "\(states)")
                let status = try await lab.status(.two)
                #expect(status.verdict == .degraded && status.next != nil, "\(status.reasons)")
                try lab.heal()
                try await eventually("node 2 streams again") {
                    #expect(try await lab.health(.two, "/secondary").status == 200)
                    return try await lab.status(.two).local.state == .streaming
                }
                try await lab.protected()
            }
        }

        @Test func `both nodes go by the primary's timeout, however that changes`() async throws {
            let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(61))
            try await LabPair.enabled(options) { lab in
                func reload(_ node: LabNode, _ old: String, _ new: String) throws {
                    let yaml = lab.folder.configuration(node)
                    try String(contentsOfFile: yaml, encoding: .utf8)
                        .replacing("timeout: \(old)", with: "timeout: \(new)")
                        .write(toFile: yaml, atomically: false, encoding: .utf8)
                    Glibc.kill(try #require(lab[node].pid), SIGHUP)
                }
                func timeout(_ node: LabNode) async throws -> Double {
                    try await lab.status(node).failover.timeoutSeconds
                }

                try reload(.two, "61s", "7s")
                try await eventually("node 2 says that its own file does not count") {
                    try await lab.status(.two).reasons.contains {
                        $0.hasPrefix("lab.timeout is 7s in this node's file, and 61s on node-1")
                    }
                }
                #expect(try await timeout(.two) == 61)
                #expect(try await lab.status(.two).verdict == .protected)

                try reload(.one, "61s", "5s")
                try await eventually("node 2 has heard of it") { try await timeout(.two) == 5 }
                #expect(try await timeout(.one) == 5)
                let events = try await lab.operate(.one, ["events"]).output
                #expect(!events.contains("restart needed"), "\(events)")

                try await lab.kill(.two)
                try await lab.start(.two)
                try await lab.protected()
                #expect(try await timeout(.two) == 5)
                let death = ContinuousClock.now
                try await lab.kill(.one)
                try await eventually("node 2 promotes itself") {
                    try await lab.status(.two).local.role == .primary
                }

                #expect(ContinuousClock.now - death < .seconds(61), "by the timeout of before")
                #expect(try await timeout(.two) == 7, "its own file counts now")
            }
        }

        @Test func `says on both nodes that a timeout is tight, and stays protected`() async throws
        {
            let options = LabOptions(heartbeat: .seconds(4), timeout: .seconds(10))
            try await LabPair.enabled(options) { lab in
                for node in LabNode.allCases {
                    let status = try await lab.status(node)
                    #expect(status.verdict == .protected)
                    #expect(status.reasons.count == 1 && status.reasons[0].contains("10s is tight"))
                    #expect(status.next == nil)
                }
            }
        }

        @Test func `a suspended pair does not fail over`() async throws {
            let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(3))
            try await LabPair.enabled(options) { lab in
                try await lab.operate(.one, ["suspend", "--for", "10m"])
                try await lab.kill(.one)
                try await eventually("twice the timeout has passed in silence") {
                    let silence = try await lab.status(.two).peer?.lastHeardSeconds ?? 0
                    return silence > 6
                }

                #expect(try await lab.status(.two).local.role == .secondary)
                #expect(try await lab.status(.two).local.gate == .closed)
                try await lab.start(.one)
                try await self.serves(lab, .one)
                try await lab.operate(.one, ["resume"])
                try await lab.protected()
            }
        }
    }
}
