/// Whose timeout and policy are in force, and how they change while the pair works.
///
/// The primary's configuration decides. Its heartbeats say what it has decided, and a secondary makes
/// that durable before it answers; so an answer is a promise about the timeout that was spoken of, or a
/// longer one. Raised: the lease grows with the first answer. Lowered: the secondary may act on the
/// shorter one as soon as it is told, so the primary's own rights shrink before it says a word.
extension Failover {
    mutating func configure(_ configuration: Configuration) {
        self.configuration = configuration
        guard self.record.policy != self.ownPolicy else { return }
        if case .primary = self.state {
            self.shortenRights(to: configuration.policy.timeout)
            self.primary.nextHeartbeat = self.clock.longest
        }
        self.persist { [policy = self.ownPolicy] in $0.policy = policy }
    }

    /// What is in force on this node by its own choice, or by what its primary last said.
    ///
    /// A secondary keeps the latter over restarts: it may have to act on it alone.
    var ownPolicy: PairPolicy {
        self.record.role == .secondary ? self.record.policy : self.configuration.policy
    }

    /// Whoever hears of the shorter timeout from now on counts from now on, at the earliest.
    private mutating func shortenRights(to timeout: Duration) {
        guard !self.has(.keepLongLease) else { return }
        let longest = Lease(sent: self.clock.longest, timeout: timeout)
        if let lease = self.primary.lease, lease.end > longest.end { self.primary.lease = longest }
        for index in self.primary.sent.indices {
            self.primary.sent[index].timeout = min(self.primary.sent[index].timeout, timeout)
        }
    }
}
