import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    @Suite("A transaction that an application has forgotten", .timeLimit(.minutes(3)))
    struct Forgotten {
        @Test(arguments: LabNode.allCases)
        func `is named to whoever asks for a switchover`(node: LabNode) async throws {
            try await LabPair.enabled { lab in
                let application = try lab.application(.one)
                try await LedgerWriter(application).run(rate: nil, until: 100)
                try await lab.waitApplied(on: .one)
                _ = try await application.run("BEGIN IMMEDIATE;")

                let stopped = try await lab.pairctl(node, ["switchover", "--wait"])

                #expect(stopped.status == 1)
                #expect(
                    stopped.errors.contains("process \(application.pid) held a write transaction"),
                    "\(stopped.errors)"
                )
                let status = try await lab.status(node)
                #expect(
                    status.reasons.contains { $0.contains("process \(application.pid)") },
                    "\(status.reasons)"
                )
            }
        }

        @Test(arguments: LabNode.allCases)
        func `does not keep disable-ha from ending an enable-ha`(node: LabNode) async throws {
            try await LabPair.enabled { lab in
                let application = try lab.application(.one)
                try await LedgerWriter(application).run(rate: nil, until: 100)
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "30s"])
                _ = try await application.run("BEGIN IMMEDIATE;")
                // Node 1 serves: it goes on until node 2 is in sync, and hands over then.
                let started = try await lab.pairctl(.two, ["enable-ha"])
                #expect(started.status == 0, "\(started.errors)")
                try await eventually("the handing over is held up", within: .seconds(30)) {
                    try await lab.status(.one).reasons.contains {
                        $0.contains("process \(application.pid)") && $0.contains("disable-ha")
                    }
                }

                try await lab.operate(node, ["disable-ha", "--wait", "--timeout", "30s"])

                #expect(try await lab.status(.one).local.role == .standalone)
                #expect(try await lab.status(.two).local.state == .parked)
                let ended = try await application.run("COMMIT;")
                #expect(ended.errors.isEmpty, "\(ended.errors)")
                try await LedgerWriter(application, from: 101).run(rate: nil, until: 110)
            }
        }
    }

    @Suite("A verb whose peer is away", .timeLimit(.minutes(3)))
    struct Away {
        @Test func `says so, and can be taken back`() async throws {
            // Long enough for the peer not to promote itself meanwhile.
            let options = LabOptions(heartbeat: .seconds(1), timeout: .seconds(60))
            try await LabPair.enabled(options) { lab in
                try lab.cut()
                let waiting = try await lab.pairctl(
                    .one,
                    ["disable-ha", "--wait", "--timeout", "6s"]
                )
                let taken = try await lab.pairctl(.one, ["enable-ha"])
                let status = try await lab.status(.one)
                try lab.heal()

                #expect(waiting.status == 75)
                #expect(waiting.errors.contains("node-2 cannot be reached; waiting"))
                #expect(waiting.errors.contains("to take it back: pairctl enable-ha"))
                #expect(taken.status == 0, "\(taken.errors)")
                #expect(status.local.role == .primary && status.operation?.verb == "enable-ha")
                try await lab.protected()
                #expect(try await lab.status(.two).local.role == .secondary)
            }
        }
    }

    @Suite("What a status says", .timeLimit(.minutes(3)))
    struct Truth {
        @Test func `names one state of the vault alike everywhere`() async throws {
            try await LabPair.enabled { lab in
                let application = try lab.application(.one)
                try await LedgerWriter(application).run(rate: nil, until: 10)
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "30s"])
                try await LedgerWriter(application, from: 11).run(rate: nil, until: 12)
                try await lab.enableHA(on: .two)

                var names: Set<String> = []
                for node in LabNode.allCases {
                    let status = try await lab.status(node)
                    names.insert("\(status.local.position.map { "\($0)" } ?? "-")")
                    names.insert("\(status.peer?.node.position.map { "\($0)" } ?? "-")")
                    let verified = try await lab.operate(node, ["verify"])
                    names.insert(
                        verified.output.components(separatedBy: " at ").last?
                            .components(separatedBy: ",").first ?? ""
                    )
                    let waited = try await lab.operate(node, ["wait", "--durable"])
                    names.insert(waited.output.components(separatedBy: " ").first ?? "")
                }

                #expect(names.count == 1, "\(names)")
            }
        }

        @Test func `does not tell what a peer said before a cut as if it were so`() async throws {
            let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(4))
            try await LabPair.enabled(options) { lab in
                try lab.cut()
                try await eventually("node 2 has promoted itself", within: .seconds(30)) {
                    try await lab.status(.two).local.gate == .open
                }
                let cutAt = try await lab.status(.one).generatedAt

                let status = try await lab.status(.one)

                #expect(status.verdict == .unprotected)
                #expect(status.peer?.node.role == nil && status.peer?.node.position == nil)
                #expect(
                    status.reasons.contains { $0.contains("may have promoted itself") },
                    "\(status.reasons)"
                )
                let equal = try #require(status.replication.digestEqualAt)
                #expect(equal < cutAt)
            }
        }
    }

    @Suite("A primary that comes back with the right to itself", .timeLimit(.minutes(3)))
    struct Returning {
        @Test func `does not serve beside a peer that a person has promoted`() async throws {
            try await LabPair.enabled { lab in
                let application = try lab.application(.one)
                try await LedgerWriter(application).run(rate: nil, until: 100)
                try await lab.waitApplied(on: .one)
                try await lab.operate(.one, ["suspend", "--for", "10m"])
                try await lab.kill(.one)
                // With no daemon the gate stays as it is, and the application writes on.
                try await LedgerWriter(application, from: 101).run(rate: nil, until: 103)
                await application.close()
                try await eventually("node 2 misses node 1", within: .seconds(30)) {
                    try await lab.status(.two).local.state == .suspect
                }
                try await lab.operate(
                    .two,
                    ["promote", "--force", "--confirm", "node-1", "--reason", "test"]
                )
                try await LedgerWriter(try lab.application(.two), from: 101).run(
                    rate: nil,
                    until: 101
                )

                try await lab.start(.one)

                try await eventually("node 1 follows", within: .seconds(60)) {
                    let status = try await lab.status(.one)
                    return status.local.role == .secondary && status.local.state == .streaming
                }
                let two = try await lab.status(.two)
                #expect(two.local.role == .primary && two.local.gate == .open)
                #expect(two.tails.map(\.node) == ["node-1"], "\(two.tails)")
                let history = try await lab.operate(.one, ["history"])
                #expect(history.output.contains("forced"), "\(history.output)")
                let log = try String(contentsOfFile: lab.folder.log(.one), encoding: .utf8)
                let afterReturn = log.components(separatedBy: "daemon.start").last ?? ""
                #expect(!afterReturn.contains("gate.opened"), "node 1 has opened its gate")
            }
        }
    }
}
