import NIOCore
import NIOPosix
import PairCore
import PairNet
import PairWire
import Synchronization

/// Collects what happens on other threads, and lets a test wait until it has seen enough.
final class Recorder<Event: Sendable>: Sendable {
    struct TimedOut: Error {
        let waitingFor: String
        let last: [Event]
    }

    private struct Waiter {
        let id: UInt64
        let isSatisfied: @Sendable ([Event]) -> Bool
        let continuation: CheckedContinuation<[Event], any Error>
    }

    private struct State {
        var events: [Event] = []
        var waiters: [Waiter] = []
        var nextID: UInt64 = 0
    }

    private let state = Mutex(State())

    var events: [Event] { self.state.withLock { $0.events } }

    func record(_ event: Event) {
        let ready = self.state.withLock { state in
            state.events.append(event)
            let events = state.events
            let ready = state.waiters.filter { $0.isSatisfied(events) }
            state.waiters.removeAll { waiter in ready.contains { $0.id == waiter.id } }
            return ready.map { ($0, events) }
        }
        for (waiter, events) in ready { waiter.continuation.resume(returning: events) }
    }

    /// Returns all events as soon as they satisfy a condition.
    @discardableResult
    func wait(
        for what: String,
        within limit: TimeAmount = .seconds(20),
        until isSatisfied: @escaping @Sendable ([Event]) -> Bool
    ) async throws -> [Event] {
        try await withCheckedThrowingContinuation { continuation in
            let (seen, id) = self.state.withLock { state -> ([Event]?, UInt64) in
                if isSatisfied(state.events) { return (state.events, 0) }
                state.nextID += 1
                state.waiters.append(
                    Waiter(
                        id: state.nextID,
                        isSatisfied: isSatisfied,
                        continuation: continuation
                    )
                )
                return (nil, state.nextID)
            }
            if let seen { return continuation.resume(returning: seen) }
            MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: limit) {
                let late = self.state.withLock { state -> (Waiter, [Event])? in
                    guard let index = state.waiters.firstIndex(where: { $0.id == id }) else {
                        return nil
                    }
                    return (state.waiters.remove(at: index), state.events)
                }
                late?.0.continuation.resume(
                    throwing: TimedOut(waitingFor: what, last: late?.1.suffix(8) ?? [])
                )
            }
        }
    }

    /// Waits for the first event that `pick` finds something in.
    func first<Found: Sendable>(
        _ what: String,
        within limit: TimeAmount = .seconds(20),
        _ pick: @escaping @Sendable (Event) -> Found?
    ) async throws -> Found {
        let events = try await self.wait(for: what, within: limit) { events in
            events.contains { pick($0) != nil }
        }
        for event in events {
            if let found = pick(event) { return found }
        }
        throw TimedOut(waitingFor: what, last: events.suffix(8))
    }
}
