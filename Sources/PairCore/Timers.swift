/// Every interval of the pair, from the two that can be chosen.
///
/// In the product the heartbeat is 130 s and only the failover timeout varies; the other lengths
/// are fixed. Under `--lab` both may be short, and the fixed lengths shrink with them so that the
/// same rules can be watched within seconds.
package struct Timers: Hashable, Sendable {
    /// The period of answered heartbeats, H.
    package let heartbeat: Duration
    /// How long a secondary lives through silence before it promotes itself, T.
    package let timeout: Duration
    package let isLab: Bool

    /// The product's timers.
    package init(timeout: Duration) {
        self.heartbeat = .seconds(130)
        self.timeout = timeout
        self.isLab = false
    }

    /// The lab's timers.
    ///
    /// - Parameters:
    ///   - heartbeat: at least 100 ms.
    ///   - timeout: at least ``leastTimeout``.
    package init(labHeartbeat heartbeat: Duration, timeout: Duration) {
        self.heartbeat = heartbeat
        self.timeout = timeout
        self.isLab = true
    }

    /// T ≥ 2H + G: the least timeout that a single lost heartbeat cannot use up.
    package var leastTimeout: Duration {
        let twice = self.heartbeat * 2
        guard self.isLab else { return twice + self.gateMargin }
        // The margin grows with the timeout: T ≥ 2H + T/20 is T ≥ 40H/19, here rounded up to 1 ms.
        let (seconds, attoseconds) = (self.heartbeat * 40 / 19).components
        let milliseconds =
            seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return max(twice + .milliseconds(100), .milliseconds(milliseconds))
    }

    /// How many heartbeats in a row may be lost before the gate of a `strict` primary begins to
    /// close, whose lease is the shortest promise that depends on them.
    package var heartbeatsThatMayBeLost: Int {
        let lease = Lease(sent: .zero, timeout: self.timeout).end
        return max(0, Int((lease - self.gateMargin) / self.heartbeat) - 1)
    }

    /// The node loop's tick, and the period of probes while the gate is closed.
    package var tick: Duration { self.isLab ? min(self.heartbeat / 10, .seconds(1)) : .seconds(1) }

    /// G: how long before the lease ends the gate begins to close.
    package var gateMargin: Duration {
        self.isLab ? max(self.timeout / 20, .milliseconds(100)) : .seconds(10)
    }

    /// How long a restarted node looks for its peer before it decides alone.
    package var peerSearch: Duration { self.heartbeat * 2 }

    /// How long a node must have listened, since its start or a gap, before it may promote.
    package var listening: Duration { self.heartbeat * 2 }

    /// When an unanswered heartbeat is sent again.
    package var heartbeatRepeat: Duration { self.isLab ? self.tick * 10 : .seconds(10) }

    /// Silence after which a secondary is `suspect`.
    package var suspect: Duration {
        self.isLab ? max(self.heartbeat + self.tick * 10, .seconds(1)) : .seconds(140)
    }

    /// Silence after which a primary is `alone`, a log connection lost, and how long the peer is
    /// probed before a gate is opened again.
    package var connectionLoss: Duration {
        self.isLab ? max(self.tick * 5, .seconds(1)) : .seconds(5)
    }

    /// A daemon that is silent for longer is taken for hung by its guard; a loop whose tick comes
    /// later than this has lived through a pause.
    package var gap: Duration { min(.seconds(5), self.timeout / 4) }

    /// Two clocks that differ by more since the last tick mean a pause or a step, and a single tick
    /// never counts for more silence than this.
    package var clockTolerance: Duration { min(.seconds(2), self.timeout / 10) }
}
