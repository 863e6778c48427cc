/// The primary's right to keep its gate open, from a secondary's answer to a heartbeat.
///
/// Counted on the primary's fastest clock from its own *sending* of the heartbeat that was answered,
/// and shortened by twice the error of any clock's rate. The secondary counts the full timeout from
/// its *receiving* on its slowest clock, so this lease ends first, however long the network took:
/// in real time s + T(1−2ρ)/(1−ρ) < s + T/(1+ρ) ≤ r + T/(1+ρ).
package struct Lease: Hashable, Sendable {
    /// On the primary's ``FailoverClock/longest``.
    package let end: Duration

    /// `sent` is when the answered heartbeat was sent, on the same clock.
    package init(sent: Duration, timeout: Duration) {
        self.end = sent + timeout - timeout * 2 * Self.rateErrorPPM / 1_000_000
    }

    /// The largest error of a running clock's rate: the limit to which NTP slews.
    package static let rateErrorPPM = 500

    package func isValid(at elapsed: Duration) -> Bool { elapsed < self.end }
}

/// The two ways in which a node counts time, each pessimistic for the role that uses it.
package struct FailoverClock: Hashable, Sendable {
    /// The sum of the largest elapsed times that any clock showed: for leases.
    package private(set) var longest: Duration = .zero
    /// The sum of the smallest elapsed times, no tick counting more than its share: for silence.
    package private(set) var shortest: Duration = .zero

    package init() {}

    package mutating func advance(_ tick: Failover.Tick, count: Int = 1, shareAtMost: Duration) {
        let shortest = min(tick.shortest, shareAtMost)
        guard count > 1 else {
            self.longest += tick.longest
            self.shortest += shortest
            return
        }
        self.longest += tick.longest * count
        self.shortest += shortest * count
    }
}
