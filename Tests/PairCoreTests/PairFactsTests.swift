import PairCore
import Testing

@Suite("PairFacts: what the pair is worth, and what to type next")
struct PairFactsTests {
    /// One row of the table: who and what this node is, what else is known, and the verdict.
    struct Row: Sendable, CustomTestStringConvertible {
        var role: Role
        var state: NodeState
        var gate: GateState
        var change: @Sendable (inout PairFacts) -> Void = { _ in }
        var verdict: Verdict
        var saying: String?

        var testDescription: String {
            "\(self.role) \(self.state.rawValue) \(self.gate): \(self.verdict)"
        }
    }

    static let withoutRole: [Row] = [
        Row(
            role: .none,
            state: .unpaired,
            gate: .unmanaged,
            verdict: .unpaired,
            saying: "this node has no peer"
        ),
        Row(
            role: .none,
            state: .paired,
            gate: .unmanaged,
            verdict: .unpaired,
            saying: "HA has never been on"
        ),
        Row(
            role: .none,
            state: .paired,
            gate: .unmanaged,
            change: { $0.isBeingEnabled = true },
            verdict: .unpaired,
            saying: "HA is being switched on"
        ),
        Row(
            role: .none,
            state: .parked,
            gate: .closed,
            change: { $0.isBeingEnabled = true },
            verdict: .standalone,
            saying: "HA is being switched on; this node serves nothing yet"
        ),
        Row(
            role: .none,
            state: .parked,
            gate: .closed,
            change: { $0.peerGate = nil },
            verdict: .down,
            saying: "HA is off, and this node serves nothing"
        ),
        Row(
            role: .none,
            state: .parked,
            gate: .closed,
            verdict: .standalone,
            saying: "HA is off: nyc-1 serves alone, this node serves nothing"
        ),
        Row(
            role: .none,
            state: .seeding,
            gate: .closed,
            verdict: .down,
            saying: "this node serves nothing (seeding)"
        ),
        Row(
            role: .standalone,
            state: .serving,
            gate: .open,
            change: { $0.peerGate = .closed },
            verdict: .standalone
        ),
        Row(
            role: .standalone,
            state: .starting,
            gate: .closed,
            change: { $0.peerGate = nil },
            verdict: .down,
            saying: "this node serves nothing (starting)"
        ),
        Row(
            role: .standalone,
            state: .serving,
            gate: .open,
            change: { $0.peerGate = .open },
            verdict: .diverged,
            saying: "nyc-1 serves alone too: two vaults that go apart"
        ),
    ]

    static let ofThePrimary: [Row] = [
        Row(role: .primary, state: .streaming, gate: .open, verdict: .protected),
        Row(
            role: .primary,
            state: .streaming,
            gate: .closed,
            verdict: .down,
            saying: "the primary's gate is closed (streaming)"
        ),
        Row(
            role: .primary,
            state: .fenced,
            gate: .closed,
            verdict: .down,
            saying: "the primary's gate is closed (fenced)"
        ),
        Row(
            role: .primary,
            state: .alone,
            gate: .open,
            change: { $0.silence = .seconds(61) },
            verdict: .unprotected,
            saying: "nyc-1 is not connected for 61 s"
        ),
        Row(
            role: .primary,
            state: .alone,
            gate: .open,
            change: { $0.silence = nil },
            verdict: .unprotected,
            saying: "nyc-1 is not connected"
        ),
        Row(
            role: .primary,
            state: .streaming,
            gate: .open,
            change: { $0.equalSince = nil },
            verdict: .unprotected,
            saying: "nyc-1 has no complete copy yet"
        ),
        Row(
            role: .primary,
            state: .streaming,
            gate: .open,
            change: { $0.unacknowledgedFor = .seconds(10) },
            verdict: .protected
        ),
        Row(
            role: .primary,
            state: .streaming,
            gate: .open,
            change: { $0.unacknowledgedFor = .milliseconds(10_001) },
            verdict: .unprotected,
            saying: "nyc-1 has not acknowledged anything for 10 s"
        ),
        Row(
            role: .primary,
            state: .streaming,
            gate: .open,
            change: { $0.equalSince = .milliseconds(10_001) },
            verdict: .unprotected,
            saying: "the copies were last known to be equal 10 s ago"
        ),
        Row(
            role: .primary,
            state: .streaming,
            gate: .open,
            change: { $0.reservations = [.init("a disk holds something else")] },
            verdict: .degraded,
            saying: "a disk holds something else"
        ),
    ]

    static let ofTheSecondary: [Row] = [
        Row(role: .secondary, state: .streaming, gate: .closed, verdict: .protected),
        Row(
            role: .secondary,
            state: .streaming,
            gate: .closed,
            change: { $0.peerGate = .closed },
            verdict: .down,
            saying: "the gate of nyc-1 is closed"
        ),
        Row(
            role: .secondary,
            state: .streaming,
            gate: .closed,
            change: { $0.peerGate = nil },
            verdict: .degraded,
            saying: "nyc-1 is not connected"
        ),
        Row(
            role: .secondary,
            state: .streaming,
            gate: .closed,
            change: { $0.equalSince = nil },
            verdict: .unprotected,
            saying: "ams-1 has no complete copy yet"
        ),
        Row(
            role: .secondary,
            state: .suspect,
            gate: .closed,
            change: {
                $0.silence = .seconds(150)
                $0.peerGate = nil
            },
            verdict: .degraded,
            saying: "nyc-1 is silent for 2 min"
        ),
        Row(
            role: .secondary,
            state: .suspect,
            gate: .closed,
            verdict: .degraded,
            saying: "the log of nyc-1 does not come through, or its heartbeats do not"
        ),
        Row(
            role: .secondary,
            state: .suspect,
            gate: .closed,
            change: { $0.peerGate = .closed },
            verdict: .down,
            saying: "the gate of nyc-1 is closed"
        ),
        Row(
            role: .secondary,
            state: .suspect,
            gate: .closed,
            change: { $0.silence = .seconds(421) },
            verdict: .down,
            saying: "nothing heard from nyc-1 for 7 min"
        ),
        Row(
            role: .secondary,
            state: .seeding,
            gate: .closed,
            verdict: .unprotected,
            saying: "the whole copy is still being taken"
        ),
        Row(
            role: .secondary,
            state: .catchingUp,
            gate: .closed,
            verdict: .unprotected,
            saying: "this node is still catching up"
        ),
        Row(
            role: .secondary,
            state: .failed,
            gate: .closed,
            verdict: .unprotected,
            saying: "ams-1 does not follow nyc-1 (failed)"
        ),
        Row(
            role: .secondary,
            state: .lookingForPeer,
            gate: .closed,
            change: { $0.peerGate = nil },
            verdict: .down,
            saying: "ams-1 does not follow nyc-1 (looking-for-peer)"
        ),
    ]

    @Test(arguments: withoutRole + ofThePrimary + ofTheSecondary)
    func `follow the table`(row: Row) {
        var facts = Self.healthy(row.role, row.state, row.gate)
        row.change(&facts)

        let judgement = facts.judgement

        #expect(judgement.verdict == row.verdict)
        #expect(judgement.reasons == (row.saying.map { [$0] } ?? []))
    }

    @Test func `never leave an operator without a command`() {
        let rows = Self.withoutRole + Self.ofThePrimary + Self.ofTheSecondary
        for row in rows where row.verdict != .protected && row.verdict != .standalone {
            var facts = Self.healthy(row.role, row.state, row.gate)
            row.change(&facts)

            #expect(facts.judgement.next != nil, "\(row)")
        }
    }

    @Test(arguments: Role.allCases)
    func `have a command for every state of every role`(role: Role) {
        for state in NodeState.allCases {
            for gate in [GateState.open, .closed, nil] {
                var facts = Self.healthy(role, state, .closed)
                facts.peerGate = gate
                let judgement = facts.judgement
                guard judgement.verdict != .protected, judgement.verdict != .standalone else {
                    continue
                }
                #expect(judgement.next != nil && judgement.next != "", "\(role) \(state)")
            }
        }
    }

    @Test func `put what stands in the way first`() {
        var facts = Self.healthy(.primary, .alone, .open)
        facts.troubles = ["disk nearly full"]

        #expect(facts.judgement.reasons == ["disk nearly full", "nyc-1 is not connected for 1 s"])
    }

    @Test func `name the command that helps`() {
        var damaged = Self.healthy(.primary, .streaming, .open)
        damaged.reservations = [.init("a difference", next: "pairctl verify --full")]

        #expect(Self.healthy(.primary, .streaming, .open).judgement.next == nil)
        #expect(damaged.judgement.next == "pairctl verify --full")
        #expect(
            Self.healthy(.primary, .alone, .open).judgement.next
                == "on nyc-1: systemctl status paird"
        )
        #expect(
            Self.healthy(.none, .paired, .unmanaged).judgement.next?.hasPrefix("pairctl enable-ha")
                == true
        )
    }

    @Test func `say that the peer has ended the trust, and what to type`() {
        var facts = Self.healthy(.none, .paired, .unmanaged)
        facts.isDistrusted = true

        #expect(facts.judgement.reasons.first?.hasPrefix("nyc-1 no longer trusts this") == true)
        #expect(facts.judgement.next?.hasPrefix("pairctl pair remove") == true)
    }

    @Test func `speak of the peer when its name is not known`() {
        var facts = Self.healthy(.primary, .alone, .open)
        facts.names.peer = nil
        facts.silence = nil

        #expect(facts.judgement.reasons == ["the peer is not connected"])
    }

    @Test(arguments: zip(Verdict.allCases, [0, 0, 1, 2, 2, 2, 1] as [Int32]))
    func `end pairctl status with the verdict's exit code`(verdict: Verdict, code: Int32) {
        #expect(verdict.exitCode == code)
    }

    /// A pair in which everything is well, as `ams-1` sees it.
    private static func healthy(_ role: Role, _ state: NodeState, _ gate: GateState) -> PairFacts {
        PairFacts(
            role: role,
            state: state,
            gate: gate,
            names: .init(local: "ams-1", peer: "nyc-1"),
            silence: .seconds(1),
            timeout: .seconds(840),
            equalSince: .seconds(1),
            unacknowledgedFor: .zero,
            peerGate: .open,
            troubles: []
        )
    }
}
