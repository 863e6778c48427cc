import Synchronization

/// What a loop has yet to take, in the order of arrival.
///
/// Of events that come again and again, ``mostRepeated`` find room. The others are never turned away:
/// each is an answer to something that was begun, a demand, or one of two ends of a connection, and the
/// loop, or whoever has made the demand, would wait for one that is lost for ever.
package final class EventQueue<Event: Sendable>: Sendable {
    /// For the loop alone.
    package let events: AsyncStream<Event>

    private let mostRepeated: Int
    private let isRepeated: @Sendable (Event) -> Bool
    private let continuation: AsyncStream<Event>.Continuation
    private let length = Atomic<Int>(0)

    /// - Parameter isRepeated: whether another event says the same, or the sender of this one sees that
    ///   it was not heard and says it again.
    package init(mostRepeated: Int, isRepeated: @escaping @Sendable (Event) -> Bool) {
        self.mostRepeated = mostRepeated
        self.isRepeated = isRepeated
        (self.events, self.continuation) = AsyncStream.makeStream(bufferingPolicy: .unbounded)
    }

    /// - Returns: whether there was room.
    package func offer(_ event: Event) -> Bool {
        if self.isRepeated(event), self.length.load(ordering: .relaxed) >= self.mostRepeated {
            return false
        }
        self.length.add(1, ordering: .relaxed)
        self.continuation.yield(event)
        return true
    }

    /// The loop has taken an event.
    package func noteTaken() { self.length.subtract(1, ordering: .relaxed) }
}
