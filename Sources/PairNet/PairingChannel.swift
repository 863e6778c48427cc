import NIOCore
package import PairCore
package import PairWire

/// Why a pairing came to nothing, or is in doubt.
package enum PairingError: Error, Hashable, Sendable {
    /// The other node could not be reached, or did not let this one in.
    case unreachable(OpeningFailure)
    case refusedThere(PairingRefusal)
    case refusedHere(PairingRefusal)
    /// The inviter's proof is wrong although it accepted ours.
    case interception
    case unreadable(ByteError)
    case unexpectedMessage
    case timedOut
    case closed
    /// This node has kept its candidate, but never heard whether the inviter kept this node.
    case unconfirmed(PairingResult)
    case cancelled
    case failed(reason: String)
}

extension PairingError {
    /// Nobody has refused anything: it may work when it is tried again.
    package var isFailure: Bool {
        switch self {
        case .unreachable(.refusedThere), .unreachable(.refusedHere), .refusedThere, .refusedHere,
            .interception:
            false
        case .unreachable, .unreadable, .unexpectedMessage, .timedOut, .closed, .unconfirmed,
            .cancelled, .failed:
            true
        }
    }
}

extension PairingError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreachable(let failure): "\(failure)"
        case .refusedThere(let refusal): "refused by the other node: \(refusal)"
        case .refusedHere(let refusal): "refused here: \(refusal)"
        case .interception:
            "the other node did not prove that it knows the code: possible interception of the "
                + "connection; make a new code: pairctl pair invite"
        case .unreadable(let error): "a message of the other node cannot be read: \(error)"
        case .unexpectedMessage: "the other node sent a message out of turn"
        case .timedOut: "the other node took too long"
        case .closed: "the other node closed the connection"
        case .unconfirmed(let result):
            "the connection was lost at the last step; \(result.name) may have this node as its "
                + "peer: compare pairctl pair show on both nodes, and repeat after pairctl pair "
                + "remove if they differ"
        case .cancelled: "cancelled"
        case .failed(let reason): reason
        }
    }
}

/// The messages of a pairing on a channel: one at a time, each within its time.
///
/// `received` is told every message and the end; after ``finish()`` nothing more.
final class PairingChannel: ChannelInboundHandler {
    typealias InboundIn = Envelope
    typealias OutboundOut = ByteBuffer

    enum Event {
        case message(PairingMessage)
        case ended(PairingError)
    }

    let introduction: Introduction
    private var received: ((Event) -> Void)?
    private var context: ChannelHandlerContext?
    private var timeout: Scheduled<Void>?

    init(introduction: Introduction) { self.introduction = introduction }

    func begin(received: @escaping (Event) -> Void) { self.received = received }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.end(.closed)
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.timeout?.cancel()
        do throws(ByteError) {
            self.received?(.message(try PairingMessage(decoding: self.unwrapInboundIn(data))))
        } catch {
            self.end(.unreadable(error))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.end(.failed(reason: "\(error)"))
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.end(.closed)
        context.fireChannelInactive()
    }

    func send(_ message: PairingMessage) {
        guard let context = self.context else { return }
        let bytes = ByteBuffer(bytes: message.envelope().encoded())
        context.writeAndFlush(self.wrapOutboundOut(bytes), promise: nil)
    }

    /// Gives the other side until `limit` from now to say something.
    func expect(within limit: Duration) {
        guard let context = self.context else { return }
        self.timeout?.cancel()
        let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
        self.timeout = context.eventLoop.scheduleTask(in: TimeAmount(limit)) {
            loopBound.value.end(.timedOut)
        }
    }

    /// Closes; nothing is reported any more.
    func finish() {
        self.received = nil
        self.timeout?.cancel()
        self.context?.close(promise: nil)
    }

    private func end(_ error: PairingError) {
        let received = self.received
        self.finish()
        received?(.ended(error))
    }
}
