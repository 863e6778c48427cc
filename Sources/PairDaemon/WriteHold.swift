package import PairCore

/// How long one process has held SQLite's write lock, as far as looks now and then can tell.
///
/// Between two looks that see the same holder a transaction may have ended and another begun; a
/// commit in between gives that away, so only a hold without one counts as the same.
package struct WriteHold: Sendable {
    /// Of all holds since the start.
    package private(set) var longest = Duration.zero
    private var current: (holder: Int32, newest: TXID?, since: Instant)?

    package init() {}

    /// Takes a look.
    ///
    /// - Parameter holder: the process that holds the lock, 0 for one that cannot be named; `nil` when
    ///   nobody does.
    /// - Parameter newest: the newest committed transaction.
    /// - Returns: how long the present hold has lasted at the least.
    @discardableResult
    package mutating func look(holder: Int32?, newest: TXID?, at now: Instant) -> Duration {
        guard let holder else {
            self.current = nil
            return .zero
        }
        if let current, current.holder == holder, current.newest == newest {
            self.longest = max(self.longest, now - current.since)
            return now - current.since
        }
        self.current = (holder, newest, now)
        return .zero
    }
}
