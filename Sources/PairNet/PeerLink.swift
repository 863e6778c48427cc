package import NIOCore
package import PairCore
package import PairWire

/// Keeps one connection for each lasting purpose with the one peer this node is paired with.
///
/// Both nodes listen and both dial, so that one direction that works is enough. When both got
/// through, the connection dialled by node 0 stays: both sides come to that answer by themselves.
/// Everything is confined to one event loop, and all callbacks come from it, in order: for each
/// connection `connected`, its messages, `disconnected`. A callback must not block.
package final class PeerLink: Sendable {
    package struct Configuration: Sendable {
        package var identity: Identity
        package var node: NodeID
        package var incarnation: UInt64
        /// Where to listen; port 0 takes a free one.
        package var listenAddress: String
        package var listenPort: Int
        package var versions = ProtocolRange.supported
        package var limits = AdmissionControl.Limits()
        package var timing = Timing()
        /// See ``PeerConnection/highWatermark``.
        package var highWatermark = 4 << 20

        package init(
            identity: Identity,
            node: NodeID,
            incarnation: UInt64,
            listenAddress: String,
            listenPort: Int
        ) {
            self.identity = identity
            self.node = node
            self.incarnation = incarnation
            self.listenAddress = listenAddress
            self.listenPort = listenPort
        }
    }

    package struct Timing: Hashable, Sendable {
        package var handshake = Duration.seconds(5)
        package var firstMessage = Duration.seconds(2)
        package var connect = Duration.seconds(5)
        /// The pause after the first failed round over all addresses; doubles with every round.
        package var firstBackoff = Duration.milliseconds(100)
        package var longestBackoff = Duration.seconds(5)

        package init() {}
    }

    /// The node this one is paired with, and where to look for it.
    package struct Peer: Hashable, Sendable {
        package var pair: PairID
        package var node: NodeID
        package var pin: KeyPin
        /// Which of the two *this* node is.
        package var ownBit: NodeBit
        /// Tried in this order; may be empty on a node that can only be dialled.
        package var addresses: [PeerAddress]
        /// The least protocol version that this pair speaks.
        package var minimumProtocol: UInt16

        package init(
            pair: PairID,
            node: NodeID,
            pin: KeyPin,
            ownBit: NodeBit,
            addresses: [PeerAddress],
            minimumProtocol: UInt16 = 1
        ) {
            self.pair = pair
            self.node = node
            self.pin = pin
            self.ownBit = ownBit
            self.addresses = addresses
            self.minimumProtocol = minimumProtocol
        }
    }

    /// What the owner of a link is told, always on the link's event loop.
    package struct Observer: Sendable {
        /// A connection is up; messages may be sent on it at once.
        package var connected: @Sendable (PeerConnection) -> Void
        /// A message has come in, whole and with its checksum right.
        package var message: @Sendable (PeerConnection, _ type: UInt8, _ payload: [UInt8]) -> Void
        /// A connection has ended and nothing comes from it any more; it is dialled again by itself.
        package var disconnected: @Sendable (PeerConnection, DisconnectReason) -> Void
        /// Somebody knocked and was not let in; `source` is an address.
        package var refused: @Sendable (_ source: String, ConnectionRefusal) -> Void
        /// This node knocked and was not let in, or nobody answered.
        package var dialFailed: @Sendable (ConnectionPurpose, PeerAddress, OpeningFailure) -> Void
        /// A TLS handshake has ended, on a connection of either direction.
        package var handshake: @Sendable (HandshakeResult) -> Void
        /// A connection that had no room has room again.
        package var writable: @Sendable (PeerConnection) -> Void

        package init(
            connected: @escaping @Sendable (PeerConnection) -> Void,
            message: @escaping @Sendable (PeerConnection, UInt8, [UInt8]) -> Void,
            disconnected: @escaping @Sendable (PeerConnection, DisconnectReason) -> Void,
            refused: @escaping @Sendable (String, ConnectionRefusal) -> Void = { _, _ in },
            dialFailed:
                @escaping @Sendable (ConnectionPurpose, PeerAddress, OpeningFailure) -> Void =
                { _, _, _ in },
            handshake: @escaping @Sendable (HandshakeResult) -> Void = { _ in },
            writable: @escaping @Sendable (PeerConnection) -> Void = { _ in }
        ) {
            self.connected = connected
            self.message = message
            self.disconnected = disconnected
            self.refused = refused
            self.dialFailed = dialFailed
            self.handshake = handshake
            self.writable = writable
        }
    }

    /// Why a connection ended.
    package enum DisconnectReason: Error, Hashable, Sendable {
        case closedByPeer
        case closedHere
        /// Another connection for the same purpose took its place.
        case replaced
        /// The pin, the pair or the peer itself is another now.
        case peerChanged
        case stopped
        case tls(TLSError)
        case envelope(EnvelopeError)
        case failed(reason: String)
    }

    /// Why somebody was not let in.
    package enum ConnectionRefusal: Error, Hashable, Sendable {
        case admission(AdmissionControl.Refusal)
        case opening(OpeningFailure)
    }

    let configuration: Configuration
    let observer: Observer
    package let eventLoop: any EventLoop
    let context: TLSContext
    /// Touched on the event loop only.
    let state: NIOLoopBoundBox<State>

    struct State {
        var listener: (any Channel)?
        var isRunning = false
        var peer: Peer?
        var sessions: [ConnectionPurpose: PeerConnection] = [:]
        var dialling: [ConnectionPurpose: Dialling] = [:]
        var nextRun: UInt64 = 0
        var admission: AdmissionControl
        /// Connections that have not said yet who they are.
        var atTheDoor: [ObjectIdentifier: AdmissionControl.Slot] = [:]
        /// Takes over connections of strangers while an invitation is open.
        var pairing: PairingEntrance?
    }

    /// Makes a link that does nothing until ``start()``.
    ///
    /// - Parameter eventLoop: Best one that no other bulk traffic shares.
    package init(
        configuration: Configuration,
        eventLoop: any EventLoop,
        observer: Observer
    ) throws(CryptographyError) {
        self.configuration = configuration
        self.observer = observer
        self.eventLoop = eventLoop
        self.context = try TLSContext(identity: configuration.identity)
        let admission = AdmissionControl(limits: configuration.limits)
        self.state = NIOLoopBoundBox.makeBoxSendingValue(
            State(admission: admission),
            eventLoop: eventLoop
        )
    }

    /// Listens, and dials the peer if there is one; answers with the address that was bound.
    ///
    /// - Throws: NIO's errors of `bind`.
    package func start() async throws -> SocketAddress? {
        let listener = try await self.listen()
        try await self.eventLoop.submit {
            self.state.value.listener = listener
            self.state.value.isRunning = true
            self.dialAll()
        }.get()
        return listener.localAddress
    }

    /// Closes all connections and the listener; returns when they are closed.
    package func stop() async throws {
        let closing = try await self.eventLoop.submit { () -> [EventLoopFuture<Void>] in
            self.state.value.isRunning = false
            self.stopDialling()
            var closing = self.state.value.sessions.values.map { $0.channel.closeFuture }
            self.closeSessions(because: .stopped)
            if let listener = self.state.value.listener {
                closing.append(listener.closeFuture)
                listener.close(promise: nil)
            }
            self.state.value.listener = nil
            self.state.value.pairing = nil
            return closing
        }.get()
        for future in closing { try await future.get() }
    }

    /// Takes note of the peer, of another one, or that there is none any more.
    ///
    /// Connections stay when nothing but addresses changed, and end with `peerChanged` otherwise.
    package func setPeer(_ peer: Peer?) {
        self.eventLoop.execute {
            let old = self.state.value.peer
            self.state.value.peer = peer
            self.state.value.admission.expectPeer(
                from: (peer?.addresses ?? []).compactMap { address in
                    // A name is learnt when the peer comes from there with the right key.
                    try? SocketAddress(ipAddress: address.host, port: address.port).source
                }
            )
            var comparable = old
            comparable?.addresses = peer?.addresses ?? []
            if comparable != peer { self.closeSessions(because: .peerChanged) }
            guard old != peer else { return }
            self.stopDialling()
            self.dialAll()
        }
    }

    /// The connection for `purpose`, if it is up.
    package func connection(for purpose: ConnectionPurpose) -> EventLoopFuture<PeerConnection?> {
        self.eventLoop.submit { self.state.value.sessions[purpose] }
    }

    /// Lets strangers in for pairing, through `entrance` and for nothing else.
    func beginPairing(through entrance: PairingEntrance) {
        self.eventLoop.execute { self.state.value.pairing = entrance }
    }

    /// Lets no stranger in any more, unless another invitation has been opened since.
    func endPairing(of pair: PairID) {
        self.eventLoop.execute {
            if self.state.value.pairing?.pair == pair { self.state.value.pairing = nil }
        }
    }
}

/// What a link asks of an open invitation.
struct PairingEntrance: Sendable {
    /// The pair that a joiner would enter.
    let pair: PairID
    /// Takes over a connection whose openings were exchanged, on the link's event loop.
    let accept: @Sendable (any Channel, Introduction) -> Void
}

extension PeerLink.DisconnectReason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .closedByPeer: "closed by the peer"
        case .closedHere: "closed here"
        case .replaced: "replaced by another connection"
        case .peerChanged: "the peer or its key was changed"
        case .stopped: "stopped"
        case .tls(let error): "\(error)"
        case .envelope(let error): "\(error)"
        case .failed(let reason): reason
        }
    }
}

extension PeerLink.ConnectionRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .admission(.tooManyHandshakes): "too many handshakes in progress"
        case .admission(.tooManyFromSource): "too many handshakes in progress from this source"
        case .admission(.tooOften): "too many connections from this source"
        case .opening(let failure): "\(failure)"
        }
    }
}

extension PeerLink.ConnectionRefusal {
    /// One word of few, for counting.
    package var word: String {
        switch self {
        case .admission(let refusal): refusal.rawValue
        case .opening(.tls(.refusedKey)): "key"
        case .opening(.tls): "tls"
        case .opening: "opening"
        }
    }
}
