extension Failover {
    /// What a primary knows beside its record.
    package struct Primary: Hashable, Sendable {
        package enum Stage: Hashable, Sendable {
            /// The gate is open.
            case serving
            /// Hands over: asks the peer to be ready, then drains.
            case handingOver(HandingOver)
            /// Has relinquished and does not know yet whether the peer took over. The gate is closed
            /// with the marker, and nothing but the peer's word or the operator's opens it.
            case inDoubt
            /// The gate is closed, and may open again when the peer has been heard.
            case closed(Closed)
        }

        package struct HandingOver: Hashable, Sendable {
            package var operation: NodeRecord.Operation
            package var step: Step
            /// On ``FailoverClock/longest``.
            package var since: Duration

            package enum Step: Hashable, Sendable {
                case preparing
                case closing
                /// Nothing is committed after this; the peer is catching up to it.
                case draining(Position)
            }
        }

        struct Sent: Hashable, Sendable {
            var n: UInt64
            /// On ``FailoverClock/longest``.
            var at: Duration
            /// What its answer is good for: the timeout that it spoke of, or a shorter one since.
            var timeout: Duration
        }

        package struct Closed: Hashable, Sendable {
            package enum Reason: Hashable, Sendable {
                /// After a start or a gap: the peer may have promoted itself.
                case searching
                /// The lease is gone and the policy, or the network's evidence, closed the gate.
                case fenced
                /// Another primary has been met; both are still while they compare.
                case meeting
                /// The vault that this node served is gone, or another lies in its place: the peer
                /// may hold the last copy of it, so nothing but an operator's word opens this gate.
                case vaultLost
            }

            package var reason: Reason
            /// On ``FailoverClock/longest``.
            package var since: Duration
            /// The gate was open when this began: part of the claim to survive.
            package var gateWasOpen: Bool

            /// The peer's word alone opens the gate again.
            var mayReopen: Bool {
                switch self.reason {
                case .searching, .fenced: true
                case .meeting, .vaultLost: false
                }
            }
        }

        /// The peer, as long as it follows this primary.
        package struct Follower: Hashable, Sendable {
            package var applied: Position?
            package var inSync = false
        }

        package var stage: Stage
        package var lease: Lease?
        /// Heartbeats of this start that may still be answered.
        var sent: [Sent] = []
        /// On ``FailoverClock/longest``.
        var nextHeartbeat: Duration = .zero
        var nextProbe: Duration = .zero
        var nextReach: Duration = .zero
        /// An operation that hands over waits so long after a try that was called off, because
        /// applications wait through every try.
        var nextHandingOver: Duration = .zero
        package var follower: Follower?
        package var offer: RejoinOffer?
        /// What the follower has last acknowledged to be armed by; `nil` when it is not.
        var armedGeneration: UInt64?

        package init(stage: Stage) { self.stage = stage }

        package static func == (lhs: Primary, rhs: Primary) -> Bool {
            lhs.stage == rhs.stage && lhs.lease == rhs.lease && lhs.follower == rhs.follower
                && lhs.offer == rhs.offer && lhs.nextHeartbeat == rhs.nextHeartbeat
        }

        package func hash(into hasher: inout Hasher) { hasher.combine(self.stage) }
    }

    /// What a secondary knows beside its record.
    package struct Secondary: Hashable, Sendable {
        package enum Stage: Hashable, Sendable {
            /// Does not know how to follow yet, or whom.
            case searching
            /// Makes its content a prefix of the primary's history.
            case rejoining(Rejoining)
            case following
            /// Follows as soon as there is a log connection again; its content is still a prefix of
            /// the primary's history, so it may stay armed, and be read.
            case interrupted(since: Duration)
            /// The timeout has passed; the vault, and the network if asked to, is being checked.
            case promoting(Promoting)
        }

        package struct Rejoining: Hashable, Sendable {
            package enum Step: Hashable, Sendable {
                case sealing
                case copyingTail
                case undoing
                case copying
            }

            package var offer: RejoinOffer
            package var step: Step = .sealing
            /// The primary's, when it made the offer: what this node will be part of.
            package var epoch: Epoch
            package var lineage: Lineage
        }

        package struct Promoting: Hashable, Sendable {
            package var cause: EpochCause
            package var checked: Position?
            package var isReached: Bool
        }

        package var stage: Stage

        /// Its content is a prefix of the primary's history, connected or not.
        package var isFollowing: Bool {
            switch self.stage {
            case .following, .interrupted: true
            case .searching, .rejoining, .promoting: false
            }
        }

        /// When the last accepted heartbeat came, on ``FailoverClock/shortest``.
        package var heardAt: Duration
        /// Since the start or the last gap, on ``FailoverClock/shortest``.
        package var listeningSince: Duration
        var nextProbe: Duration = .zero
        /// After a promotion that a check forbade.
        var nextAttempt: Duration = .zero
        /// What forbade it.
        package var unfit: String?

        package init(stage: Stage, now: Duration) {
            self.stage = stage
            self.heardAt = now
            self.listeningSince = now
        }
    }

    /// What a node knows of the conversation with its peer; all of it is new after a start.
    package struct Link: Hashable, Sendable {
        /// The newest message sent.
        var sent: UInt64 = 0
        /// The newest message accepted.
        var heard = MessageNumber(incarnation: 0, n: 0)
        /// When the peer was last heard, on ``FailoverClock/longest``.
        package var lastHeard: Duration?
        /// The peer's newest statement that echoed our nonce.
        package var peer: Statement?
        /// When that came, on ``FailoverClock/longest``.
        var statedAt: Duration = .zero
        /// Echoed by every statement that counts.
        var nonce: Nonce = .none
        var peerNonce: Nonce = .none
        var peerHeartbeatNonce: Nonce = .none
        /// What heartbeats to this node must echo: the newest and the second newest.
        var issued: [Issued] = []
        /// Asked of the peer, and repeated until it has had an effect or its time is over.
        var request: Request?
        var requestedAt: Duration = .zero
        /// The newest request of the peer's that was carried out and would count anew if repeated.
        var servedRequest: OperationID?

        struct Issued: Hashable, Sendable {
            var nonce: Nonce
            /// The heartbeat that used it; each nonce restarts the timer once.
            var usedBy: UInt64?
        }
    }
}

extension Failover {
    /// What this node is doing, in the operators' words.
    package var nodeState: NodeState {
        switch self.state {
        case .starting: .starting
        case .failed: .failed
        case .idle:
            self.record.peer == nil
                ? .unpaired : self.record.peer?.wasEnabled == true ? .parked : .paired
        case .standalone: self.isVaultMissing ? .starting : .serving
        case .primary(let primary):
            switch primary.stage {
            case .serving: self.peerIsAbsent ? .alone : .streaming
            case .handingOver(let handingOver):
                handingOver.step == .preparing ? .streaming : .draining
            case .inDoubt: .inDoubt
            case .closed(let closed):
                switch closed.reason {
                case .fenced: .fenced
                case .searching, .meeting: .lookingForPeer
                case .vaultLost: self.isVaultMissing ? .starting : .hold
                }
            }
        case .secondary(let secondary):
            switch secondary.stage {
            case .searching: .lookingForPeer
            case .rejoining(let rejoining):
                self.record.isSeeding
                    ? .seeding : rejoining.offer.rejoin.sealsTail ? .superseded : .catchingUp
            case .following: self.silence >= self.timing.suspicion ? .suspect : .streaming
            case .interrupted(let since):
                self.silence >= self.timing.suspicion
                    || self.clock.shortest - since >= self.timing.absence ? .suspect : .streaming
            case .promoting: .promoting
            }
        }
    }

    /// Whether `/primary` answers 200 at this instant: the gate is open and, where the right is a
    /// lease that the policy enforces, the lease has not ended.
    package func isServing(at now: Instant) -> Bool {
        guard self.gate == .open else { return false }
        guard case .primary(let primary) = self.state, self.record.right == .leased,
            self.record.policy.failover == .strict
        else { return true }
        let since = self.lastEvent.map { now - $0 } ?? .zero
        return primary.lease?.isValid(at: self.clock.longest + since) ?? false
    }

    /// The secondary is known to be armed: on itself by its record, on the primary by an answer to
    /// a heartbeat, because what the primary has persisted may not have reached the peer yet.
    package var secondaryIsArmed: Bool {
        guard self.record.arming.isArmed else { return false }
        guard case .primary(let primary) = self.state else { return true }
        let stated = self.link.peer?.arming
        return primary.armedGeneration == self.record.arming.generation
            || stated?.isArmed == true && stated?.generation == self.record.arming.generation
    }

    /// What the operator forbids, and for how long still: the secondary counts it, the primary goes
    /// by what the secondary last said.
    package var suspension: NodeRecord.Suspension? {
        if let suspension = self.record.suspension { return suspension }
        guard case .primary = self.state, var suspension = self.link.peer?.suspension else {
            return nil
        }
        suspension.remaining -= self.clock.longest - self.link.statedAt
        return suspension.remaining > .zero ? suspension : nil
    }

    /// Nothing has come from the peer for a while.
    var peerIsAbsent: Bool {
        guard let lastHeard = self.link.lastHeard else { return true }
        // While nothing else is said, heartbeats and their answers are all there is to hear.
        return self.clock.longest - lastHeard > self.timing.heartbeat + self.timing.absence
    }

    /// The silence that this secondary has lived through.
    package var silence: Duration {
        guard case .secondary(let secondary) = self.state else { return .zero }
        return max(.zero, self.clock.shortest - secondary.heardAt)
    }
}
