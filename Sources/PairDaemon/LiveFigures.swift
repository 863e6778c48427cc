import PairCore
import PairWire
import Synchronization

/// The figures that change with every transaction, kept apart from the node's loop.
final class LiveFigures: Sendable {
    struct Values: Sendable {
        /// Of a primary: what has been captured and not acknowledged as durable, as applied.
        var durable = Backlog(acknowledged: .zero)
        var applied = Backlog(acknowledged: .zero)
        /// What a secondary that rejoins has in common with this node, of a primary.
        var common = TXID.zero
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
        var limit: Instant?
        /// It has been said that the secondary is not connected.
        var isToldOfAbsence = false
        var notify: @Sendable (WaitNews) -> Void
    }

    /// What somebody hears who waits for the secondary to have a transaction; all but `absent` end it.
    enum WaitNews: Hashable, Sendable {
        case reached
        /// The secondary is not connected; the wait goes on.
        case absent
        /// The time that was given is over; `last` is what the secondary is known to have.
        case late(last: TXID?)
        /// This node has stopped being able to tell.
        case over
    }

    private struct State {
        var values = Values()
        /// The node's loop has been told, and has not looked yet.
        var isProgressTold = false
        var waiters: [Waiter] = []
        /// Counts how often everything was set back.
        var term: UInt64 = 0

        /// The newest transactions that the secondary has said it has, also in a connection that
        /// has ended.
        var confirmed: (durable: TXID, applied: TXID)?

        func confirmed(_ level: ControlCommand.Wait.Level) -> TXID? {
            self.confirmed.map { level == .durable ? $0.durable : $0.applied }
        }
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
            // Its own word: what the backlogs began with was never said by anybody.
            state.confirmed = (progress.durable, applied)
            func isReached(_ waiter: Waiter) -> Bool {
                waiter.txid <= (waiter.level == .durable ? progress.durable : applied)
            }
            let reached = state.waiters.filter(isReached)
            if !reached.isEmpty { state.waiters.removeAll(where: isReached) }
            return (reached, mustTell)
        }
        for waiter in woken { waiter.notify(.reached) }
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

    /// Calls `notify(.reached)` once the secondary has `txid`, or says why that will not be heard.
    ///
    /// - Parameters:
    ///   - limit: until when; `nil` for as long as it takes.
    ///   - term: what ``term`` was when the transaction was committed; when it is over, so is this.
    func wait(
        for txid: TXID,
        _ level: ControlCommand.Wait.Level,
        until limit: Instant?,
        in term: UInt64,
        notify: @escaping @Sendable (WaitNews) -> Void
    ) {
        let news = self.state.withLock { state -> WaitNews? in
            guard state.term == term else { return .over }
            if state.values.progress?.applied != nil, let last = state.confirmed(level),
                last >= txid
            {
                return .reached
            }
            state.waiters.append(Waiter(level: level, txid: txid, limit: limit, notify: notify))
            return nil
        }
        if let news { notify(news) }
    }

    /// Once a tick: ends the waits whose time is over, and tells the others that the secondary is
    /// away.
    func lookAfterWaits(at now: Instant, isConnected: Bool) {
        let told = self.state.withLock { state -> [(Waiter, WaitNews)] in
            var told: [(Waiter, WaitNews)] = []
            var rest: [Waiter] = []
            for var waiter in state.waiters {
                if let limit = waiter.limit, now >= limit {
                    told.append((waiter, .late(last: state.confirmed(waiter.level))))
                    continue
                }
                if !isConnected, !waiter.isToldOfAbsence { told.append((waiter, .absent)) }
                waiter.isToldOfAbsence = !isConnected
                rest.append(waiter)
            }
            state.waiters = rest
            return told
        }
        for (waiter, news) in told { waiter.notify(news) }
    }

    /// The secondary begins anew from `txid`: nothing that it said before holds.
    ///
    /// - Parameter byteCount: at least as much as all that is committed after `txid` has.
    func fallBack(to txid: TXID, byteCount: UInt64) {
        self.state.withLock { state in
            state.values.durable.fallBack(to: txid, byteCount: byteCount)
            state.values.applied.fallBack(to: txid, byteCount: byteCount)
            state.values.progress = nil
            state.confirmed = nil
        }
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
        for waiter in waiters { waiter.notify(.over) }
    }
}
