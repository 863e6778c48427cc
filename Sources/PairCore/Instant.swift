/// A reading of a clock that never runs backwards, as the time since this process started.
package struct Instant: Hashable, Comparable, Sendable {
    package let sinceStart: Duration

    package init(sinceStart: Duration) { self.sinceStart = sinceStart }

    package static func < (lhs: Instant, rhs: Instant) -> Bool { lhs.sinceStart < rhs.sinceStart }

    package static func - (lhs: Instant, rhs: Instant) -> Duration {
        lhs.sinceStart - rhs.sinceStart
    }

    package static func + (lhs: Instant, rhs: Duration) -> Instant {
        Instant(sinceStart: lhs.sinceStart + rhs)
    }
}
