import PairCore

/// The second half: the roles move, once by a failure and once because an operator wants it.
extension Scene {
    func playRoles(after writer: LedgerWriter) async throws {
        var committed = try await self.losePrimary(from: writer.committed + 1)
        committed = try await self.welcomeBack(from: committed + 1)
        committed = try await self.reverseRoles(from: committed + 1)
        self.tell("The proof again, after two changes of primary.")
        try await self.compare(expecting: committed)
        self.say("  all \(committed) transactions of both primaries are on both nodes")
    }

    /// A power cut, as far as node 1 is concerned: its application and its daemon end at once.
    ///
    /// - Returns: the newest transaction that the pair has kept.
    private func losePrimary(from first: Int) async throws -> Int {
        self.tell("node-1 is lost in the midst of writing: kill -9 of application and daemon.")
        let shell = try self.lab.application(.one)
        let writer = LedgerWriter(shell, from: first)
        // Had the vault open before, as an application on a secondary that only reads.
        let reader = try self.lab.application(.two)
        _ = try await reader.run(Ledger.look)
        let writing = Task { try await writer.run(rate: 500) }
        try await eventually("500 more transactions are committed") {
            writer.committed >= first + 500
        }
        let lost = ContinuousClock.now
        shell.kill()
        try await self.lab.kill(.one)
        _ = await writing.result

        try await eventually("node-2 serves", every: .milliseconds(20)) {
            try await self.lab.health(.two, "/primary").status == 200
        }
        let took = StatusText.time((ContinuousClock.now - lost).inSeconds)
        let status = try await self.lab.status(.two)
        try self.check(
            status.local.role == .primary && status.local.gate == .open,
            "node-2 answers 200 and says that it is \(status.local)"
        )
        self.say("  node-2 heard nothing for 4 s and promoted itself, \(took) after the kill:")
        self.say("  it is primary of epoch \(status.pair.epoch), and /primary answers 200")
        let view = try Ledger.View(try await self.lab.sql(.two, Ledger.look).lines)
        try self.check(view.isConsistent, "node-2 has \(view)")
        self.say(
            "  node-1's application knew of \(writer.committed) commits, node-2 has \(view.counter)"
        )

        let refused = try await reader.run(Ledger.commit(view.counter + 1))
        try self.check(refused.isRefusal, "an old connection on node-2 got \(refused)")
        self.say("  who had the vault open on node-2 while it was secondary must reconnect once;")
        let next = LedgerWriter(try self.lab.application(.two), from: view.counter + 1)
        try await next.run(rate: nil, until: view.counter + 500)
        self.say("  the application reconnects there and commits 500 more")
        return next.committed
    }

    /// Node 1 returns, and finds that it is primary no more.
    private func welcomeBack(from first: Int) async throws -> Int {
        self.tell("node-1 comes back. It finds a primary of a higher epoch and becomes secondary.")
        let writer = LedgerWriter(try self.lab.application(.two), from: first)
        let writing = Task { try await writer.run(rate: 500) }
        defer { writer.stop() }
        async let started: Void = self.lab.start(.one)
        var stages: [String] = []
        try await eventually("node-1 says what it is", every: .milliseconds(5)) {
            // Nobody answers until the daemon listens.
            let answer = try? await self.lab.health(.one, "/primary")
            let stage = answer.map {
                "\($0.headers["x-pair-role"] ?? "?") \($0.headers["x-pair-state"] ?? "?")"
            }
            if let stage, stages.last != stage { stages.append(stage) }
            return stage == "secondary streaming"
        }
        try await started
        try await eventually("the pair is whole again") {
            let status = try await self.lab.status(.two)
            return status.local.role == .primary && self.isWhole(status)
        }
        self.say("  " + stages.joined(separator: " -> "))
        try await self.showTails()
        writer.stop()
        try await writing.value
        try await self.lab.waitApplied(on: .two)
        self.say("  meanwhile node-2 has served: \(writer.committed - first + 1) transactions")
        return writer.committed
    }

    /// Protected, or kept from it by nothing but an archive that waits for an operator.
    private func isWhole(_ status: StatusReport) -> Bool {
        status.verdict == .protected
            || status.verdict == .degraded && status.reasons.count == status.tails.count
    }

    /// What node-1 had committed and could not ship any more, if anything, is sealed before it is
    /// rolled back, and never thrown away unasked.
    private func showTails() async throws {
        let tails = try await self.lab.status(.two).tails
        guard !tails.isEmpty else {
            self.say("  nothing had been committed on node-1 that node-2 did not have")
            return
        }
        self.say("  what only node-1 had committed is sealed on both nodes; pairctl tail list:")
        for node in LabNode.allCases {
            let list = try await self.lab.operate(node, ["tail", "list"])
            try self.check(list.lines.count == tails.count, "\(node.name) lists \(list.output)")
            if node == .two { self.say(list.lines.map { "  " + $0 }.joined(separator: "\n")) }
        }
    }

    private func reverseRoles(from first: Int) async throws -> Int {
        self.tell("The roles are reversed: pairctl disable-ha --wait on node-2, the primary...")
        let writer = LedgerWriter(try self.lab.application(.two), from: first)
        let writing = Task { try await writer.run(rate: 500) }
        try await self.lab.operate(.two, ["disable-ha", "--wait", "--timeout", "30s"])
        let alone = (try await self.lab.status(.two), try await self.lab.status(.one))
        try self.check(
            alone.0.local.role == .standalone && alone.1.local.role == Role.none,
            "node-2 is \(alone.0.local), node-1 \(alone.1.local)"
        )
        self.say("  node-2 serves on alone, node-1 is parked")
        let goal = writer.committed + 500
        try await eventually("500 more transactions are committed on node-2") {
            writer.committed >= goal
        }
        self.tell("...and pairctl enable-ha --wait on node-1, which catches up and takes over.")
        try await self.lab.enableHA(on: .one)
        // The application on node-2 is told that its node is primary no more.
        let ended = await writing.result
        if case .success = ended { throw LabError.stepFailed("node-2 still accepts writes") }
        let view = try Ledger.View(try await self.lab.sql(.one, Ledger.look).lines)
        try self.check(
            view.isConsistent && view.counter >= writer.committed,
            "\(writer.committed) were committed on node-2, node-1 has \(view)"
        )
        self.say("  node-1 is primary and has all \(view.counter) transactions: none is lost")
        let next = LedgerWriter(try self.lab.application(.one), from: view.counter + 1)
        try await next.run(rate: nil, until: view.counter + 500)
        self.say("  the application reconnects to node-1 and commits 500 more")
        try await eventually("the pair is whole again") {
            self.isWhole(try await self.lab.status(.one))
        }
        // Answers 1 where an archive waits for an operator, as it should.
        let status = try await self.lab.pairctl(.one, ["status"])
        self.say(status.lines.map { "  " + $0 }.joined(separator: "\n"))
        return next.committed
    }
}
