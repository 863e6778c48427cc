extension Failover {
    /// Everything that can happen to the machine.
    package enum Event: Hashable, Sendable {
        /// The daemon has started and attached the vault; comes first and once.
        case started(Start)
        case tick(Tick)
        /// A control message whose signature, pair and receiver are right. `fresh` is 256 bits that
        /// were drawn for this event.
        case received(PeerMessage, fresh: Nonce)
        /// The vault's newest position here: captured, or applied.
        case positionChanged(Position)
        /// Layer 1 is ours and everything committed is captured, up to here. Answers `closeGate`.
        case gateClosed(Position)
        /// The secondary has applied this, with a digest equal to ours there; `inSync` when nothing
        /// of note is missing.
        case peerApplied(Position, inSync: Bool)
        /// There is a way to the peer again; what was said without one is lost.
        case connected
        /// The log connection is gone; the shell makes another and goes on where this one ended.
        case logInterrupted
        /// The log flows again from where it was interrupted.
        case logResumed
        /// The log cannot be followed from here any more: the primary refuses to go on, or the copy
        /// is not what was recorded.
        case logLost
        /// Answers `locate`.
        case located(RejoinInquiry, RejoinFinding)
        /// Answers `checkVault`: all that was received is applied; where, or what is wrong.
        case vaultChecked(VaultCheck)
        /// Answers `probeReach`.
        case reachProbed(answered: Bool)
        /// Answers `sealTail`.
        case tailSealed(NodeRecord.Tail)
        /// Answers `copyTail`: the peer has the archive on its disk.
        case tailCopied(String)
        /// Answers `undo`.
        case rolledBack(Position)
        /// Answers `takeCopy`: the digest is verified and the copy in place.
        case copied(Position, of: Epoch)
        /// A primary's capture cannot prove that nothing is missing after this position; `isReplaced`
        /// when nothing shows either that the vault still holds what came before it.
        case continuityLost(after: Position, isReplaced: Bool)
        /// A vault lies where there was none, or where it was not trusted: the one that this node had, as
        /// far as the log tells, or another; without tables there is nothing in it to be kept.
        case vaultFound(Position, isOurs: Bool, hasTables: Bool = true)
        /// A vault that is about to be taken into custody has no marker, though it should have one, or is not
        /// the one that was in custody until now.
        case vaultSuspected
        /// The vault in custody is no longer the file at its path.
        case vaultLost
        case operatorAsked(Request)
        /// The node's configuration has changed while it runs.
        case configured(Configuration)
        /// An effect failed on the disk; the rest of its list was not carried out.
        case storageFailed
    }

    /// What the shell found when it started.
    package struct Start: Hashable, Sendable {
        package var position: Position
        package var hasVault: Bool
        /// Nothing lies where the vault belongs.
        package var isVaultMissing: Bool
        package var wallSeconds: Int64
        /// See ``NodeRecord/nextIncarnation(clock:)``; 0 for none.
        package var clock: UInt64
        /// Two nonces drawn for this start: for statements, and for heartbeats.
        package var nonces: (Nonce, Nonce)

        package init(
            position: Position,
            hasVault: Bool,
            isVaultMissing: Bool = false,
            wallSeconds: Int64,
            clock: UInt64 = 0,
            nonces: (Nonce, Nonce)
        ) {
            self.position = position
            self.hasVault = hasVault
            self.isVaultMissing = isVaultMissing
            self.wallSeconds = wallSeconds
            self.clock = clock
            self.nonces = nonces
        }

        package static func == (lhs: Start, rhs: Start) -> Bool {
            lhs.position == rhs.position && lhs.hasVault == rhs.hasVault
                && lhs.isVaultMissing == rhs.isVaultMissing && lhs.wallSeconds == rhs.wallSeconds
                && lhs.clock == rhs.clock && lhs.nonces == rhs.nonces
        }

        package func hash(into hasher: inout Hasher) { hasher.combine(self.position) }
    }

    /// What the clocks say about the time since the last tick.
    package struct Tick: Hashable, Sendable {
        /// The least that any clock saw.
        package var shortest: Duration
        /// The most that any clock saw.
        package var longest: Duration
        /// Seconds since 1970, to be remembered and shown, never compared.
        package var wallSeconds: Int64

        package init(shortest: Duration, longest: Duration, wallSeconds: Int64) {
            self.shortest = shortest
            self.longest = longest
            self.wallSeconds = wallSeconds
        }
    }

    package enum VaultCheck: Hashable, Sendable {
        case sound(Position)
        /// The digest differs, the disk is full or read-only; the text is for the operator.
        case unfit(String)
    }
}
