import NIOCore
import PairCore
import PairWire

extension PeerLink {
    /// Which of the two nodes dialled a connection.
    private func dialler(isDialled: Bool, own: NodeBit) -> NodeBit {
        isDialled ? own : own.other
    }

    /// Whether a connection that is up stays in spite of a new one.
    ///
    /// A peer that was restarted has forgotten the old one. Of two by the same dialler the newer
    /// counts, because nobody dials who has a connection. Otherwise the one by node 0 stays; were
    /// it dead in truth, its end is noticed within seconds and the next attempt gets through.
    func staysUp(
        _ old: PeerConnection,
        against remote: Opening,
        isDialled: Bool,
        own: NodeBit
    ) -> Bool {
        guard remote.incarnation <= old.remote.incarnation else { return false }
        return self.dialler(isDialled: old.isDialled, own: own) == .zero
            && self.dialler(isDialled: isDialled, own: own) == .one
    }

    /// Makes a connection the one for its purpose, or closes it if another one stays.
    func establish(_ introduction: Introduction, on channel: any Channel) {
        self.eventLoop.assertInEventLoop()
        let purpose = introduction.own.purpose
        guard self.state.value.isRunning, let peer = self.state.value.peer,
            peer.pin == introduction.peer.pin
        else { return channel.close(promise: nil) }

        if let old = self.state.value.sessions[purpose] {
            let stays = self.staysUp(
                old,
                against: introduction.remote,
                isDialled: introduction.isDialled,
                own: peer.ownBit
            )
            if stays { return channel.close(promise: nil) }
            self.end(old, because: .replaced)
        }

        let connection = PeerConnection(
            channel: channel,
            introduction: introduction,
            highWatermark: self.configuration.highWatermark,
            writable: self.observer.writable
        )
        if purpose == .log {
            channel.setOption(
                SocketTuning.userTimeout,
                value: SocketTuning.milliseconds(SocketTuning.stalledLog)
            ).whenFailure { _ in channel.close(promise: nil) }
        }
        do {
            try channel.pipeline.syncOperations.addHandler(
                SessionHandler(connection: connection, link: self)
            )
        } catch {
            return channel.close(promise: nil)
        }
        self.state.value.sessions[purpose] = connection
        if let source = channel.remoteAddress?.source {
            self.state.value.admission.remember(peerSource: source)
        }
        self.settle(purpose)
        self.observer.connected(connection)
        // Where one purpose got through, the others will.
        self.hurry()
    }

    func isCurrent(_ connection: PeerConnection) -> Bool {
        self.state.value.sessions[connection.purpose] == connection
    }

    /// Takes a connection out and reports its end; does nothing for one that is out already.
    func end(_ connection: PeerConnection, because reason: DisconnectReason) {
        self.eventLoop.assertInEventLoop()
        guard self.isCurrent(connection) else { return }
        self.state.value.sessions[connection.purpose] = nil
        connection.ended()
        connection.channel.close(promise: nil)
        self.observer.disconnected(connection, reason)
        self.dial(connection.purpose)
    }

    func closeSessions(because reason: DisconnectReason) {
        for connection in self.state.value.sessions.values.sorted(by: {
            $0.purpose.rawValue < $1.purpose.rawValue
        }) {
            self.end(connection, because: reason)
        }
    }
}

/// The end of a connection's pipeline: hands messages to the link's observer, and reports the end.
private final class SessionHandler: ChannelInboundHandler {
    typealias InboundIn = Envelope

    private let connection: PeerConnection
    private let link: PeerLink

    init(connection: PeerConnection, link: PeerLink) {
        self.connection = connection
        self.link = link
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard self.link.isCurrent(self.connection) else { return }
        let envelope = self.unwrapInboundIn(data)
        self.link.observer.message(self.connection, envelope.type, envelope.payload)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let reason: PeerLink.DisconnectReason =
            switch error {
            case let error as TLSError: .tls(error)
            case let error as EnvelopeError: .envelope(error)
            default: .failed(reason: "\(error)")
            }
        self.link.end(self.connection, because: reason)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.link.end(
            self.connection,
            because: self.connection.wasClosedHere ? .closedHere : .closedByPeer
        )
        context.fireChannelInactive()
    }
}
