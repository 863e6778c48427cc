/// 256 random bits that were never said before; an echo of them proves that words are new.
///
/// The shell draws them, because this target has no source of randomness.
package struct Nonce: Hashable, Sendable {
    package var lanes: (UInt64, UInt64, UInt64, UInt64)

    package init(_ lane0: UInt64, _ lane1: UInt64, _ lane2: UInt64, _ lane3: UInt64) {
        self.lanes = (lane0, lane1, lane2, lane3)
    }

    /// Never issued: says "I know none of yours".
    package static let none = Nonce(0, 0, 0, 0)

    package static func == (lhs: Nonce, rhs: Nonce) -> Bool { lhs.lanes == rhs.lanes }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.lanes.0)
        hasher.combine(self.lanes.1)
    }
}

/// The place of a control message in everything that its sender ever said.
///
/// `n` counts all control messages of a start and carries the start in its upper half, so that the
/// answer to a message of an earlier start is never taken for the answer to one of this start.
package struct MessageNumber: Hashable, Comparable, Sendable {
    package var incarnation: UInt64
    package var n: UInt64

    package init(incarnation: UInt64, n: UInt64) {
        self.incarnation = incarnation
        self.n = n
    }

    package static func < (lhs: MessageNumber, rhs: MessageNumber) -> Bool {
        (lhs.incarnation, lhs.n) < (rhs.incarnation, rhs.n)
    }
}

/// Proof of life from the primary, and the secondary's answer to it.
///
/// The answer means: "I restarted my full timer when I received `acknowledged`". The bytes are those
/// of `HeartbeatCodec`; who signs and checks them is the shell.
package struct Heartbeat: Hashable, Sendable {
    package enum Kind: UInt8, Hashable, Sendable {
        case heartbeat = 1
        case acknowledgement = 2
    }

    package var kind: Kind
    package var number: MessageNumber
    /// The `n` of the heartbeat that is answered; 0 in a heartbeat.
    package var acknowledged: UInt64
    package var epoch: Epoch
    package var role: Role
    package var state: NodeState
    package var gateIsOpen: Bool
    /// In a heartbeat: the receiver may promote itself; in an answer: the sender may.
    package var isArmed: Bool
    package var isSuspended: Bool
    /// The arming that `isArmed` speaks of.
    package var armGeneration: UInt64
    /// Captured on a primary, applied on a secondary.
    package var position: TXID
    package var durable: TXID
    /// Of the vault at `position`.
    package var digest: VaultDigest
    package var policy: PairPolicy
    /// In an answer a new one; in a heartbeat the receiver's newest.
    package var nonce: Nonce
    /// Seconds since 1970, for display only.
    package var wallSeconds: Int64

    package init(
        kind: Kind,
        number: MessageNumber,
        acknowledged: UInt64,
        epoch: Epoch,
        role: Role,
        state: NodeState,
        gateIsOpen: Bool,
        isArmed: Bool,
        isSuspended: Bool,
        armGeneration: UInt64,
        position: TXID,
        durable: TXID,
        digest: VaultDigest,
        policy: PairPolicy,
        nonce: Nonce,
        wallSeconds: Int64
    ) {
        self.kind = kind
        self.number = number
        self.acknowledged = acknowledged
        self.epoch = epoch
        self.role = role
        self.state = state
        self.gateIsOpen = gateIsOpen
        self.isArmed = isArmed
        self.isSuspended = isSuspended
        self.armGeneration = armGeneration
        self.position = position
        self.durable = durable
        self.digest = digest
        self.policy = policy
        self.nonce = nonce
        self.wallSeconds = wallSeconds
    }
}
