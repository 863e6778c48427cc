/// What a node knows of the pair at one moment; from it follow the verdict, its reasons and the
/// command to type next.
package struct PairFacts: Hashable, Sendable {
    package var role: Role
    package var state: NodeState
    package var gate: GateState
    package var names: Names
    /// How long nothing has come from the peer; `nil` when nothing ever came.
    package var silence: Duration?
    package var timeout: Duration
    /// How long ago both copies were last known to be equal; `nil` when they never were.
    package var equalSince: Duration?
    /// For how long the oldest commit has waited for the secondary's word; zero when none does.
    package var unacknowledgedFor: Duration
    /// The primary's gate, as this node last heard, when it is the secondary.
    package var peerGate: GateState?
    /// What stands in the way, in the operator's words, found by the shell.
    package var troubles: [String]
    /// What keeps a pair that is in sync from being protected.
    package var reservations: [Reservation]
    package var lastVerifyFailed: Bool

    /// One thing that a protected pair does not have, with its cure.
    package struct Reservation: Hashable, Sendable {
        package var reason: String
        package var next: String?

        package init(_ reason: String, next: String? = nil) {
            self.reason = reason
            self.next = next
        }
    }

    package struct Names: Hashable, Sendable {
        package var local: String
        package var peer: String?

        package init(local: String, peer: String?) {
            self.local = local
            self.peer = peer
        }
    }

    package init(
        role: Role,
        state: NodeState,
        gate: GateState,
        names: Names,
        silence: Duration?,
        timeout: Duration,
        equalSince: Duration?,
        unacknowledgedFor: Duration,
        peerGate: GateState?,
        troubles: [String],
        reservations: [Reservation] = [],
        lastVerifyFailed: Bool
    ) {
        self.role = role
        self.state = state
        self.gate = gate
        self.names = names
        self.silence = silence
        self.timeout = timeout
        self.equalSince = equalSince
        self.unacknowledgedFor = unacknowledgedFor
        self.peerGate = peerGate
        self.troubles = troubles
        self.reservations = reservations
        self.lastVerifyFailed = lastVerifyFailed
    }

    /// A verdict needs its reasons and what to type next.
    package struct Judgement: Hashable, Sendable {
        package var verdict: Verdict
        package var reasons: [String]
        package var next: String?

        package init(_ verdict: Verdict, _ reasons: [String] = [], next: String? = nil) {
            self.verdict = verdict
            self.reasons = reasons
            self.next = next
        }
    }

    /// How fresh the proof of equality must be, and how old a commit may get unacknowledged.
    package static let freshness = Duration.seconds(10)

    package var judgement: Judgement {
        var judgement = self.bare
        judgement.reasons = self.troubles + judgement.reasons
        if judgement.verdict == .protected, self.lastVerifyFailed {
            judgement.verdict = .degraded
            judgement.reasons.append("the last verify found a difference")
            judgement.next = judgement.next ?? "pairctl verify --full"
        }
        for reservation in self.reservations {
            if judgement.verdict == .protected { judgement.verdict = .degraded }
            judgement.reasons.append(reservation.reason)
            judgement.next = judgement.next ?? reservation.next
        }
        return judgement
    }

    private var bare: Judgement {
        switch self.role {
        case .none: self.withoutRole
        case .standalone: Judgement(.standalone)
        case .primary: self.asPrimary
        case .secondary: self.asSecondary
        }
    }

    private var withoutRole: Judgement {
        switch self.state {
        case .unpaired:
            Judgement(
                .unpaired,
                ["this node has no peer"],
                next: "pairctl pair invite, then on the other node: pairctl pair join"
            )
        case .paired:
            Judgement(
                .unpaired,
                ["HA has never been on"],
                next: "pairctl enable-ha, on the node whose vault is to be served"
            )
        default: Judgement(.down, ["this node serves nothing (\(self.state.rawValue))"])
        }
    }

    private var asPrimary: Judgement {
        guard self.gate == .open else {
            return Judgement(.down, ["the primary's gate is closed (\(self.state.rawValue))"])
        }
        let peer = self.names.peer ?? "the peer"
        guard self.state == .streaming else {
            return Judgement(
                .unprotected,
                ["\(peer) is not connected\(self.silenceText)"],
                next: "on \(peer): systemctl status paird"
            )
        }
        return self.copies(of: peer)
    }

    private var asSecondary: Judgement {
        let peer = self.names.peer ?? "the primary"
        if let silence, silence > self.timeout / 2 {
            return Judgement(.down, ["nothing heard from \(peer)\(self.silenceText)"])
        }
        switch self.state {
        case .streaming where self.peerGate == .open: return self.copies(of: self.names.local)
        case .streaming:
            return Judgement(
                .down,
                ["the gate of \(peer) is closed"],
                next: "pairctl status, there"
            )
        case .suspect: return Judgement(.degraded, ["\(peer) is silent\(self.silenceText)"])
        case .seeding: return Judgement(.unprotected, ["the whole copy is still being taken"])
        case .catchingUp: return Judgement(.unprotected, ["this node is still catching up"])
        default:
            let reason = "\(self.names.local) does not follow \(peer) (\(self.state.rawValue))"
            return Judgement(self.peerGate == .open ? .unprotected : .down, [reason])
        }
    }

    private func copies(of secondary: String) -> Judgement {
        guard let equalSince else {
            return Judgement(.unprotected, ["\(secondary) has no complete copy yet"])
        }
        guard self.unacknowledgedFor <= Self.freshness else {
            return Judgement(
                .unprotected,
                ["\(secondary) has not acknowledged anything for \(self.unacknowledgedFor.inWords)"]
            )
        }
        guard equalSince <= Self.freshness else {
            return Judgement(
                .unprotected,
                ["the copies were last known to be equal \(equalSince.inWords) ago"]
            )
        }
        return Judgement(.protected)
    }

    private var silenceText: String { self.silence.map { " for \($0.inWords)" } ?? "" }
}

extension Duration {
    /// Whole seconds below two minutes, whole minutes above.
    fileprivate var inWords: String {
        let seconds = self.components.seconds
        return seconds < 120 ? "\(seconds) s" : "\(seconds / 60) min"
    }
}
