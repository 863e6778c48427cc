import PairCore

/// One run of the demonstration.
struct Scene {
    let lab: LabPair
    let say: @Sendable (String) -> Void
    let start: ContinuousClock.Instant

    func play() async throws {
        try await self.makeVault()
        try await self.pairNodes()
        try await self.enable()
        let writer = LedgerWriter(try self.lab.application(.one))
        let readers = try (1...2).map {
            LedgerReader(try self.lab.application(.two), name: "reader \($0)")
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await writer.run(rate: 500) }
            for reader in readers { group.addTask { try await reader.run() } }
            group.addTask {
                defer {
                    writer.stop()
                    for reader in readers { reader.stop() }
                }
                try await self.shipLive(writer, readers)
                try await self.refuseWrites(whileItRuns: true)
                try await self.killAndCatchUp(writer)
            }
            try await group.waitForAll()
        }
        try await self.proveEqual(writer, readers)
        try await self.playRoles(after: writer)
    }

    func tell(_ text: String) {
        let seconds = Int((ContinuousClock.now - self.start).inSeconds)
        let clock = "\(seconds / 60):\(seconds % 60 < 10 ? "0" : "")\(seconds % 60)"
        self.say("\n[\(clock)] \(text)")
    }

    func check(_ holds: Bool, _ complaint: @autoclosure () -> String) throws {
        guard holds else { throw LabError.stepFailed(complaint()) }
    }

    private func makeVault() async throws {
        self.tell("node-1 has a vault: a SQLite database in WAL mode. node-2 has none.")
        try await Ledger.make(in: self.lab, on: .one)
        self.say("  \(self.lab.folder.vault(.one))")
    }

    private func pairNodes() async throws {
        self.tell(
            "pairctl pair invite on node-1 gives a code, pairctl pair join on node-2 takes it."
        )
        try await self.lab.pair()
        var fingerprints: [String] = []
        for node in LabNode.allCases {
            let lines = try await self.lab.operate(node, ["pair", "show"]).lines
            fingerprints += lines.filter { $0.hasPrefix("Fingerprint") }
        }
        try self.check(
            fingerprints.count == 2 && fingerprints[0] == fingerprints[1],
            "the fingerprints differ: \(fingerprints)"
        )
        self.say("  both nodes show the same \(fingerprints[0].lowercased())")
    }

    private func enable() async throws {
        self.tell("pairctl enable-ha --wait on node-1: node-2 takes a whole copy and follows.")
        try await self.lab.enableHA(on: .one)
        let status = try await self.lab.operate(.one, ["status"])
        self.say(status.lines.map { "  " + $0 }.joined(separator: "\n"))
    }

    private func shipLive(_ writer: LedgerWriter, _ readers: [LedgerReader]) async throws {
        self.tell("The application writes 500 transactions a second; two readers on node-2 watch.")
        try await eventually("2,000 transactions are committed") { writer.committed >= 2_000 }
        try await self.lab.waitApplied(on: .one)
        let committed = writer.committed
        try await eventually("the readers have seen them") {
            readers.allSatisfy { $0.record.newest >= 2_000 }
        }
        let looks = readers.map(\.record.looks).reduce(0, +)
        self.say(
            "  \(committed) committed, read on node-2; \(looks) looks, every one of a whole state"
        )
        try self.check(
            readers.allSatisfy(\.record.complaints.isEmpty),
            "a reader saw what cannot be: \(readers.flatMap(\.record.complaints))"
        )
    }

    private func refuseWrites(whileItRuns isRunning: Bool) async throws {
        self.tell(
            isRunning
                ? "An application on node-2 tries to write."
                : "node-2's daemon is dead; an application there tries to write again."
        )
        let answer = try await self.lab.sql(.two, "UPDATE counter SET value = 0;")
        try self.check(
            answer.status != 0,
            "node-2 has accepted a write: \(answer.output)\(answer.errors)"
        )
        self.say("  refused: \(answer.errors.split(separator: "\n").first ?? "")")
    }

    private func killAndCatchUp(_ writer: LedgerWriter) async throws {
        self.tell("kill -9 of node-2's daemon, while node-1 goes on.")
        let before = writer.committed
        try await self.lab.kill(.two)
        try await self.refuseWrites(whileItRuns: false)
        try await eventually("1,000 more transactions are committed") {
            writer.committed >= before + 1_000
        }
        let status = try await self.lab.status(.one)
        self.say(
            "  \(writer.committed - before) transactions later node-1 says: "
                + status.verdict.rawValue + " (\(status.reasons.first ?? "no reason"))"
        )
        self.tell("node-2 comes back and catches up from node-1's log.")
        try await self.lab.start(.two)
        try await eventually("the pair is protected again") {
            try await self.lab.status(.one).verdict == .protected
        }
        self.say("  protected again; no whole copy was taken")
    }

    private func proveEqual(_ writer: LedgerWriter, _ readers: [LedgerReader]) async throws {
        self.tell("The proof: the same content on both sides, and nothing missing.")
        try await self.compare(expecting: writer.committed)
        self.say("  all \(writer.committed) transactions that SQLite confirmed are on node-2")
        try self.check(
            readers.allSatisfy(\.record.complaints.isEmpty),
            "a reader saw what cannot be: \(readers.flatMap(\.record.complaints))"
        )
    }

    /// Both vaults hold the first `committed` transactions and nothing else, byte for byte.
    func compare(expecting committed: Int) async throws {
        let status = try await self.lab.status(.one)
        let primary: LabNode = status.local.role == .primary ? .one : .two
        try await self.lab.waitApplied(on: primary)
        let verified = try await self.lab.operate(primary, ["verify", "--full"])
        self.say(verified.lines.map { "  " + $0 }.joined(separator: "\n"))
        let dumps = (try await self.lab.dump(.one), try await self.lab.dump(.two))
        try self.check(dumps.0 == dumps.1, "the dumps differ")
        self.say("  .dump of both: \(dumps.0.utf8.count) bytes, equal")
        let view = try Ledger.View(try await self.lab.sql(primary.other, Ledger.look).lines)
        try self.check(
            view.isConsistent && view.counter == committed,
            "\(committed) are committed, \(primary.other.name) has \(view)"
        )
    }
}
