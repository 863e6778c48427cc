import PairCore
import PairWire
import Synchronization

/// The figures that change with every transaction, kept apart from the node's loop.
final class LiveFigures: Sendable {
    struct Values: Sendable {
        /// Of a primary: what has been captured and not acknowledged as durable, as applied.
        var durable = Backlog(acknowledged: .zero)
        var applied = Backlog(acknowledged: .zero)
        /// What the secondary last said, of a primary.
        var progress: LogMessage.Progress?
        /// What can be read here, of a secondary.
        var position: Position?
        /// Where the primary said it is, of a secondary.
        var primaryPosition: Position?
        var copy: Copy?
        var lastHeard: Instant?

        struct Copy: Sendable {
            var isSeed: Bool
            var doneBytes: UInt64
            var totalBytes: UInt64
            var began: Instant
        }
    }

    private struct Waiter {
        var level: ControlCommand.Wait.Level
        var txid: TXID
        var notify: @Sendable (Bool) -> Void
    }

    private struct State {
        var values = Values()
        /// The node's loop has been told, and has not looked yet.
        var isProgressTold = false
        var waiters: [Waiter] = []
        /// Counts how often everything was set back.
        var term: UInt64 = 0
    }

    private let state = Mutex(State())

    var values: Values { self.state.withLock { $0.values } }

    func update(_ change: (inout Values) -> Void) { self.state.withLock { change(&$0.values) } }

    /// Takes a secondary's word and wakes who waited for it.
    ///
    /// - Returns: whether the node's loop must be told; not again before it has looked.
    func take(_ progress: LogMessage.Progress) -> Bool {
        let (woken, mustTell) = self.state.withLock { state -> ([Waiter], Bool) in
            state.values.progress = progress
            guard let applied = progress.applied?.txid else { return ([], false) }
            let mustTell = !state.isProgressTold
            state.isProgressTold = true
            state.values.durable.acknowledge(progress.durable)
            state.values.applied.acknowledge(applied)
            func isReached(_ waiter: Waiter) -> Bool {
                waiter.txid <= (waiter.level == .durable ? progress.durable : applied)
            }
            let reached = state.waiters.filter(isReached)
            if !reached.isEmpty { state.waiters.removeAll(where: isReached) }
            return (reached, mustTell)
        }
        for waiter in woken { waiter.notify(true) }
        return mustTell
    }

    /// The figures, for the node's loop, which is told of the next progress again.
    func takeProgress() -> Values {
        self.state.withLock { state in
            state.isProgressTold = false
            return state.values
        }
    }

    /// Changes when this node begins another role.
    var term: UInt64 { self.state.withLock { $0.term } }

    /// Calls `notify(true)` once the secondary has `txid`, or `notify(false)` when this node stops
    /// being able to tell, which it has when `term` is over.
    func wait(
        for txid: TXID,
        _ level: ControlCommand.Wait.Level,
        in term: UInt64,
        notify: @escaping @Sendable (Bool) -> Void
    ) {
        let isReached = self.state.withLock { state -> Bool? in
            guard state.term == term else { return false }
            let reached =
                level == .durable
                ? state.values.durable.acknowledged : state.values.applied.acknowledged
            if reached < txid || state.values.progress?.applied == nil {
                state.waiters.append(Waiter(level: level, txid: txid, notify: notify))
                return nil
            }
            return true
        }
        if let isReached { notify(isReached) }
    }

    /// Starts over for another role.
    func reset() {
        let waiters = self.state.withLock { state in
            let (lastHeard, term) = (state.values.lastHeard, state.term)
            defer {
                state = State()
                state.values.lastHeard = lastHeard
                state.term = term + 1
            }
            return state.waiters
        }
        for waiter in waiters { waiter.notify(false) }
    }
}
