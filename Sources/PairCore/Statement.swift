/// Everything that a node says about itself, in one message that may be lost, repeated or late.
///
/// The pair's procedures are made of statements alone: each says what is *persisted*, so hearing one
/// twice changes nothing, and the newest makes all others superfluous. A statement counts only when
/// it echoes a nonce that the receiver has issued since it started (or since it froze, where the
/// decision depends on that); otherwise only its nonce is taken.
package struct Statement: Hashable, Sendable {
    package var number: MessageNumber
    /// The sender's own, to be echoed.
    package var nonce: Nonce
    /// The receiver's newest that the sender knows.
    package var echo: Nonce
    /// What a heartbeat to the sender must echo.
    package var heartbeatNonce: Nonce
    /// The sender waits for an answer.
    package var isProbe: Bool

    package var epoch: Epoch
    package var role: Role
    package var state: NodeState
    package var right: Right
    package var arming: NodeRecord.Arming
    package var gateIsOpen: Bool
    /// The gate was open when the nodes met, even if it has been closed for the comparison.
    package var gateWasOpen: Bool
    package var lineage: Lineage
    package var position: Position
    package var hasVault: Bool
    package var isSeeding: Bool
    package var suspension: NodeRecord.Suspension?
    package var relinquish: NodeRecord.Relinquish?
    package var operation: NodeRecord.Operation?
    /// The newest operations that the sender will never act on again.
    package var aborted: [OperationID]
    /// What the sender asks of the receiver.
    package var request: Request?
    /// How the receiver is to take its place as the sender's secondary.
    package var offer: RejoinOffer?
    package var policy: PairPolicy

    package init(
        number: MessageNumber,
        nonce: Nonce,
        echo: Nonce,
        heartbeatNonce: Nonce,
        isProbe: Bool,
        epoch: Epoch,
        role: Role,
        state: NodeState,
        right: Right,
        arming: NodeRecord.Arming,
        gateIsOpen: Bool,
        gateWasOpen: Bool,
        lineage: Lineage,
        position: Position,
        hasVault: Bool,
        isSeeding: Bool,
        suspension: NodeRecord.Suspension?,
        relinquish: NodeRecord.Relinquish?,
        operation: NodeRecord.Operation?,
        aborted: [OperationID],
        request: Request?,
        offer: RejoinOffer?,
        policy: PairPolicy
    ) {
        self.number = number
        self.nonce = nonce
        self.echo = echo
        self.heartbeatNonce = heartbeatNonce
        self.isProbe = isProbe
        self.epoch = epoch
        self.role = role
        self.state = state
        self.right = right
        self.arming = arming
        self.gateIsOpen = gateIsOpen
        self.gateWasOpen = gateWasOpen
        self.lineage = lineage
        self.position = position
        self.hasVault = hasVault
        self.isSeeding = isSeeding
        self.suspension = suspension
        self.relinquish = relinquish
        self.operation = operation
        self.aborted = aborted
        self.request = request
        self.offer = offer
        self.policy = policy
    }
}

extension Statement {
    package var isSuspended: Bool { self.suspension != nil }
}

/// A verb that an operator typed, wherever it is carried out.
package struct Request: Hashable, Sendable {
    package var id: OperationID
    package var verb: Verb
    package var by: String

    package enum Verb: Hashable, Sendable {
        /// The node that it is typed on becomes the primary.
        case enableHA(discardingPeerVault: Bool)
        /// `isForced`: a person vouches that the peer is down.
        case disableHA(isForced: Bool)
        case switchover
        /// `isForced`: a person vouches that the peer is down, and accepts the loss that was shown.
        case promote(isForced: Bool)
        case suspend(for: Duration)
        case resume
        /// A lone serving appliance.
        case standalone
    }

    package init(id: OperationID, verb: Verb, by: String) {
        self.id = id
        self.verb = verb
        self.by = by
    }
}

/// What the two nodes say to each other outside the log stream.
package indirect enum PeerMessage: Hashable, Sendable {
    case heartbeat(Heartbeat)
    case statement(Statement)
}
