import NIOCore
package import PairCore
package import PairWire

/// What both sides of a connection know when they have introduced themselves.
struct Introduction {
    let own: Opening
    let remote: Opening
    let peer: TLSPeer
    let version: UInt16
    /// Whether this node dialled.
    let isDialled: Bool
}

/// Why a connection never came to the point where its purpose begins.
package enum OpeningFailure: Error, Hashable, Sendable {
    case tls(TLSError)
    case envelope(EnvelopeError)
    case unreadable(ByteError)
    case unexpectedType(UInt8)
    /// The other side said so.
    case refusedThere(OpeningRefusal)
    /// This side said so.
    case refusedHere(OpeningRefusal)
    case timedOut
    case closed
    case failed(reason: String)
}

extension OpeningFailure {
    /// The other side does not, or no longer, take this node for its peer.
    package var isDistrust: Bool {
        switch self {
        case .tls(.keyRefusedThere), .refusedThere(.notThePeer), .refusedThere(.otherPair): true
        case .tls, .envelope, .unreadable, .unexpectedType, .refusedThere, .refusedHere, .timedOut,
            .closed, .failed:
            false
        }
    }
}

extension OpeningFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tls(let error): "\(error)"
        case .envelope(let error): "\(error)"
        case .unreadable(let error): "the first message cannot be read: \(error)"
        case .unexpectedType(let type): "the first message has the unexpected type \(type)"
        case .refusedThere(let refusal): "refused by the other side: \(refusal)"
        case .refusedHere(let refusal): "refused here: \(refusal)"
        case .timedOut: "no first message within its time"
        case .closed: "the connection was closed before the first message"
        case .failed(let reason): reason
        }
    }
}

/// Exchanges the openings, then steps aside.
///
/// Sits behind TLS and the envelopes. The dialler speaks as soon as TLS has proved the other side;
/// the other answers. `completion` is called exactly once; with a success it has to add the handler
/// that understands the purpose, before the next envelope is passed on. `handshake` is called before
/// that, at most once.
final class OpeningHandler: ChannelInboundHandler {
    typealias InboundIn = Envelope
    typealias InboundOut = Envelope
    typealias OutboundOut = ByteBuffer

    enum Side {
        /// Says this first. The answer is checked for version and purpose only.
        case dialler(Opening)
        /// Decides about an opening and answers with its own.
        case accepter((Opening, TLSPeer) -> Result<Opening, OpeningRefusal>)
    }

    private enum State {
        case waitingForTLS
        case waitingForOpening(TLSPeer, timeout: Scheduled<Void>)
        case introduced
        case failed
    }

    /// Enough for an opening of any version, and for its refusal.
    static let payloadLimit = 1024

    private let side: Side
    private let timeout: TimeAmount
    private let decoder: EnvelopeDecoder
    private let handshake: (HandshakeResult) -> Void
    private var completion: ((Result<Introduction, OpeningFailure>, ChannelHandlerContext) -> Void)?
    private var state = State.waitingForTLS

    init(
        side: Side,
        timeout: TimeAmount,
        decoder: EnvelopeDecoder,
        handshake: @escaping (HandshakeResult) -> Void = { _ in },
        completion: @escaping (Result<Introduction, OpeningFailure>, ChannelHandlerContext) -> Void
    ) {
        self.side = side
        self.timeout = timeout
        self.decoder = decoder
        self.handshake = handshake
        self.completion = completion
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let peer = event as? TLSPeer, case .waitingForTLS = self.state {
            let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            let timeout = context.eventLoop.scheduleTask(in: self.timeout) {
                let (handler, context) = loopBound.value
                handler.fail(.timedOut, context: context)
            }
            self.state = .waitingForOpening(peer, timeout: timeout)
            self.handshake(.done)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelActive(context: ChannelHandlerContext) {
        // TLS fires this after it has said who the other side is, when writing has become possible.
        if case .dialler(let opening) = self.side { self.say(opening, context: context) }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.state {
        case .waitingForOpening(let peer, let timeout):
            timeout.cancel()
            self.judge(self.unwrapInboundIn(data), from: peer, context: context)
        case .introduced:
            context.fireChannelRead(data)
        case .waitingForTLS, .failed:
            break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch (self.state, error) {
        case (.introduced, _): context.fireErrorCaught(error)
        case (_, let error as TLSError): self.fail(.tls(error), context: context)
        case (_, let error as EnvelopeError): self.fail(.envelope(error), context: context)
        default: self.fail(.failed(reason: "\(error)"), context: context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .introduced = self.state {
            context.fireChannelInactive()
        } else {
            self.fail(.closed, context: context)
        }
    }

    private func judge(_ envelope: Envelope, from peer: TLSPeer, context: ChannelHandlerContext) {
        do throws(ByteError) {
            switch (envelope.type, self.side) {
            case (Opening.envelopeType, .dialler(let own)):
                let remote = try Opening(decoding: envelope.payload)
                self.accept(remote, answering: own, from: peer, context: context)
            case (Opening.envelopeType, .accepter(let decide)):
                let remote = try Opening(decoding: envelope.payload)
                switch decide(remote, peer) {
                case .success(let own):
                    self.say(own, context: context)
                    self.accept(remote, answering: own, from: peer, context: context)
                case .failure(let refusal):
                    self.refuse(refusal, because: .refusedHere(refusal), context: context)
                }
            case (OpeningRefusal.envelopeType, .dialler):
                let refusal = try OpeningRefusal(decoding: envelope.payload)
                self.fail(.refusedThere(refusal), context: context)
            default:
                self.fail(.unexpectedType(envelope.type), context: context)
            }
        } catch {
            self.refuse(.malformed, because: .unreadable(error), context: context)
        }
    }

    private func accept(
        _ remote: Opening,
        answering own: Opening,
        from peer: TLSPeer,
        context: ChannelHandlerContext
    ) {
        guard remote.purpose == own.purpose,
            let version = own.versions.newestCommon(with: remote.versions)
        else { return self.fail(.refusedHere(.noCommonVersion), context: context) }
        self.state = .introduced
        self.decoder.payloadLimit = own.purpose.payloadLimit
        let isDialled = if case .dialler = self.side { true } else { false }
        self.complete(
            .success(
                Introduction(
                    own: own,
                    remote: remote,
                    peer: peer,
                    version: version,
                    isDialled: isDialled
                )
            ),
            context: context
        )
    }

    private func say(_ opening: Opening, context: ChannelHandlerContext) {
        let envelope = Envelope(type: Opening.envelopeType, payload: opening.encoded())
        context.writeAndFlush(
            self.wrapOutboundOut(ByteBuffer(bytes: envelope.encoded())),
            promise: nil
        )
    }

    private func refuse(
        _ refusal: OpeningRefusal,
        because failure: OpeningFailure,
        context: ChannelHandlerContext
    ) {
        if case .accepter = self.side {
            let envelope = Envelope(
                type: OpeningRefusal.envelopeType,
                payload: refusal.encoded()
            )
            context.writeAndFlush(
                self.wrapOutboundOut(ByteBuffer(bytes: envelope.encoded())),
                promise: nil
            )
        }
        self.fail(failure, context: context)
    }

    private func fail(_ failure: OpeningFailure, context: ChannelHandlerContext) {
        switch self.state {
        case .introduced, .failed: return
        case .waitingForOpening(_, let timeout): timeout.cancel()
        case .waitingForTLS:
            if case .tls(let error) = failure { self.handshake(HandshakeResult(error)) }
        }
        self.state = .failed
        self.complete(.failure(failure), context: context)
        // A handshake that failed closes by itself, once its alert has been sent.
        if case .tls = failure { return }
        context.close(promise: nil)
    }

    private func complete(
        _ result: Result<Introduction, OpeningFailure>,
        context: ChannelHandlerContext
    ) {
        let completion = self.completion
        self.completion = nil
        completion?(result, context)
    }
}
