/// Every interval that the decisions use, derived from the two that are chosen.
package struct FailoverTiming: Hashable, Sendable {
    /// How long a secondary lives through silence before it promotes itself; the pair's, so it may
    /// change when the primary's does.
    package var timeout: Duration
    package let heartbeat: Duration
    package let tick: Duration
    /// Closing starts so long before the lease ends.
    package let closingMargin: Duration
    /// An unanswered heartbeat is sent again after this.
    package let repetition: Duration
    /// No word from the peer for so long: it is not connected.
    package let absence: Duration
    /// How long a switchover may hold the writers before it is called off.
    package let drainLimit: Duration
    /// Heartbeats are missing.
    package let suspicion: Duration

    package init(
        timeout: Duration,
        heartbeat: Duration,
        tick: Duration,
        closingMargin: Duration,
        repetition: Duration,
        absence: Duration,
        drainLimit: Duration
    ) {
        self.timeout = timeout
        self.heartbeat = heartbeat
        self.tick = tick
        self.closingMargin = closingMargin
        self.repetition = repetition
        self.absence = absence
        self.drainLimit = drainLimit
        self.suspicion = max(heartbeat + tick * 10, .seconds(1))
    }

    /// The product's: 130 s, 1 s, 10 s, 10 s, 5 s, 2 s.
    package init(timeout: Duration) {
        self.init(
            timeout: timeout,
            heartbeat: .seconds(130),
            tick: .seconds(1),
            closingMargin: .seconds(10),
            repetition: .seconds(10),
            absence: .seconds(5),
            drainLimit: .seconds(2)
        )
    }

    /// How long automatic failover may be suspended at most; as long as the longest timeout.
    package static let longestSuspension = Duration.seconds(600_000)

    /// How long a restarted node looks for its peer, and listens before it may promote itself.
    package var search: Duration { self.heartbeat + self.heartbeat }
    /// A tick that took longer is a gap: the node was not running.
    package var gapLimit: Duration { self.share(4, atMost: Self.fiveSeconds) }
    /// Clocks that disagree by more than this about one tick are not believed.
    package var disagreementLimit: Duration { self.share(10, atMost: Self.twoSeconds) }
    /// What one tick may add to the observed silence.
    package var longestTick: Duration { self.share(10, atMost: Self.twoSeconds) }

    private static let twentySeconds = Duration.seconds(20)
    private static let fiveSeconds = Duration.seconds(5)
    private static let twoSeconds = Duration.seconds(2)

    /// That part of the timeout; no division for the product's timeouts, because every tick asks.
    private func share(_ divisor: Int, atMost limit: Duration) -> Duration {
        self.timeout >= Self.twentySeconds ? limit : min(limit, self.timeout / divisor)
    }
}
