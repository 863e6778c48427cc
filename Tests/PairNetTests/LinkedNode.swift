import NIOCore
import NIOPosix
import PairCore
import PairNet
import PairWire
import Testing

/// A node with a real link on loopback, and all that its observer was told.
final class LinkedNode: Sendable {
    enum Event: Sendable {
        case connected(PeerConnection)
        case message(PeerConnection, UInt8, [UInt8])
        case disconnected(PeerConnection, PeerLink.DisconnectReason)
        case refused(PeerLink.ConnectionRefusal)
        case dialFailed(ConnectionPurpose, PeerAddress, OpeningFailure)
        case handshake(HandshakeResult)
        case writable(PeerConnection)
    }

    let id: NodeID
    let identity: Identity
    let link: PeerLink
    let port: Int
    let events: Recorder<Event>

    static let pair = PairID(high: 7, low: 7)

    /// Starts to listen on a free port; knows no peer yet.
    init(
        _ number: UInt64,
        identity: Identity? = nil,
        incarnation: UInt64 = 1,
        port: Int = 0,
        reportingTo both: Recorder<(NodeID, Event)>? = nil,
        adjusting adjust: (inout PeerLink.Configuration) -> Void = { _ in }
    ) async throws {
        let identity = try identity ?? Identity.ephemeral()
        let events = Recorder<Event>()
        var configuration = PeerLink.Configuration(
            identity: identity,
            node: NodeID(high: 0, low: number),
            incarnation: incarnation,
            listenAddress: "127.0.0.1",
            listenPort: port
        )
        configuration.timing.firstBackoff = .milliseconds(10)
        configuration.timing.longestBackoff = .milliseconds(100)
        adjust(&configuration)
        self.id = configuration.node
        self.identity = identity
        self.events = events
        let id = self.id
        let record = { @Sendable (event: Event) in
            events.record(event)
            both?.record((id, event))
        }
        self.link = try PeerLink(
            configuration: configuration,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
            observer: PeerLink.Observer(
                connected: { record(.connected($0)) },
                message: { record(.message($0, $1, $2)) },
                disconnected: { record(.disconnected($0, $1)) },
                refused: { record(.refused($1)) },
                dialFailed: { record(.dialFailed($0, $1, $2)) },
                handshake: { record(.handshake($0)) },
                writable: { record(.writable($0)) }
            )
        )
        self.port = try #require(try await self.link.start()?.port)
    }

    var address: PeerAddress { PeerAddress(host: "127.0.0.1", port: self.port) }

    /// How the other node sees this one.
    func asPeer(of bit: NodeBit, at addresses: [PeerAddress]? = nil) -> PeerLink.Peer {
        PeerLink.Peer(
            pair: Self.pair,
            node: self.id,
            pin: self.identity.keyPin,
            ownBit: bit,
            addresses: addresses ?? [self.address]
        )
    }

    /// Waits until all three purposes are connected, and answers with the newest connection of each.
    @discardableResult
    func connections() async throws -> [ConnectionPurpose: PeerConnection] {
        Self.open(
            after: try await self.events.wait(for: "three connections") {
                Self.open(after: $0).count == 3
            }
        )
    }

    static func open(after events: [Event]) -> [ConnectionPurpose: PeerConnection] {
        var open: [ConnectionPurpose: PeerConnection] = [:]
        for event in events {
            switch event {
            case .connected(let connection): open[connection.purpose] = connection
            case .disconnected(let connection, _): open[connection.purpose] = nil
            case .message, .refused, .dialFailed, .handshake, .writable: break
            }
        }
        return open
    }
}

/// Runs `body` with two nodes that are each other's peers, and stops them whatever happens.
func withPair(
    zeroDials: Bool = true,
    oneDials: Bool = true,
    reportingTo both: Recorder<(NodeID, LinkedNode.Event)>? = nil,
    adjusting adjust: (inout PeerLink.Configuration) -> Void = { _ in },
    _ body: (_ zero: LinkedNode, _ one: LinkedNode) async throws -> Void
) async throws {
    let zero = try await LinkedNode(10, reportingTo: both, adjusting: adjust)
    let one = try await LinkedNode(11, reportingTo: both, adjusting: adjust)
    do {
        zero.link.setPeer(one.asPeer(of: .zero, at: zeroDials ? nil : []))
        one.link.setPeer(zero.asPeer(of: .one, at: oneDials ? nil : []))
        try await body(zero, one)
    } catch {
        try await zero.link.stop()
        try await one.link.stop()
        throw error
    }
    try await zero.link.stop()
    try await one.link.stop()
}
