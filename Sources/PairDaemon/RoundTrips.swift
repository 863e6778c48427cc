package import PairCore

/// How long answers take that name what they answer.
package struct RoundTrips: Sendable {
    private static let mostOpen = 64

    private var open: [(number: UInt64, sent: Instant)] = []

    package init() {}

    package mutating func sent(_ number: UInt64, at now: Instant) {
        if self.open.count == Self.mostOpen { self.open.removeFirst() }
        self.open.append((number, now))
    }

    /// Takes an answer; it settles what was sent before as well.
    ///
    /// - Returns: the time it took; `nil` for what was not sent, or was answered already.
    package mutating func answered(_ number: UInt64, at now: Instant) -> Duration? {
        guard let index = self.open.firstIndex(where: { $0.number == number }) else { return nil }
        defer { self.open.removeFirst(index + 1) }
        return now - self.open[index].sent
    }
}
