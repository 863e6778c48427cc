import NIOCore
import NIOPosix
import PairCore
import PairLab
import PairNet
import PairStore
import PairWire
import Synchronization

/// Stands where a node's daemon stood, with its keys: takes every connection, and says nothing but
/// what a test has it say.
final class StandIn: Sendable {
    private struct State {
        var control: PeerConnection?
        var log: PeerConnection?
        /// Log connections that are closed as soon as they are up.
        var toDrop = 0
        var requests = 0
        var plans = 0
    }

    private final class Memory: Sendable {
        let request: LogMessage.Request?
        let state = Mutex(State())

        init(asking request: LogMessage.Request?) { self.request = request }

        func connected(_ connection: PeerConnection) {
            self.state.withLock { state in
                switch connection.purpose {
                case .control: state.control = connection
                case .log where state.toDrop > 0:
                    state.toDrop -= 1
                    connection.close()
                case .log:
                    state.log = connection
                    guard let request else { return }
                    let message = LogMessage.request(request)
                    connection.send(type: message.kind.rawValue, payload: message.payload)
                case .heartbeat, .pair: break
                }
            }
        }

        func take(_ type: UInt8, on connection: PeerConnection) {
            guard connection.purpose == .log else { return }
            self.state.withLock { state in
                if type == LogMessage.Kind.request.rawValue { state.requests += 1 }
                if type == LogMessage.Kind.plan.rawValue { state.plans += 1 }
            }
        }
    }

    private let link: PeerLink
    private let memory: Memory

    /// - Parameters:
    ///   - node: its daemon has ended.
    ///   - request: said on every log connection that stays.
    init(
        in lab: LabPair,
        insteadOf node: LabNode,
        asking request: LogMessage.Request? = nil
    ) async throws {
        let folder = lab.folder.stateDirectory(node)
        guard let record = try NodeStateFile(directory: folder).load().record,
            let peer = record.peer, let pin = KeyPin(peer.keyPin)
        else { throw LabError.unexpected("\(node.name) is not paired") }
        let memory = Memory(asking: request)
        self.memory = memory
        var configuration = PeerLink.Configuration(
            identity: try Identity.load(from: folder + "/keys", creatingMissingKeys: false),
            node: record.identity.node,
            incarnation: record.incarnation + 1,
            listenAddress: "127.0.0.1",
            listenPort: Int(lab[node].replicationPort)
        )
        configuration.timing.firstBackoff = .milliseconds(1)
        self.link = try PeerLink(
            configuration: configuration,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
            observer: PeerLink.Observer(
                connected: { memory.connected($0) },
                message: { connection, type, _ in memory.take(type, on: connection) },
                disconnected: { _, _ in }
            )
        )
        _ = try await self.link.start()
        self.link.setPeer(
            PeerLink.Peer(
                pair: peer.pair,
                node: peer.node,
                pin: pin,
                ownBit: peer.bit,
                addresses: [PeerAddress(host: "127.0.0.1", port: Int(lab[node].linkPort))]
            )
        )
    }

    /// How often it was asked for the log.
    var requests: Int { self.memory.state.withLock { $0.requests } }

    /// How often its own request was answered.
    var plans: Int { self.memory.state.withLock { $0.plans } }

    /// Drops the log connection and the next one too, while the other node's loop is kept busy with
    /// words of no meaning.
    func flutter() async throws {
        try await eventually("the stand-in is connected") {
            self.memory.state.withLock { $0.control != nil && $0.log != nil }
        }
        let word = ControlMessage.forwarded(id: 0, line: [], isLast: true)
        self.memory.state.withLock { state in
            for _ in 0..<4_000 {
                state.control?.send(type: word.kind.rawValue, payload: word.payload)
            }
            state.toDrop = 1
            state.log?.close()
            state.log = nil
        }
    }

    func end() async throws { try await self.link.stop() }
}
