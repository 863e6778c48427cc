import Foundation
import PairCore
import PairLab
import Testing

/// A pair under load whose every commit is accounted for.
///
/// What the client was told is committed is either in both vaults, once, or in a sealed archive.
final class Trial {
    let lab: LabPair
    private(set) var client: RovingClient
    /// What clients that have been killed were told.
    private var confirmed: Set<Int> = []
    /// What a killed client may have committed without being told.
    private var inFlight: Set<Int> = []
    /// What the secondary had acknowledged as durable.
    private var acknowledged = 0
    /// What earlier rounds have left in archives only.
    private var lostBefore: Set<Int> = []

    private init(_ lab: LabPair) throws {
        self.lab = lab
        self.client = try RovingClient(lab, from: 1)
    }

    static let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(4))

    /// A pair in sync with node 1 as primary, and its client writing.
    static func run(_ body: (Trial) async throws -> Void) async throws {
        try await LabPair.use(self.options) { lab in
            try await Ledger.make(in: lab, on: .one, more: RovingClient.schema)
            try await lab.pair()
            try await lab.enableHA(on: .one)
            let trial = try Trial(lab)
            defer { trial.client.kill() }
            try await body(trial)
        }
    }

    /// The application's end and its next start, after which it goes wherever the primary is.
    func replaceClient() throws {
        self.killClient()
        self.client = try RovingClient(self.lab, from: self.client.newest + 2)
    }

    func killClient() {
        self.client.kill()
        self.account()
        self.inFlight.insert(self.client.newest + 1)
    }

    private func account() {
        let commits = self.client.commits
        self.confirmed.formUnion(commits.map(\.number))
    }

    /// Waits until everything that is committed now is on the secondary's disk.
    func acknowledge(on primary: LabNode) async throws {
        let newest = self.client.newest
        try await self.lab.operate(primary, ["wait", "--durable", "--timeout", "20s"])
        self.acknowledged = max(self.acknowledged, newest)
    }

    /// Waits for one primary and a peer that follows it, armed and equal.
    ///
    /// - Returns: the primary.
    @discardableResult
    func settled(within limit: Duration = .seconds(40)) async throws -> LabNode {
        var primary = LabNode.one
        var seen = ""
        do {
            try await eventually("the pair is whole again", within: limit) {
                guard let one = try? await self.lab.status(.one),
                    let two = try? await self.lab.status(.two)
                else { return false }
                seen = "\(one.verdict) \(one.reasons) | \(two.verdict) \(two.reasons)"
                primary = one.local.role == .primary ? .one : .two
                let (first, second) = primary == .one ? (one, two) : (two, one)
                return first.local.role == .primary && first.local.gate == .open
                    && second.local.role == .secondary && second.local.gate == .closed
                    && [first, second].allSatisfy(self.isWhole)
            }
        } catch {
            throw LabError.unexpected("\(error); last: \(seen)")
        }
        return primary
    }

    /// Protected, or degraded by nothing but archives that nobody has disposed of.
    private func isWhole(_ status: StatusReport) -> Bool {
        // That a handing over was called off before is told for a while, and is no flaw.
        let flaws = status.reasons.filter { reason in
            !reason.hasPrefix("the last handing over was called off")
                && !reason.hasPrefix("commits of a lost vault")
        }
        return status.verdict == .protected
            || status.verdict == .degraded && flaws.count == status.tails.count
    }

    private func numbers(_ vault: String) async throws -> [Int] {
        let answer = try await Command.run(
            try Programs.system("sqlite3"),
            ["-batch", "-cmd", ".timeout 5000", vault],
            input: "SELECT number FROM entry ORDER BY number;"
        )
        #expect(answer.status == 0, "\(vault): \(answer.errors)")
        return answer.lines.compactMap(Int.init)
    }

    /// Accounts for every commit, with the client stopped.
    ///
    /// - Returns: how many commits of which the client was told are in archives only.
    @discardableResult
    func expectNothingMissing(on primary: LabNode) async throws -> Int {
        self.killClient()
        try await self.lab.waitApplied(on: primary)
        let verified = try await self.lab.pairctl(primary, ["verify", "--full"])
        #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
        let present = try await self.numbers(self.lab.folder.vault(primary))
        let copy = try await self.numbers(self.lab.folder.vault(primary.other))
        #expect(present == copy, "the vaults differ")
        #expect(Set(present).count == present.count, "a transaction is there twice")
        let view = try Ledger.View(try await self.lab.sql(primary, Ledger.look).lines)
        #expect(view.sum == Ledger.sum)

        var archived: Set<Int> = []
        for tail in try await self.lab.status(primary).tails {
            for node in LabNode.allCases {
                let image = self.lab.folder.stateDirectory(node) + "/tails/\(tail.id)/vault.db"
                archived.formUnion(try await self.numbers("file:\(image)?immutable=1"))
            }
        }
        let lost = self.confirmed.subtracting(present)
        #expect(lost.isSubset(of: archived), "gone: \(lost.subtracting(archived).sorted())")
        let tail = archived.subtracting(present)
        #expect(tail.isSubset(of: lost.union(self.inFlight)), "strange in a tail: \(tail.sorted())")
        #expect(self.lostBefore.isSubset(of: lost), "what was lost has come back")
        let broken = lost.subtracting(self.lostBefore).filter { $0 <= self.acknowledged }.sorted()
        self.lostBefore = lost
        #expect(broken.isEmpty, "acknowledged by the secondary and lost: \(broken)")
        let strangers = Set(present).subtracting(self.confirmed).subtracting(self.inFlight)
        #expect(strangers.isEmpty, "committed and never confirmed: \(strangers.sorted())")
        return lost.count
    }

    /// The pauses that the writer has lived through since `number`, where it changed nodes.
    func handovers(since number: Int) -> [Duration] {
        let commits = self.client.commits
        return zip(commits, commits.dropFirst()).compactMap { before, after in
            after.number > number && before.node != after.node ? after.gap : nil
        }
    }
}
