package import NIOCore

/// Whom the handshake has proved the other side to be; fired just before `channelActive`.
package struct TLSPeer: Sendable {
    package let pin: KeyPin
    /// What only the two ends of this connection know (RFC 9266); changes with every connection.
    package let channelBinding: SecretBytes
}

/// TLS 1.3 on a channel, with both sides' keys proved and approved.
///
/// `channelActive` goes up only when the handshake is over, the key was approved and the other side
/// speaks our protocol; no byte of an application gets past before that. A failure is fired as a
/// ``TLSError`` before the channel closes. Writability is the channel's own: this handler keeps
/// nothing back but what is written and not flushed.
package final class TLSHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private enum State {
        case idle
        case handshaking(timeout: Scheduled<Void>)
        case established
        /// Said goodbye or failed; waits for the other side to hear it. Input is dropped.
        case closing
        case closed
    }

    /// Encrypted bytes are handed on in runs of three records.
    ///
    /// Their buffer is 64 KiB, which malloc keeps; from 128 KiB it would map and unmap the memory
    /// for each, and the page faults cost as much as the encryption.
    private static let runByteCount = 3 * 16_384
    /// How long the other side may take to hear the last words.
    private static let lingering = TimeAmount.milliseconds(500)

    private let session: TLSSession
    private let role: TLSRole
    private let handshakeTimeout: TimeAmount
    private var state = State.idle
    private var promises: [EventLoopPromise<Void>] = []

    package static let standardHandshakeTimeout = TimeAmount.seconds(5)

    /// - Parameter approve: Asked on the event loop whether a key is welcome; `nil` is a yes. The
    ///   node's own key is refused without asking.
    package init(
        context: TLSContext,
        role: TLSRole,
        handshakeTimeout: TimeAmount = standardHandshakeTimeout,
        approve: @escaping @Sendable (KeyPin) -> KeyRefusal?
    ) throws(CryptographyError) {
        self.session = try TLSSession(context: context, role: role, approve: approve)
        self.role = role
        self.handshakeTimeout = handshakeTimeout
    }

    // MARK: Inbound

    package func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.begin(context: context) }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        self.end(failing: ChannelError.alreadyClosed)
    }

    package func channelActive(context: ChannelHandlerContext) { self.begin(context: context) }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.state {
        case .handshaking:
            self.session.receive(self.unwrapInboundIn(data))
            self.advance(context: context)
        case .established:
            self.session.receive(self.unwrapInboundIn(data))
            self.deliver(context: context)
        case .idle, .closing, .closed:
            break
        }
    }

    package func channelInactive(context: ChannelHandlerContext) {
        switch self.state {
        case .handshaking:
            context.fireErrorCaught(TLSError.closedDuringHandshake)
        case .established:
            context.fireErrorCaught(TLSError.truncated)
        case .idle, .closing, .closed:
            break
        }
        self.end(failing: ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    private func begin(context: ChannelHandlerContext) {
        guard case .idle = self.state else { return }
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let timeout = context.eventLoop.scheduleTask(in: self.handshakeTimeout) {
            let (handler, context) = loopBound.value
            guard case .handshaking = handler.state else { return }
            handler.fail(.handshakeTimedOut, context: context)
        }
        self.state = .handshaking(timeout: timeout)
        // The server has nothing to say before it has heard something.
        if self.role == .client { self.advance(context: context) }
    }

    private func advance(context: ChannelHandlerContext) {
        let step = self.session.handshake()
        switch step {
        case .needsInput:
            self.emit(context: context)
            context.flush()
        case .done:
            self.emit(context: context)
            context.flush()
            self.establish(context: context)
        case .closed:
            self.fail(.closedDuringHandshake, context: context)
        case .failed(let reason):
            self.fail(self.error(for: reason) ?? .handshakeFailed(reason), context: context)
        }
    }

    private func establish(context: ChannelHandlerContext) {
        guard case .handshaking(let timeout) = self.state else { return }
        timeout.cancel()
        guard self.session.hasAgreedOnProtocol, let pin = self.session.peerPin else {
            return self.fail(.wrongApplicationProtocol, context: context)
        }
        let binding: SecretBytes
        do throws(CryptographyError) {
            binding = try self.session.channelBinding()
        } catch {
            return self.fail(.handshakeFailed(error.reason), context: context)
        }
        self.state = .established
        context.fireUserInboundEventTriggered(TLSPeer(pin: pin, channelBinding: binding))
        context.fireChannelActive()
        // Application bytes may have come in one run with the end of the handshake.
        if case .established = self.state { self.deliver(context: context) }
    }

    private func deliver(context: ChannelHandlerContext) {
        var plaintext = ByteBuffer()
        let step = self.session.read(into: &plaintext)
        if plaintext.readableBytes > 0 {
            context.fireChannelRead(self.wrapInboundOut(plaintext))
        }
        // Whoever read that may have closed the channel.
        guard case .established = self.state else { return }
        switch step {
        case .done, .needsInput:
            // An answer to a key update, if there was one.
            if self.session.outbound.readableBytes > 0 {
                self.emit(context: context)
                context.flush()
            }
        case .closed:
            self.sayGoodbye(context: context, promise: nil)
        case .failed(let reason):
            // The server judges the client's key when the client has long finished.
            self.fail(self.error(for: reason) ?? .recordFailed(reason), context: context)
        }
    }

    private func error(for reason: OpenSSLReason) -> TLSError? {
        if let refusal = self.session.refusal { return .refusedKey(refusal) }
        // RFC 8446, section 6.2: bad_certificate is what our own verdict on a key becomes.
        return reason.alert == 42 ? .keyRefusedThere : nil
    }

    // MARK: Outbound

    package func write(
        context: ChannelHandlerContext,
        data: NIOAny,
        promise: EventLoopPromise<Void>?
    ) {
        guard case .established = self.state else {
            promise?.fail(TLSError.notEstablished)
            return
        }
        var plaintext = self.unwrapOutboundIn(data)
        while plaintext.readableBytes > 0 {
            let count = min(plaintext.readableBytes, Self.runByteCount)
            let step = plaintext.readWithUnsafeReadableBytes { bytes in
                (count, self.session.write(UnsafeRawBufferPointer(rebasing: bytes[..<count])))
            }
            if case .failed(let reason) = step {
                promise?.fail(TLSError.recordFailed(reason))
                return self.fail(.recordFailed(reason), context: context)
            }
            // The last run waits for more, until it is flushed.
            if plaintext.readableBytes > 0 { self.emit(context: context) }
        }
        if let promise { self.promises.append(promise) }
        if self.session.outbound.readableBytes >= Self.runByteCount { self.emit(context: context) }
    }

    package func flush(context: ChannelHandlerContext) {
        self.emit(context: context)
        context.flush()
    }

    package func close(
        context: ChannelHandlerContext,
        mode: CloseMode,
        promise: EventLoopPromise<Void>?
    ) {
        switch (self.state, mode) {
        case (.established, .all):
            self.sayGoodbye(context: context, promise: promise)
        case (.established, .output), (.established, .input):
            // Half a TLS connection serves nobody here.
            promise?.fail(ChannelError.operationUnsupported)
        case (.idle, _), (.handshaking, _), (.closing, _), (.closed, _):
            self.end(failing: ChannelError.ioOnClosedChannel)
            context.close(mode: .all, promise: promise)
        }
    }

    /// Moves encrypted bytes on towards the socket.
    private func emit(context: ChannelHandlerContext) {
        let bytes = self.session.takeOutbound()
        let promises = self.promises
        self.promises = []
        guard bytes.readableBytes > 0 || !promises.isEmpty else { return }
        switch promises.count {
        case 0:
            context.write(self.wrapOutboundOut(bytes), promise: nil)
        case 1:
            context.write(self.wrapOutboundOut(bytes), promise: promises.first)
        default:
            let all = context.eventLoop.makePromise(of: Void.self)
            all.futureResult.whenComplete { result in
                for promise in promises { promise.completeWith(result) }
            }
            context.write(self.wrapOutboundOut(bytes), promise: all)
        }
    }

    // MARK: The end

    /// Sends close_notify behind everything that was written, then closes.
    private func sayGoodbye(context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        self.session.close()
        self.state = .closing
        let said = context.eventLoop.makePromise(of: Void.self)
        self.promises.append(said)
        self.emit(context: context)
        context.flush()
        let loopBound = NIOLoopBound(context, eventLoop: context.eventLoop)
        // A peer that has stopped reading does not keep us waiting.
        let patience = context.eventLoop.scheduleTask(in: Self.lingering) {
            loopBound.value.close(mode: .all, promise: nil)
        }
        said.futureResult.whenComplete { _ in
            patience.cancel()
            loopBound.value.close(mode: .all, promise: promise)
        }
    }

    /// Sends OpenSSL's alert, tells the pipeline, and closes once the other side has gone.
    ///
    /// Closing at once would reset the connection if input is waiting, and the other side would
    /// lose the alert that says why.
    private func fail(_ error: TLSError, context: ChannelHandlerContext) {
        self.end(failing: error)
        self.state = .closing
        self.emit(context: context)
        context.flush()
        context.close(mode: .output, promise: nil)
        let loopBound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let patience = context.eventLoop.scheduleTask(in: Self.lingering) {
            loopBound.value.close(mode: .all, promise: nil)
        }
        context.channel.closeFuture.whenComplete { _ in patience.cancel() }
        context.fireErrorCaught(error)
    }

    private func end(failing error: any Error) {
        if case .handshaking(let timeout) = self.state { timeout.cancel() }
        self.state = .closed
        let promises = self.promises
        self.promises = []
        for promise in promises { promise.fail(error) }
    }
}
