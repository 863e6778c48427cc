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
    /// The secondary lacks commits of which nobody knows how old they are.
    package var isBehind: Bool
    /// The primary's gate, as this node last heard, when it is the secondary.
    package var peerGate: GateState?
    /// What stands in the way, in the operator's words, found by the shell.
    package var troubles: [String]
    /// What keeps a pair that is in sync from being protected.
    package var reservations: [Reservation]
    /// What an operator should know of a pair however well it does.
    package var notes: [String]
    /// The peer refuses this node's key: its operator has removed the pair, or replaced the node.
    package var isDistrusted: Bool
    /// The vault that this node served is gone, or another lies in its place.
    package var vaultLoss: Reservation?
    /// Of a primary: its peer is armed, and promotes itself when it hears nothing for the timeout.
    package var mayPromotePeer: Bool
    /// Somebody has typed `enable-ha`, here or on the peer, and this node has no role yet.
    package var isBeingEnabled: Bool

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
        isBehind: Bool = false,
        peerGate: GateState?,
        troubles: [String],
        reservations: [Reservation] = [],
        notes: [String] = [],
        isDistrusted: Bool = false,
        vaultLoss: Reservation? = nil,
        mayPromotePeer: Bool = false,
        isBeingEnabled: Bool = false
    ) {
        self.role = role
        self.state = state
        self.gate = gate
        self.names = names
        self.silence = silence
        self.timeout = timeout
        self.equalSince = equalSince
        self.unacknowledgedFor = unacknowledgedFor
        self.isBehind = isBehind
        self.peerGate = peerGate
        self.troubles = troubles
        self.reservations = reservations
        self.notes = notes
        self.isDistrusted = isDistrusted
        self.vaultLoss = vaultLoss
        self.mayPromotePeer = mayPromotePeer
        self.isBeingEnabled = isBeingEnabled
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
        if self.isDistrusted {
            judgement.reasons.insert(
                "\(self.peer) no longer trusts this node: the pair was removed there",
                at: 0
            )
            judgement.next =
                self.role == .none || self.role == .standalone
                ? "pairctl pair remove; to pair anew: pairctl pair invite and pair join"
                : "on \(self.peer): pairctl pair show"
        }
        for reservation in self.reservations {
            if judgement.verdict == .protected { judgement.verdict = .degraded }
            judgement.reasons.append(reservation.reason)
            judgement.next = judgement.next ?? reservation.next
        }
        judgement.reasons += self.notes
        if judgement.verdict != .protected, judgement.verdict != .standalone {
            judgement.next = judgement.next ?? "pairctl status --watch"
        }
        return judgement
    }

    private var bare: Judgement {
        if let vaultLoss { return Judgement(.down, [vaultLoss.reason], next: vaultLoss.next) }
        return switch self.role {
        case .none: self.withoutRole
        case .standalone where self.peerGate == .open:
            Judgement(
                .diverged,
                ["\(self.peer) serves alone too: two vaults that go apart"],
                next: "pairctl enable-ha, on the node whose vault is to stay"
            )
        case .standalone where self.gate == .open: Judgement(.standalone)
        case .standalone: Judgement(.down, [self.servesNothing], next: Self.readLog)
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
        case .paired where self.isBeingEnabled:
            Judgement(
                .unpaired,
                ["HA is being switched on"],
                next: "pairctl status --watch"
            )
        case .paired:
            Judgement(
                .unpaired,
                ["HA has never been on"],
                next: "pairctl enable-ha, on the node whose vault is to be served"
            )
        case .parked where self.isBeingEnabled:
            Judgement(
                self.peerGate == .open ? .standalone : .down,
                ["HA is being switched on; this node serves nothing yet"],
                next: "pairctl status --watch"
            )
        case .parked where self.peerGate == .open:
            Judgement(
                .standalone,
                ["HA is off: \(self.peer) serves alone, this node serves nothing"],
                next: "pairctl enable-ha, on the node that is to be primary"
            )
        case .parked:
            Judgement(
                .down,
                ["HA is off, and this node serves nothing"],
                next: "pairctl enable-ha; to serve without a peer: pairctl init --standalone"
            )
        case .seeding, .catchingUp:
            Judgement(.down, [self.servesNothing], next: "pairctl status --watch")
        case .starting, .failed, .quarantined, .serving, .streaming, .alone, .draining, .inDoubt,
            .fenced, .lookingForPeer, .suspect, .promoting, .superseded, .hold:
            Judgement(.down, [self.servesNothing], next: Self.readLog)
        }
    }

    private var servesNothing: String { "this node serves nothing (\(self.state.rawValue))" }

    private static let readLog = "journalctl -u paird -n 50"
    private static let restart =
        "systemctl restart paird; what was wrong: journalctl -u paird -n 50"

    private var peer: String { self.names.peer ?? "the peer" }

    private var asPrimary: Judgement {
        guard self.gate == .open else {
            let next =
                switch self.state {
                case .failed: Self.restart
                case .starting, .quarantined: Self.readLog
                case .draining, .promoting: "pairctl status --watch"
                // It is there: the two are finding out how to go on.
                case _ where self.peerGate != nil: "pairctl status --watch"
                default:
                    "on \(self.peer): systemctl start paird; if it is known to be down: "
                        + "pairctl promote --force --confirm \(self.peer) --reason TEXT"
                }
            let reason = "the primary's gate is closed (\(self.state.rawValue))"
            return Judgement(.down, [reason], next: next)
        }
        if self.state != .streaming, self.peerGate == .closed {
            return Judgement(
                .unprotected,
                ["\(self.peer) is connected, and does not follow"],
                next: "on \(self.peer): pairctl status"
            )
        }
        guard self.state == .streaming else {
            return Judgement(
                .unprotected,
                ["\(self.peer) is not connected\(self.silenceText)"] + self.outlook,
                next: self.askPeer
            )
        }
        return self.copies(of: self.peer)
    }

    /// What a peer does that this node does not hear, and that does not hear this node.
    private var outlook: [String] {
        guard self.mayPromotePeer, let silence else { return [] }
        let timeout = StatusText.time(self.timeout.inSeconds)
        return silence < self.timeout
            ? ["\(self.peer) promotes itself when it has heard nothing for \(timeout)"]
            : [
                "\(self.peer) may have promoted itself, as it does after \(timeout): of two primaries "
                    + "that meet again one gives in, and its commits end in an archive"
            ]
    }

    private var askPeer: String { "on \(self.peer): systemctl status paird" }

    /// The primary may be lost; `promote` says first what would be lost with it.
    private var replacePrimary: String {
        "on \(self.peer): systemctl start paird; if it is lost, here: pairctl promote"
    }

    private var asSecondary: Judgement {
        let peer = self.peer
        if let silence, silence > self.timeout / 2 {
            return Judgement(
                .down,
                ["nothing heard from \(peer)\(self.silenceText)"],
                next: self.replacePrimary
            )
        }
        switch self.state {
        case .streaming where self.peerGate == .open: return self.copies(of: self.names.local)
        case .streaming where self.peerGate == nil:
            return Judgement(.degraded, ["\(peer) is not connected"], next: self.askPeer)
        case .streaming, .suspect:
            guard self.peerGate != .closed else {
                return Judgement(
                    .down,
                    ["the gate of \(peer) is closed"],
                    next: "on \(peer): pairctl status"
                )
            }
            let reason =
                self.peerGate == nil
                ? "\(peer) is silent\(self.silenceText)"
                : "the log of \(peer) does not come through, or its heartbeats do not"
            return Judgement(.degraded, [reason], next: self.askPeer)
        case .seeding:
            return Judgement(
                .unprotected,
                ["the whole copy is still being taken"],
                next: "pairctl status --watch"
            )
        case .catchingUp:
            return Judgement(
                .unprotected,
                ["this node is still catching up"],
                next: "pairctl status --watch"
            )
        default: return self.notFollowing
        }
    }

    private var notFollowing: Judgement {
        let reason = "\(self.names.local) does not follow \(self.peer) (\(self.state.rawValue))"
        let isBroken =
            self.state == .failed || self.state == .quarantined || self.state == .hold
        guard self.peerGate == .open else {
            return Judgement(.down, [reason], next: isBroken ? Self.readLog : self.replacePrimary)
        }
        return Judgement(
            .unprotected,
            [reason],
            next: isBroken ? Self.readLog : "pairctl status --watch"
        )
    }

    private func copies(of secondary: String) -> Judgement {
        guard let equalSince else {
            return Judgement(
                .unprotected,
                ["\(secondary) has no complete copy yet"],
                next: "pairctl status --watch"
            )
        }
        guard !self.isBehind else {
            return Judgement(
                .unprotected,
                ["\(secondary) does not have all yet"],
                next: "pairctl status --watch"
            )
        }
        guard self.unacknowledgedFor <= Self.freshness else {
            return Judgement(
                .unprotected,
                [
                    "\(secondary) has not acknowledged anything for \(self.unacknowledgedFor.inWords)"
                ],
                next: "on \(secondary): systemctl status paird"
            )
        }
        guard equalSince <= Self.freshness else {
            return Judgement(
                .unprotected,
                ["the copies were last known to be equal \(equalSince.inWords) ago"],
                next: "pairctl verify"
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
