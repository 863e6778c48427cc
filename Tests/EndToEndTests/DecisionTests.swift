import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    /// What an operator must decide, and what then becomes of both vaults.
    @Suite("An operator who decides", .timeLimit(.minutes(5)))
    struct Decisions {
        /// Everything that must not change by a rehearsal, once nothing is under way.
        private func standing(_ lab: LabPair) async throws -> [String] {
            try await eventually("nothing is under way on either node") {
                for node in LabNode.allCases {
                    guard try await lab.status(node).operation == nil else { return false }
                }
                return true
            }
            var lines: [String] = []
            for node in LabNode.allCases {
                let status = try await lab.status(node)
                lines.append(
                    "\(status.pair.epoch) \(String(describing: status.local.role)) "
                        + "\(String(describing: status.local.gate)) "
                        + "\(String(describing: status.pair.id)) "
                        + "\(String(describing: status.failover.suspendedUntil)) "
                        + "\(String(describing: status.operation?.id)) \(status.lineage.count)"
                )
            }
            return lines
        }

        @Test func `makes a pair of two nodes that each served a vault of their own`() async throws
        {
            try await LabPair.use { lab in
                for (node, count) in [(LabNode.one, 30), (.two, 70)] {
                    try await Ledger.make(in: lab, on: node)
                    try await lab.operate(node, ["init", "--standalone"])
                    try await LedgerWriter(try lab.application(node)).run(rate: nil, until: count)
                }
                try await lab.pair()
                let given = try await lab.dump(.two)

                let bare = try await lab.pairctl(.one, ["enable-ha"])
                #expect(bare.status == 11, "\(bare.errors)")
                let command = "pairctl enable-ha --discard-peer-vault --confirm"
                #expect(bare.errors.contains("\(command) node-2"), "\(bare.errors)")
                #expect(bare.errors.contains("\(command) node-1"), "\(bare.errors)")
                let wrong = ["enable-ha", "--discard-peer-vault", "--confirm", "node-1"]
                #expect(try await lab.pairctl(.one, wrong).status == 11)
                let flags = ["--discard-peer-vault", "--confirm", "node-2"]
                let before = try await self.standing(lab)
                try await lab.operate(.one, ["enable-ha", "--dry-run"] + flags)
                #expect(try await self.standing(lab) == before)

                try await lab.enableHA(on: .one, flags)

                let status = try await lab.status(.one)
                #expect(status.local.role == .primary && status.peer?.node.role == .secondary)
                #expect(try await lab.dump(.one) == (try await lab.dump(.two)))
                let view = try Ledger.View(try await lab.sql(.two, Ledger.look).lines)
                #expect(view.counter == 30, "\(view)")
                let tail = try #require(status.tails.first, "nothing was archived")
                #expect(status.tails.count == 1 && tail.node == "node-2")
                for node in LabNode.allCases {
                    let image = lab.folder.stateDirectory(node) + "/tails/\(tail.id)/vault.db"
                    let archived = try await Command.run(
                        try Programs.system("sqlite3"),
                        ["-batch", "file:\(image)?immutable=1"],
                        input: ".dump"
                    )
                    #expect(archived.output == given, "the archive on \(node.name)")
                }
            }
        }

        @Test func `promotes by force while the primary is cut off, and keeps its tail`()
            async throws
        {
            let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(60))
            try await LabPair.enabled(options) { lab in
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 50)
                try await lab.waitApplied(on: .one)
                // That enable-ha has ended must have been heard before nothing is heard any more.
                _ = try await self.standing(lab)
                try lab.cut()
                let tail = LedgerWriter(try lab.application(.one), from: 51)
                try await tail.run(rate: nil, until: 60)
                try await eventually("node 2 suspects its primary") {
                    try await lab.status(.two).local.state == .suspect
                }

                let bare = try await lab.pairctl(.two, ["promote"])
                #expect(bare.status == 11, "\(bare.errors)")
                #expect(bare.errors.contains("Safe in"), "\(bare.errors)")
                let half = try await lab.pairctl(.two, ["promote", "--force"])
                #expect(half.status == 11)
                #expect(
                    half.errors.contains("missing: --confirm node-1 and --reason TEXT"),
                    "\(half.errors)"
                )
                let force = ["promote", "--force", "--confirm", "node-1", "--reason", "test"]
                let before = try await self.standing(lab)
                try await lab.operate(.two, force + ["--dry-run"])
                #expect(try await self.standing(lab) == before)
                try await lab.operate(.two, force)
                try await eventually("node 2 serves") {
                    try await lab.status(.two).local.gate == .open
                }
                let writer = LedgerWriter(try lab.application(.two), from: 51)
                try await writer.run(rate: nil, until: 80)
                try lab.heal()

                try await eventually("node 1 follows, its tail archived", within: .seconds(60)) {
                    let one = try await lab.status(.one)
                    return one.local.role == .secondary && one.local.state == .streaming
                        && one.tails.count == 1
                }
                let status = try await lab.status(.two)
                #expect(status.tails.first?.node == "node-1")
                #expect(status.tails.first?.transactions == 10)
                #expect(status.lineage.contains { $0.cause == .forced })
                try await lab.waitApplied(on: .two)
                #expect(try await lab.dump(.one) == (try await lab.dump(.two)))
            }
        }

        @Test func `hands over, and forces nothing, where the pair works`() async throws {
            try await LabPair.enabled { lab in
                let epoch = try await lab.status(.one).pair.epoch
                let force = ["promote", "--force", "--reason", "drill", "--confirm"]

                let idle = try await lab.operate(.one, force + ["node-2"])
                #expect(idle.errors.contains("nothing to do"), "\(idle.errors)")
                #expect(try await lab.status(.one).pair.epoch == epoch)
                let done = try await lab.operate(.two, force + ["node-1"])

                #expect(!done.errors.contains("node-1 is primary"), "\(done.errors)")
                let status = try await lab.status(.two)
                #expect(status.local.role == .primary && status.tails == [])
                #expect(status.lineage.map(\.cause) == [.enable, .switchover])
                let events = try await lab.operate(.two, ["events"])
                #expect(events.output.contains("reason=drill"), "\(events.output)")
                let history = try await lab.operate(.two, ["history"]).output
                #expect(history.contains("switchover by root (drill)"), "\(history)")
                let paused = try await lab.operate(.one, ["history"]).output
                #expect(paused.contains("switchover by root, writes paused"), "\(paused)")
            }
        }

        @Test func `is sent to the node that has a vault, by the one that has none`() async throws {
            try await LabPair.use { lab in
                try await Ledger.make(in: lab, on: .one)
                try await lab.pair()

                for more in [[], ["--discard-peer-vault", "--confirm", "node-1"]] {
                    let answer = try await lab.pairctl(.two, ["enable-ha"] + more)
                    #expect(answer.status == 10, "\(more): \(answer.status) \(answer.errors)")
                    #expect(
                        answer.errors.contains("Type on node-1: pairctl enable-ha"),
                        "\(answer.errors)"
                    )
                }
                #expect(try await lab.status(.one).local.state == .paired)
                try await lab.enableHA(on: .one)
            }
        }

        @Test func `suspends and resumes, and both nodes tell the same`() async throws {
            try await LabPair.enabled { lab in
                for length in ["10001m", "100000000d"] {
                    let long = try await lab.pairctl(.one, ["suspend", "--for", length])
                    #expect(long.status == 64 && long.errors.contains("10000m"), "\(long.errors)")
                }
                let before = try await self.standing(lab)
                for verb in [["suspend", "--for", "10m"], ["resume"]] {
                    try await lab.operate(.one, verb + ["--dry-run"])
                    let after = try await self.standing(lab)
                    #expect(after == before, "\(verb)")
                }

                let suspended = try await lab.operate(.one, ["suspend", "--for", "10m"])
                #expect(suspended.errors.contains("is suspended until"), "\(suspended.errors)")

                var ends: [WallTime] = []
                for node in LabNode.allCases {
                    var status = try await lab.status(node)
                    try await eventually("\(node.name) says until when") {
                        status = try await lab.status(node)
                        return status.failover.suspendedUntil != nil
                    }
                    #expect(status.verdict == .degraded && status.next == "pairctl resume")
                    #expect(status.reasons.count == 1, "\(status.reasons)")
                    #expect(status.reasons.first?.contains("suspended by") == true)
                    ends.append(try #require(status.failover.suspendedUntil))
                    let table = try await lab.pairctl(node, ["status"])
                    #expect(table.output.contains("no node promotes itself"), "\(table.output)")
                    #expect(!table.output.contains("promotes itself after"), "\(table.output)")
                    #expect(!table.output.contains("Blocked by"), "\(table.output)")
                }
                #expect(abs(ends[0].seconds(since: ends[1])) <= 5)
                try await lab.operate(.two, ["resume"])
                try await lab.protected()
                try await lab.operate(.two, ["resume"])
            }
        }

        @Test func `is told what to type when the primary dies while it is suspended`()
            async throws
        {
            let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(3))
            try await LabPair.enabled(options) { lab in
                try await lab.operate(.two, ["suspend", "--for", "10m"])
                try await eventually("the primary has the pledge") {
                    try await lab.status(.one).local.right == .solo
                }
                try await lab.kill(.one)
                try await eventually("node 2 says that nobody serves") {
                    try await lab.status(.two).verdict == .down
                }

                try await lab.operate(.two, ["resume"])

                let status = try await lab.status(.two)
                #expect(status.next?.contains("pairctl promote") == true, "\(status.reasons)")
                let promote = try await lab.pairctl(.two, ["promote"])
                #expect(promote.status == 11)
                #expect(promote.errors.contains("this node is not armed"), "\(promote.errors)")
            }
        }

        @Test func `may repeat disable-ha and enable-ha, and rehearse them`() async throws {
            try await LabPair.enabled { lab in
                try await eventually("both nodes know the epoch") {
                    let (one, two) = (try await lab.status(.one), try await lab.status(.two))
                    return one.lineage == two.lineage && two.verdict == .protected
                }
                var before = try await self.standing(lab)
                for verb in [["switchover"], ["disable-ha"], ["promote"]] {
                    let answer = try await lab.pairctl(.two, verb + ["--dry-run"])
                    #expect(answer.status == 0, "\(verb): \(answer.errors)")
                    let after = try await self.standing(lab)
                    #expect(after == before, "\(verb)")
                }
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "60s"])
                let again = try await lab.pairctl(.one, ["disable-ha"])
                #expect(again.status == 0 && again.errors.contains("nothing to do"))
                let parked = try await lab.status(.two)
                #expect(parked.verdict == .standalone, "\(parked.reasons)")
                #expect(parked.next?.contains("pairctl enable-ha") == true)

                before = try await self.standing(lab)
                for verb in [["enable-ha"], ["init", "--standalone", "--confirm", "node-1"]] {
                    let answer = try await lab.pairctl(.two, verb + ["--dry-run"])
                    #expect(answer.status == 0, "\(verb): \(answer.errors)")
                    let after = try await self.standing(lab)
                    #expect(after == before, "\(verb)")
                }
                try await lab.enableHA(on: .one)
                let twice = try await lab.pairctl(.one, ["enable-ha"])
                #expect(twice.status == 0 && twice.errors.contains("nothing to do"))
                try await lab.kill(.two)
                try await eventually("node 1 misses its peer") {
                    try await lab.status(.one).local.state == .alone
                }
                let alone = try await lab.pairctl(.one, ["switchover", "--dry-run"])
                #expect(alone.status == 10, "\(alone.errors)")
            }
        }

        @Test func `loses nothing of two nodes that were parted and paired anew`() async throws {
            try await LabPair.enabled { lab in
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 10)
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "30s"])
                let unsaid = try await lab.pairctl(.two, ["init", "--standalone"])
                for node in [LabNode.two, .one] {
                    try await lab.operate(node, ["pair", "remove"])
                }
                try await lab.operate(.two, ["init", "--standalone"])
                // Without a peer both count their epochs alike, from one position.
                for (node, count) in [(LabNode.one, 13), (.two, 12)] {
                    let application = try lab.application(node)
                    try await LedgerWriter(application, from: 11).run(rate: nil, until: count)
                    await application.close()
                }
                try await lab.pair()
                let bare = try await lab.pairctl(.one, ["enable-ha"])
                try await lab.enableHA(
                    on: .one,
                    ["--discard-peer-vault", "--confirm", "node-2"]
                )

                #expect(unsaid.status == 11, "\(unsaid.errors)")
                #expect(unsaid.errors.contains("init --standalone --confirm node-1"))
                #expect(bare.errors.contains("node-1 holds 3 transactions"), "\(bare.errors)")
                #expect(bare.errors.contains("node-2 2 transactions"), "\(bare.errors)")
                let tail = try #require(try await lab.status(.one).tails.first)
                #expect(tail.transactions == 2 && tail.node == "node-2", "\(tail)")
                let view = try Ledger.View(try await lab.sql(.two, Ledger.look).lines)
                #expect(view.isConsistent && view.counter == 13, "\(view)")
            }
        }

        @Test func `ends the trust on one node, and the other says so and what to type`()
            async throws
        {
            try await LabPair.use { lab in
                try await Ledger.make(in: lab, on: .one)
                try await lab.pair()
                try await lab.operate(.one, ["init", "--standalone"])
                try await lab.operate(.one, ["pair", "remove"])

                try await eventually("node 2 says that it is no longer trusted") {
                    let status = try await lab.status(.two)
                    return status.reasons.contains { $0.contains("node-1 no longer trusts") }
                        && status.next?.contains("pairctl pair remove") == true
                }
                #expect(try await lab.status(.two).pair.id != nil, "it keeps its own trust")
                #expect(try await lab.status(.one).lastChange?.to == "node-1")
                let history = try await lab.operate(.one, ["history"])
                #expect(history.output.contains("node-1"), "\(history.output)")
                try await lab.operate(.two, ["pair", "remove"])
                #expect(try await lab.status(.two).verdict == .unpaired)
                try await lab.pair()
                try await lab.enableHA(on: .one)
            }
        }

        @Test func `is told why nobody answered where the other node should be`() async throws {
            try await LabPair.use { lab in
                let port = lab[.one].replicationPort
                let invited = try await lab.operate(.one, ["pair", "invite", "-o", "json"])
                let object = try JSONSerialization.jsonObject(with: Data(invited.output.utf8))
                let code = try #require((object as? [String: Any])?["code"] as? String)
                try await lab.stop(.one)

                let answer = try await lab.pairctl(
                    .two,
                    ["pair", "join", "127.0.0.1:\(port)", "--code-file", "-"],
                    input: code + "\n"
                )

                #expect(answer.status == 1, "\(answer.status) \(answer.errors)")
                for part in ["127.0.0.1:\(port)", "Connection refused", "systemctl status paird"] {
                    #expect(answer.errors.contains(part), "\(answer.errors)")
                }
            }
        }

        @Test func `is told by a rehearsal too that the peer is away`() async throws {
            try await LabPair.use { lab in
                try await Ledger.make(in: lab, on: .one)
                try await lab.pair()
                try await lab.kill(.two)
                try await eventually("the connection has ended") {
                    try await lab.status(.one).peer?.node.state == nil
                }

                let rehearsed = try await lab.pairctl(.one, ["enable-ha", "--dry-run"])
                let real = try await lab.pairctl(.one, ["enable-ha"])

                #expect(rehearsed.status == 10 && real.status == 10, "\(rehearsed.errors)")
                #expect(rehearsed.errors.contains("cannot be reached"), "\(rehearsed.errors)")
            }
        }
    }
}
