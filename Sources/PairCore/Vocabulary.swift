// The words of roles and states are a contract with operators, scripts, metrics and logs: one
// spelling everywhere, so they are the raw values of these types.

/// What a node is in its pair.
package enum Role: String, Hashable, Sendable, Codable, CaseIterable {
    case primary
    case secondary
    /// HA is off; this node serves alone.
    case standalone
    /// Serves nothing.
    case none
}

/// What a node is doing in its role.
package enum NodeState: String, Hashable, Sendable, Codable, CaseIterable {
    case starting
    /// The storage, the vault or the state file cannot be used.
    case failed
    /// A damaged copy, or a clone.
    case quarantined
    case unpaired
    /// Keys are exchanged; HA has never been on.
    case paired
    /// HA was switched off on this node.
    case parked
    case seeding
    case serving
    /// Primary or secondary with its peer connected and in sync.
    case streaming
    /// Primary whose peer is not connected.
    case alone
    case draining
    case inDoubt = "in-doubt"
    /// Primary whose gate had to close.
    case fenced
    case lookingForPeer = "looking-for-peer"
    case catchingUp = "catching-up"
    /// Secondary that missed heartbeats or its log connection.
    case suspect
    case promoting
    /// Lost a dual-primary resolution and rolls back.
    case superseded
    /// Waits for an operator's decision.
    case hold
}

/// Whether applications may write to the vault on this node now.
package enum GateState: String, Hashable, Sendable, Codable {
    case open
    case closed
    /// `paird` leaves the vault alone until it is told its role.
    case unmanaged
}

/// What the pair is worth at this moment, in one word.
package enum Verdict: String, Hashable, Sendable, Codable, CaseIterable {
    case protected
    case standalone
    case degraded
    case unprotected
    case diverged
    case down
    case unpaired
}

/// A primary's right to keep its gate open.
package enum Right: String, Hashable, Sendable, Codable {
    /// Nobody can promote behind this node's back.
    case solo
    /// An armed secondary exists; the gate needs its lease.
    case leased
}

/// What the operator prefers when the two nodes lose sight of each other.
package enum FailoverPolicy: String, Hashable, Sendable, Codable, CaseIterable {
    case available
    case strict
    case manual
}
