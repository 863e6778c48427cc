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

                for verb in [["promote"], ["promote", "--force"], ["enable-ha"]] {
                    let refused = try await lab.pairctl(.two, verb)
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

        @Test func `sees from the secondary too that a primary without its vault serves nothing`()
            async throws
        {
            let options = LabOptions(heartbeat: .seconds(1), timeout: .seconds(60))
            try await LabPair.enabled(options) { lab in
                try await lab.stop(.one)
                let vault = lab.folder.vault(.one)
                for end in ["", "-wal", "-shm"] {
                    try? FileManager.default.removeItem(atPath: vault + end)
                }
                try await lab.start(.one)

                try await eventually("node 2 says that nobody serves", within: .seconds(20)) {
                    let status = try await lab.status(.two)
                    return status.peer?.node.state == .starting && status.verdict == .down
                }

                let status = try await lab.status(.two)
                let reason = "node-1, the primary, has lost its vault"
                #expect(status.reasons.contains { $0.hasPrefix(reason) }, "\(status.reasons)")
            }
        }

        @Test func `is told by wait that the peer is away, and what has reached it`() async throws {
            try await LabPair.enabled { lab in
                try await lab.waitApplied(on: .one)
                let reached = try #require(try await lab.status(.two).local.position)
                try await lab.stop(.two)
                try await eventually("node 1 has noticed") {
                    try await lab.status(.one).verdict == .unprotected
                }
                _ = try await lab.sql(.one, Ledger.commit(1))

                let wait = try await lab.pairctl(.one, ["wait", "--durable", "--timeout", "1s"])

                #expect(wait.status == 75 && wait.output.isEmpty, "\(wait.status) \(wait.errors)")
                #expect(wait.errors.hasPrefix("node-2 is not connected; waiting\n"))
                #expect(wait.errors.contains("the last that it has durable: \(reached);"))
                #expect(wait.errors.contains("type: on node-2: systemctl status paird"))
            }
        }

        @Test func `is answered in time where the peer hangs`() async throws {
            let options = LabOptions(heartbeat: .seconds(5), timeout: .seconds(60))
            try await LabPair.enabled(options) { lab in
                try lab.pause(.two)

                let here = try await lab.pairctl(.one, ["verify", "--timeout", "1s"])
                try lab.resume(.two)
                try await lab.protected()
                try lab.pause(.one)
                let there = try await lab.pairctl(.two, ["wait", "--applied", "--timeout", "1s"])

                #expect(here.status == 75, "\(here.errors)")
                #expect(here.errors.contains("node-2 has not answered in this time"))
                #expect(there.status == 75, "\(there.errors)")
                #expect(there.errors.contains("node-1, the primary, has not answered"))
                try lab.resume(.one)
            }
        }

        @Test func `sees in words what is under way while HA is being switched on`() async throws {
            let options = LabOptions(heartbeat: .seconds(5), timeout: .seconds(60))
            try await LabPair.use(options) { lab in
                try await Ledger.make(in: lab, on: .one)
                try await lab.pair()
                try await eventually("node 1 has heard node 2") {
                    try await lab.status(.one).peer?.node.state == .paired
                }
                try lab.pause(.two)

                try await lab.operate(.one, ["enable-ha"])
                let status = try await lab.status(.one)
                try lab.resume(.two)

                #expect(status.operation?.step == "asks the peer to take its place")
                #expect(status.reasons == ["HA is being switched on"], "\(status.reasons)")
            }
        }

        @Test func `finds the process that forgot a transaction, or gives up where he began`()
            async throws
        {
            try await LabPair.enabled { lab in
                try await lab.operate(.one, ["disable-ha", "--wait"])
                let application = try lab.application(.one)
                _ = try await application.run("BEGIN IMMEDIATE;")
                try await lab.operate(.two, ["enable-ha"])
                try await eventually("the events name the process") {
                    try await lab.operate(.one, ["events"]).output.split(separator: "\n").contains {
                        $0.contains("gate.overrun") && $0.contains("pid=\(application.pid)")
                    }
                }

                try await lab.operate(.two, ["disable-ha", "--wait", "--timeout", "20s"])

                let status = try await lab.status(.one)
                #expect(status.local.role == .standalone && status.local.gate == .open)
                #expect(try await lab.status(.two).local.state == .parked)
                _ = try await application.run("COMMIT;")
            }
        }

        @Test func `puts a new node in the place of a lost one`() async throws {
            try await LabPair.enabled { lab in
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 20)
                try await lab.kill(.two)
                let files = FileManager.default
                let state = lab.folder.stateDirectory(.two)
                for name in try files.contentsOfDirectory(atPath: state) {
                    try files.removeItem(atPath: state + "/" + name)
                }
                for end in ["", "-wal", "-shm"] {
                    try? files.removeItem(atPath: lab.folder.vault(.two) + end)
                }
                try await lab.start(.two)
                try await eventually("node 1 has noticed") {
                    try await lab.status(.one).verdict == .unprotected
                }

                try await lab.operate(.one, ["disable-ha", "--force", "--confirm", "node-2"])
                try await lab.operate(.one, ["pair", "remove"])
                try await lab.pair()
                try await lab.enableHA(on: .one)

                #expect(try await lab.status(.one).verdict == .protected)
                #expect(try await lab.dump(.one) == (try await lab.dump(.two)))
            }
        }
    }
}
