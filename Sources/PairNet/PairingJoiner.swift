import Glibc
package import NIOCore
import NIOPosix
import PairCore
package import PairWire

/// Enters a pair with the code that the other node's operator was shown.
package struct PairingJoiner: Sendable {
    package var party: PairingParty
    /// How long the other node may think about each message.
    package var patience = Duration.seconds(10)

    package init(party: PairingParty) { self.party = party }

    /// Pairs with the node at `address`, and returns when both nodes have kept each other.
    ///
    /// - Parameter keep: Makes the candidate durable; asked before the inviter is told to keep this
    ///   node. It may show the fingerprint to the operator first, and throw if they say no.
    package func join(
        _ address: PeerAddress,
        code: PairingCode,
        on eventLoop: any EventLoop,
        keeping keep: @escaping @Sendable (PairingResult) async throws(PairingRefusal) -> Void
    ) async throws(PairingError) -> PairingResult {
        let outcome = eventLoop.makePromise(of: Result<PairingResult, PairingError>.self)
        do throws(PairingError) {
            try self.dial(address, code: code, on: eventLoop, keeping: keep, outcome: outcome)
        } catch {
            outcome.succeed(.failure(error))
        }
        do {
            return try await outcome.futureResult.get().get()
        } catch let error as PairingError {
            throw error
        } catch {
            throw .failed(reason: "\(error)")
        }
    }

    private func dial(
        _ address: PeerAddress,
        code: PairingCode,
        on eventLoop: any EventLoop,
        keeping keep: @escaping @Sendable (PairingResult) async throws(PairingRefusal) -> Void,
        outcome: EventLoopPromise<Result<PairingResult, PairingError>>
    ) throws(PairingError) {
        let context: TLSContext
        let own: Opening
        do throws(CryptographyError) {
            context = try TLSContext(identity: self.party.identity)
            own = Opening(
                versions: self.party.versions,
                purpose: .pair,
                node: self.party.node,
                pair: .none,
                incarnation: self.party.incarnation,
                nonce: try RandomBytes.make(Opening.nonceByteCount)
            )
        } catch { throw .failed(reason: "\(error)") }
        let secret = SecretBytes(copying: code.bytes)
        let patience = TimeAmount(self.patience)
        ClientBootstrap(group: eventLoop)
            .peerOptions()
            .connectTimeout(patience)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let decoder = EnvelopeDecoder(payloadLimit: OpeningHandler.payloadLimit)
                    let opening = OpeningHandler(
                        side: .dialler(own),
                        timeout: patience,
                        decoder: decoder
                    ) { result, context in
                        switch result {
                        case .failure(let failure):
                            outcome.succeed(.failure(Self.error(for: failure)))
                        case .success(let introduction):
                            Joining(
                                joiner: self,
                                address: address,
                                secret: secret,
                                keep: keep,
                                outcome: outcome,
                                introduction: introduction
                            ).begin(on: context)
                        }
                    }
                    // Trust is undecided until the proofs: any key may come, except our own.
                    let tls = try TLSHandler(context: context, role: .client) { _ in nil }
                    try channel.pipeline.syncOperations.addHandlers([tls, decoder, opening])
                }
            }
            .connect(host: address.host, port: address.port)
            .whenFailure { error in
                outcome.succeed(.failure(.unreachable(.failed(reason: Self.reason(error)))))
            }
    }

    /// Why nobody answered, as the system says it.
    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            guard let first = error.connectionErrors.first else {
                return "no address is known for this name"
            }
            return self.reason(first.error)
        case let error as IOError: return String(cString: strerror(error.errnoCode))
        case ChannelError.connectTimeout: return "no answer within the time"
        default: return "\(error)"
        }
    }

    private static func error(for failure: OpeningFailure) -> PairingError {
        switch failure {
        case .tls(.refusedKey(.ownKey)), .refusedThere(.ownNode): .refusedHere(.ownKey)
        // A node without an open invitation hangs up on strangers before they can say anything.
        case .tls(.keyRefusedThere): .unreachable(.refusedThere(.noInvitation))
        default: .unreachable(failure)
        }
    }
}

/// One run of the joiner's side; lives on the channel's event loop.
private final class Joining {
    private enum State {
        case awaitingHello
        case awaitingProof(PairingTranscript)
        case awaitingDescription(PairingTranscript)
        case keeping
        case awaitingMember(PairingResult)
    }

    private let joiner: PairingJoiner
    private let address: PeerAddress
    private let secret: SecretBytes
    private let keep: @Sendable (PairingResult) async throws(PairingRefusal) -> Void
    private let outcome: EventLoopPromise<Result<PairingResult, PairingError>>
    private let introduction: Introduction
    private let channel: PairingChannel
    private var nonce: [UInt8] = []
    private var state = State.awaitingHello

    init(
        joiner: PairingJoiner,
        address: PeerAddress,
        secret: SecretBytes,
        keep: @escaping @Sendable (PairingResult) async throws(PairingRefusal) -> Void,
        outcome: EventLoopPromise<Result<PairingResult, PairingError>>,
        introduction: Introduction
    ) {
        self.joiner = joiner
        self.address = address
        self.secret = secret
        self.keep = keep
        self.outcome = outcome
        self.introduction = introduction
        self.channel = PairingChannel(introduction: introduction)
    }

    func begin(on context: ChannelHandlerContext) {
        // The handler holds this run, through the closure, until the connection ends.
        self.channel.begin { self.handle($0, eventLoop: context.eventLoop) }
        do {
            try context.pipeline.syncOperations.addHandler(self.channel)
            self.nonce = try RandomBytes.make(32)
        } catch {
            return self.fail(.failed(reason: "\(error)"))
        }
        self.channel.send(
            .hello(
                nonce: self.nonce,
                signingKey: self.joiner.party.identity.signingKey.bytes
            )
        )
        self.channel.expect(within: self.joiner.patience)
    }

    private func handle(_ event: PairingChannel.Event, eventLoop: any EventLoop) {
        switch event {
        case .ended(let error):
            if case .awaitingMember(let result) = self.state {
                self.fail(.unconfirmed(result))
            } else {
                self.fail(error)
            }
        case .message(let message):
            do throws(PairingError) {
                try self.handle(message, eventLoop: eventLoop)
            } catch { self.fail(error) }
        }
    }

    private func handle(
        _ message: PairingMessage,
        eventLoop: any EventLoop
    ) throws(PairingError) {
        switch (self.state, message) {
        case (_, .refused(let refusal)):
            throw .refusedThere(refusal)

        case (.awaitingHello, .hello(let nonce, let signingKey)):
            let transcript = try self.transcript(nonce: nonce, signingKey: signingKey)
            self.channel.send(.proof(try self.proof(of: .joiner, transcript)))
            self.state = .awaitingProof(transcript)
            self.channel.expect(within: self.joiner.patience)

        case (.awaitingProof(let transcript), .proof(let code)):
            guard MessageCode.areEqual(code, try self.proof(of: .inviter, transcript)) else {
                throw .interception
            }
            self.channel.send(.description(self.joiner.party.description))
            self.state = .awaitingDescription(transcript)
            self.channel.expect(within: self.joiner.patience)

        case (.awaitingDescription(let transcript), .description(let inviter)):
            let own = self.joiner.party.description
            if let refusal = PairingDescription.mismatch(inviter: inviter, joiner: own) {
                self.channel.send(.refused(refusal))
                throw .refusedHere(refusal)
            }
            self.state = .keeping
            self.keep(self.result(transcript, inviter), eventLoop: eventLoop)

        case (.awaitingMember(let result), .memberKept):
            self.channel.finish()
            self.outcome.succeed(.success(result))

        case (.awaitingHello, _), (.awaitingProof, _), (.awaitingDescription, _), (.keeping, _),
            (.awaitingMember, _):
            throw .unexpectedMessage
        }
    }

    private func keep(_ result: PairingResult, eventLoop: any EventLoop) {
        let keep = self.keep
        let loopBound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.makeFutureWithTask { () -> PairingRefusal? in
            do throws(PairingRefusal) {
                try await keep(result)
                return nil
            } catch { return error }
        }.whenSuccess { refusal in
            let this = loopBound.value
            // The connection may have ended while the operator was thinking.
            guard case .keeping = this.state else { return }
            if let refusal {
                this.channel.send(.refused(refusal))
                return this.fail(.refusedHere(refusal))
            }
            this.state = .awaitingMember(result)
            this.channel.send(.candidateKept)
            this.channel.expect(within: this.joiner.patience)
        }
    }

    private func fail(_ error: PairingError) {
        self.state = .awaitingHello
        self.channel.finish()
        self.outcome.succeed(.failure(error))
    }

    private func proof(
        of role: PairingTranscript.Role,
        _ transcript: PairingTranscript
    ) throws(PairingError) -> [UInt8] {
        do throws(CryptographyError) {
            return try transcript.proof(of: role, code: self.secret)
        } catch { throw .failed(reason: "\(error)") }
    }

    private func transcript(
        nonce: [UInt8],
        signingKey: [UInt8]
    ) throws(PairingError) -> PairingTranscript {
        let party = self.joiner.party
        guard let signingKey = SigningKey(signingKey) else { throw .unexpectedMessage }
        return PairingTranscript(
            joiner: .init(
                node: party.node,
                pin: party.identity.keyPin,
                signingKey: party.identity.signingKey,
                nonce: self.nonce
            ),
            inviter: .init(
                node: self.introduction.remote.node,
                pin: self.introduction.peer.pin,
                signingKey: signingKey,
                nonce: nonce
            ),
            pair: self.introduction.remote.pair,
            channelBinding: self.introduction.peer.channelBinding
        )
    }

    private func result(
        _ transcript: PairingTranscript,
        _ inviter: PairingDescription
    ) -> PairingResult {
        PairingResult(
            pair: transcript.pair,
            ownBit: .one,
            node: transcript.inviter.node,
            name: inviter.name,
            model: inviter.model,
            pageSize: inviter.pageSize,
            engineVersion: inviter.engineVersion,
            keyPin: transcript.inviter.pin,
            signingKey: transcript.inviter.signingKey,
            address: self.address,
            version: self.introduction.version,
            fingerprint: transcript.fingerprint()
        )
    }
}
