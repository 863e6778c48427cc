/// What a node remembers over restarts: who it is, which history it follows, what it has promised.
///
/// Persisted before anything that follows from it is said or opened. Kept in two checksummed
/// generations by the shell; this type knows only the bytes (see `NodeRecord+Codec.swift`).
package struct NodeRecord: Hashable, Sendable {
    package var identity: Identity
    package var peer: Peer?
    package var epoch: Epoch
    package var role: Role
    package var right: Right
    package var arming: Arming
    package var relinquish: Relinquish?
    package var operation: Operation?
    /// Operations that this node has called off and will never act on again; the newest 64.
    package var abortedOperations: [OperationID]
    /// A whole copy is being taken; such a node never promotes.
    package var isSeeding: Bool
    /// Seconds since 1970 when a lapsed lease left the gate open; cleared by the next ACK.
    package var aloneSince: Int64?
    package var lineage: Lineage
    /// The newest position that the peer said it has on its disk.
    package var peerAcknowledged: Position?
    package var quarantineReason: String?
    package var suspension: Suspension?
    package var policy: PairPolicy
    /// Counts the starts of this node's daemon.
    package var incarnation: UInt64
    /// The archives of divergent tails that an operator has not disposed of.
    package var tails: [Tail]

    package struct Identity: Hashable, Sendable {
        package var node: NodeID
        package var name: String
        /// The machine's product name; both nodes must have the same.
        package var model: String

        package init(node: NodeID, name: String, model: String) {
            self.node = node
            self.name = name
            self.model = model
        }
    }

    /// The other node, as the pairing and the last contact left it.
    package struct Peer: Hashable, Sendable {
        package var pair: PairID
        package var vault: VaultID?
        /// Which of the two this node is.
        package var bit: NodeBit
        package var node: NodeID
        package var name: String
        package var model: String
        /// SHA-256 of the peer's TLS public key (SubjectPublicKeyInfo), 32 bytes.
        package var keyPin: [UInt8]
        /// The peer's Ed25519 key that signs heartbeats, 32 bytes.
        package var signingKey: [UInt8]
        /// HOST:PORT as learnt when pairing.
        package var address: String
        /// The least protocol version this pair speaks; only rises.
        package var minimumProtocol: UInt16
        /// HA has been on since the pairing.
        package var wasEnabled: Bool

        package init(
            pair: PairID,
            vault: VaultID?,
            bit: NodeBit,
            node: NodeID,
            name: String,
            model: String,
            keyPin: [UInt8],
            signingKey: [UInt8],
            address: String,
            minimumProtocol: UInt16,
            wasEnabled: Bool
        ) {
            self.pair = pair
            self.vault = vault
            self.bit = bit
            self.node = node
            self.name = name
            self.model = model
            self.keyPin = keyPin
            self.signingKey = signingKey
            self.address = address
            self.minimumProtocol = minimumProtocol
            self.wasEnabled = wasEnabled
        }
    }

    /// Whether the secondary may promote itself: of the peer on a primary, of itself on a secondary.
    package struct Arming: Hashable, Sendable {
        package var isArmed: Bool
        /// Rises with every arming; a pledge revokes all up to the one it names.
        package var generation: UInt64
        /// The newest generation that a pledge has revoked.
        package var revoked: UInt64

        package init(isArmed: Bool, generation: UInt64, revoked: UInt64) {
            self.isArmed = isArmed
            self.generation = generation
            self.revoked = revoked
        }

        package static let never = Arming(isArmed: false, generation: 0, revoked: 0)
    }

    /// A primary's irrevocable offer to hand over at a position.
    package struct Relinquish: Hashable, Sendable {
        package var operation: OperationID
        package var position: Position
        package var successor: NodeBit

        package init(operation: OperationID, position: Position, successor: NodeBit) {
            self.operation = operation
            self.position = position
            self.successor = successor
        }
    }

    /// What an operator has begun and the node carries on over restarts.
    package struct Operation: Hashable, Sendable {
        package var id: OperationID
        package var verb: Verb
        package var step: UInt8
        package var by: String
        /// Seconds since 1970, for display only.
        package var since: Int64

        package enum Verb: UInt8, Hashable, Sendable {
            case enableHA = 1
            case disableHA = 2
            case switchover = 3
            case promote = 4
        }

        package init(id: OperationID, verb: Verb, step: UInt8, by: String, since: Int64) {
            self.id = id
            self.verb = verb
            self.step = step
            self.by = by
            self.since = since
        }
    }

    /// The operator forbids automatic moves until the time that is left has been lived through.
    package struct Suspension: Hashable, Sendable {
        package var remaining: Duration
        package var by: String

        package init(remaining: Duration, by: String) {
            self.remaining = remaining
            self.by = by
        }
    }

    /// The sealed archive of a divergent tail.
    package struct Tail: Hashable, Sendable {
        package var id: String
        package var node: NodeBit
        package var from: Position
        package var to: Position
        package var transactions: UInt64
        package var byteCount: UInt64
        package var wallSeconds: Int64

        package init(
            id: String,
            node: NodeBit,
            from: Position,
            to: Position,
            transactions: UInt64,
            byteCount: UInt64,
            wallSeconds: Int64
        ) {
            self.id = id
            self.node = node
            self.from = from
            self.to = to
            self.transactions = transactions
            self.byteCount = byteCount
            self.wallSeconds = wallSeconds
        }
    }

    /// The number of the next start: above all before it.
    ///
    /// Also above those that this record does not know of, where the node was put back to a snapshot:
    /// the peer heeds no start below one that it has heard. Should the clock have been put back as well,
    /// the peer refuses its words until it has started often enough.
    ///
    /// - Parameter clock: what rises between two starts of a node, if anything does.
    package func nextIncarnation(clock: UInt64) -> UInt64 { max(self.incarnation + 1, clock) }

    /// The record of a node that was never paired.
    package init(identity: Identity) {
        self.identity = identity
        self.peer = nil
        self.epoch = .none
        self.role = .none
        self.right = .solo
        self.arming = .never
        self.relinquish = nil
        self.operation = nil
        self.abortedOperations = []
        self.isSeeding = false
        self.aloneSince = nil
        self.lineage = .empty
        self.peerAcknowledged = nil
        self.quarantineReason = nil
        self.suspension = nil
        self.policy = .standard
        self.incarnation = 0
        self.tails = []
    }
}

/// The choices that hold for the pair; the primary's configuration decides.
package struct PairPolicy: Hashable, Sendable {
    package var failover: FailoverPolicy
    /// How long a secondary lives through silence before it promotes itself.
    package var timeout: Duration

    package init(failover: FailoverPolicy, timeout: Duration) {
        self.failover = failover
        self.timeout = timeout
    }

    package static let standard = PairPolicy(failover: .available, timeout: .seconds(840))
}
