/// Tells the few late heartbeats that every restart and reconnect brings from a stream of them.
///
/// A heartbeat may be said before its sender knows that this node has started anew, or be overtaken
/// on its way. Each is refused and counted; only when they go on is anything wrong.
package struct LateHeartbeats: Hashable, Sendable {
    /// How many in ``window`` are nothing to worry about.
    package static let tolerated = 3
    package static let window = Duration.seconds(60)

    private var seen: [Instant] = []

    package init() {}

    /// Takes note of one; answers whether there have been too many lately.
    package mutating func note(at now: Instant) -> Bool {
        self.seen.removeAll { now - $0 > Self.window }
        self.seen.append(now)
        if self.seen.count > Self.tolerated + 1 { self.seen.removeFirst() }
        return self.seen.count > Self.tolerated
    }
}
