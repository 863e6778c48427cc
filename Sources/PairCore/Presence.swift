/// What a node tells its peer about itself, at once on every change and else every second.
///
/// For display, and for an operator's request to be weighed; nothing is opened or closed by it.
package struct Presence: Hashable, Sendable {
    package var node: NodeID
    package var name: String
    package var model: String
    package var version: String
    /// Random per start of the daemon.
    package var bootID: UInt64
    package var role: Role
    package var state: NodeState
    package var gate: GateState
    package var right: Right
    package var epoch: Epoch
    package var lineage: Lineage
    /// The newest captured position of a primary, the applied one of a secondary.
    package var position: Position?
    package var content: VaultContent
    /// How long an application has held SQLite's write lock at most.
    package var longestWriteHold: Duration
    package var policy: PairPolicy
    /// Why the state is not the best one, in the operator's words; at most 8.
    package var reasons: [String]

    package init(
        node: NodeID,
        name: String,
        model: String,
        version: String,
        bootID: UInt64,
        role: Role,
        state: NodeState,
        gate: GateState,
        right: Right,
        epoch: Epoch,
        lineage: Lineage,
        position: Position?,
        content: VaultContent,
        longestWriteHold: Duration,
        policy: PairPolicy,
        reasons: [String]
    ) {
        self.node = node
        self.name = name
        self.model = model
        self.version = version
        self.bootID = bootID
        self.role = role
        self.state = state
        self.gate = gate
        self.right = right
        self.epoch = epoch
        self.lineage = lineage
        self.position = position
        self.content = content
        self.longestWriteHold = longestWriteHold
        self.policy = policy
        self.reasons = reasons
    }
}

/// What lies where a node's vault belongs.
package enum VaultContent: Hashable, Sendable {
    case missing
    /// A database in which nothing would be lost.
    case withoutTables(PageSize)
    case withTables(PageSize)
    /// There, but not to be used; the reason is for the operator.
    case unusable(String)

    package var pageSize: PageSize? {
        switch self {
        case .withoutTables(let size), .withTables(let size): size
        case .missing, .unusable: nil
        }
    }
}
