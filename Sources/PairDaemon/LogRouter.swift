import PairNet
import PairWire
import Synchronization

/// Hands what comes on the log connection to whichever end of the log this node is.
///
/// It is called on the connection's event loop, so the log never waits for the node's own loop.
/// What comes on a connection before the node has taken its place there is kept: the other side may
/// be faster.
final class LogRouter: Sendable {
    enum End: Sendable {
        case source(LogSource)
        case sink(LogSink)
    }

    private struct State {
        var current: (end: End, connection: PeerConnection)?
        var early: [(connection: PeerConnection, message: LogMessage)] = []
        /// What came early is being handed over; nothing overtakes it.
        var isCatchingUp = false
    }

    /// On one connection.
    private static let mostEarlyMessages = 16

    private let state = Mutex(State())

    var source: LogSource? {
        if case .source(let source) = self.state.withLock({ $0.current?.end }) {
            source
        } else {
            nil
        }
    }

    var sink: LogSink? {
        if case .sink(let sink) = self.state.withLock({ $0.current?.end }) { sink } else { nil }
    }

    /// Takes the place of the end before, which is closed.
    func become(_ end: End, on connection: PeerConnection) {
        self.clear()
        self.state.withLock { state in
            state.current = (end, connection)
            state.isCatchingUp = true
        }
        while true {
            let early = self.state.withLock { state in
                let early = state.early.filter { $0.connection == connection }
                // The rest has come on a newer one, whose turn the node's loop has yet to reach.
                state.early.removeAll { $0.connection == connection }
                state.isCatchingUp = !early.isEmpty
                return early
            }
            if early.isEmpty { return }
            for (_, message) in early { Self.hand(message, to: end) }
        }
    }

    /// Nothing comes on this connection any more, and nobody will take its place there.
    func forget(_ connection: PeerConnection) {
        self.state.withLock { $0.early.removeAll { $0.connection == connection } }
    }

    /// Closes the end, if there is one.
    func clear() {
        let old = self.state.withLock { state in
            defer { state.current = nil }
            return state.current?.end
        }
        switch old {
        case .source(let source): source.close()
        case .sink(let sink): sink.close()
        case nil: break
        }
    }

    /// - Returns: `false` when nobody is there and too much has come already.
    func receive(_ message: LogMessage, on connection: PeerConnection) -> Bool {
        let (end, isTaken) = self.state.withLock { state -> (End?, Bool) in
            if let current = state.current, current.connection == connection, !state.isCatchingUp {
                return (current.end, true)
            }
            // Said again in a second, and to nobody's use before a plan.
            if case .tick = message { return (nil, true) }
            let count = state.early.count { $0.connection == connection }
            guard count < Self.mostEarlyMessages else { return (nil, false) }
            state.early.append((connection, message))
            return (nil, true)
        }
        if let end { Self.hand(message, to: end) }
        return isTaken
    }

    private static func hand(_ message: LogMessage, to end: End) {
        switch end {
        case .source(let source): source.receive(message)
        case .sink(let sink): sink.receive(message)
        }
    }
}
