import Foundation
import Glibc
import Synchronization

/// The network between the two nodes of a lab: forwards, and can be cut.
///
/// Each node reaches its peer through one of the two ports here. While the link is cut nothing goes
/// through and nobody is told, as with a firewall that drops: bytes that arrive are held, new
/// connections are taken and stay silent. When it is healed, what lived through the cut is closed,
/// because a real network would have forgotten it.
package final class LabLink: Sendable {
    /// One way through: who connects to `port` reaches `target`.
    package struct Way: Sendable, Hashable, Codable {
        package var port: UInt16
        package var target: UInt16

        package init(port: UInt16, target: UInt16) {
            self.port = port
            self.target = target
        }
    }

    private struct State {
        var isCut = false
        /// Counts the cuts: a connection belongs to the one it was made under.
        var era = 0
        var connections: Set<Int32> = []
        /// How many connections and pieces of data the cuts have held back.
        var heldBack = 0
    }

    private let state = Mutex(State())
    private let listeners: [Int32]
    private let ways: [Way]

    package init(_ ways: [Way]) throws(LabError) {
        var listeners: [Int32] = []
        do {
            for way in ways { listeners.append(try Socket.listen(port: way.port)) }
        } catch {
            for descriptor in listeners { close(descriptor) }
            throw error
        }
        self.listeners = listeners
        self.ways = ways
    }

    package var isCut: Bool { self.state.withLock { $0.isCut } }

    /// How often a cut has held something back; a fault that met nothing is no fault.
    package var heldBack: Int { self.state.withLock { $0.heldBack } }

    /// Forwards for as long as the process lives.
    package func run() {
        for (listener, way) in zip(self.listeners, self.ways) {
            Thread.detachNewThread { self.accept(listener, way) }
        }
    }

    package func cut() {
        self.state.withLock { state in
            state.isCut = true
            state.era += 1
        }
    }

    package func heal() {
        self.state.withLock { state in
            guard state.isCut else { return }
            state.isCut = false
            // Wakes the threads, each of which closes its own.
            for descriptor in state.connections { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }

    private func accept(_ listener: Int32, _ way: Way) {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0 else { continue }
            _ = fcntl(client, F_SETFD, FD_CLOEXEC)
            Socket.sendAtOnce(client)
            Thread.detachNewThread { self.serve(client, way) }
        }
    }

    private func serve(_ client: Int32, _ way: Way) {
        let era = self.enter(client)
        defer { self.leave(client) }
        guard self.mayPass(era) else {
            // Holds the connection until it is healed away or given up on the other side.
            while !Socket.receive(client, atMost: 4096).isEmpty {}
            return
        }
        guard let server = Socket.connect(port: way.target) else { return }
        _ = self.enter(server)
        defer { self.leave(server) }
        let back = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            self.forward(server, client, era)
            back.signal()
        }
        self.forward(client, server, era)
        back.wait()
    }

    /// Copies until either side ends, or the cut does.
    private func forward(_ source: Int32, _ target: Int32, _ era: Int) {
        defer {
            // Across a cut not even the end of a connection is seen, until it is healed.
            if self.mayPass(era) || !self.isCut {
                shutdown(source, Int32(SHUT_RDWR))
                shutdown(target, Int32(SHUT_RDWR))
            }
        }
        while true {
            let bytes = Socket.receive(source, atMost: 256 << 10)
            guard !bytes.isEmpty else { return }
            guard self.mayPass(era) else {
                // What was sent into the cut is gone; go on taking it, as a network would.
                continue
            }
            guard Socket.send(target, bytes) else { return }
        }
    }

    private func enter(_ descriptor: Int32) -> Int {
        self.state.withLock { state in
            state.connections.insert(descriptor)
            return state.isCut ? -1 : state.era
        }
    }

    private func leave(_ descriptor: Int32) {
        self.state.withLock { state in
            state.connections.remove(descriptor)
            close(descriptor)
        }
    }

    /// Whether a connection made in `era` has never been cut.
    private func mayPass(_ era: Int) -> Bool {
        self.state.withLock { state in
            if era != state.era { state.heldBack += 1 }
            return era == state.era
        }
    }
}
