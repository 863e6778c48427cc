/// How many durations fell below each of a few bounds.
package struct DurationHistogram: Hashable, Sendable {
    /// Upper bounds in seconds, ascending; there is a last bucket without one.
    package let bounds: [Double]
    /// How many fell into each bucket, and into no lower one.
    package private(set) var counts: [UInt64]
    /// Of all durations, in seconds.
    package private(set) var sum: Double = 0

    package init(bounds: [Double]) {
        self.bounds = bounds
        self.counts = Array(repeating: 0, count: bounds.count + 1)
    }

    package mutating func observe(_ duration: Duration) {
        let seconds = duration.inSeconds
        self.counts[self.bounds.firstIndex { seconds <= $0 } ?? self.bounds.count] += 1
        self.sum += seconds
    }
}
