import NIOCore
import PairCore
import PairWire

/// One run of the inviter's side with one joiner; lives on the link's event loop.
final class Inviting {
    private enum State {
        case awaitingHello
        case awaitingProof(PairingTranscript)
        case awaitingDescription(PairingTranscript)
        case awaitingCandidate(PairingResult)
        case keeping
        case over
    }

    private let inviter: PairingInviter
    private let introduction: Introduction
    private let transport: any Channel
    private let channel: PairingChannel
    private var state = State.awaitingHello

    init(inviter: PairingInviter, introduction: Introduction, channel: any Channel) {
        self.inviter = inviter
        self.introduction = introduction
        self.transport = channel
        self.channel = PairingChannel(introduction: introduction)
    }

    func begin(isFull: Bool) {
        self.channel.begin { self.handle($0) }
        do {
            try self.transport.pipeline.syncOperations.addHandler(self.channel)
        } catch {
            return self.fail(.failed(reason: "\(error)"))
        }
        if isFull { return self.refuse(.busy) }
        self.channel.expect(within: self.inviter.limits.patience)
    }

    /// The invitation ended while this joiner was on its way.
    func invitationClosed(_ refusal: PairingRefusal) {
        switch self.state {
        case .awaitingHello, .awaitingProof: self.refuse(refusal)
        case .awaitingDescription, .awaitingCandidate, .keeping, .over: break
        }
    }

    private func handle(_ event: PairingChannel.Event) {
        switch event {
        case .ended(let error): self.fail(error)
        case .message(let message):
            do throws(PairingError) {
                try self.handle(message)
            } catch { self.fail(error) }
        }
    }

    private func handle(_ message: PairingMessage) throws(PairingError) {
        switch (self.state, message) {
        case (_, .refused(let refusal)):
            throw .refusedThere(refusal)

        case (.awaitingHello, .hello(let nonce, let signingKey)):
            let transcript = try self.transcript(nonce: nonce, signingKey: signingKey)
            self.channel.send(
                .hello(
                    nonce: transcript.inviter.nonce,
                    signingKey: transcript.inviter.signingKey.bytes
                )
            )
            self.state = .awaitingProof(transcript)
            self.channel.expect(within: self.inviter.limits.patience)

        case (.awaitingProof(let transcript), .proof(let code)):
            try self.judge(code, transcript)

        case (.awaitingDescription(let transcript), .description(let joiner)):
            let own = self.inviter.party.description
            if let refusal = PairingDescription.mismatch(inviter: own, joiner: joiner) {
                return self.refuse(refusal)
            }
            self.channel.send(.description(own))
            self.state = .awaitingCandidate(self.result(transcript, joiner))
            self.channel.expect(within: self.inviter.limits.patienceForOperator)

        case (.awaitingCandidate(let result), .candidateKept):
            self.state = .keeping
            self.keep(result)

        case (.awaitingHello, _), (.awaitingProof, _), (.awaitingDescription, _),
            (.awaitingCandidate, _), (.keeping, _), (.over, _):
            throw .unexpectedMessage
        }
    }

    private func judge(
        _ code: [UInt8],
        _ transcript: PairingTranscript
    ) throws(PairingError) {
        let secret: SecretBytes
        do throws(PairingRefusal) {
            secret = try self.inviter.secretForProof()
        } catch {
            return self.refuse(error)
        }
        let (expected, answer): ([UInt8], [UInt8])
        do throws(CryptographyError) {
            expected = try transcript.proof(of: .joiner, code: secret)
            answer = try transcript.proof(of: .inviter, code: secret)
        } catch { throw .failed(reason: "\(error)") }
        guard MessageCode.areEqual(code, expected) else {
            let refusal = self.inviter.countFailure(from: self.source)
            self.send(refusal)
            if case .wrongCode(triesLeft: 0) = refusal { self.inviter.close(saying: .usedUp) }
            return
        }
        self.inviter.claim()
        self.channel.send(.proof(answer))
        self.state = .awaitingDescription(transcript)
        self.channel.expect(within: self.inviter.limits.patience)
    }

    private func keep(_ result: PairingResult) {
        let keep = self.inviter.keep
        let loopBound = NIOLoopBound(self, eventLoop: self.transport.eventLoop)
        self.transport.eventLoop.makeFutureWithTask { () -> PairingRefusal? in
            do throws(PairingRefusal) {
                try await keep(result)
                return nil
            } catch { return error }
        }.whenSuccess { refusal in
            let this = loopBound.value
            if let refusal {
                this.state = .awaitingCandidate(result)
                return this.refuse(refusal)
            }
            // Kept is kept, even if the connection ended meanwhile: the joiner has its candidate.
            this.state = .over
            this.channel.send(.memberKept)
            this.channel.finish()
            this.inviter.close(saying: .usedUp)
            this.inviter.observe(.established(result))
        }
    }

    /// Tells the joiner no, and closes.
    private func refuse(_ refusal: PairingRefusal) {
        self.channel.send(.refused(refusal))
        self.fail(.refusedHere(refusal))
    }

    /// Tells the joiner no, and closes; reported by the caller.
    private func send(_ refusal: PairingRefusal) {
        self.channel.send(.refused(refusal))
        self.state = .over
        self.channel.finish()
    }

    private func fail(_ error: PairingError) {
        let state = self.state
        switch state {
        case .keeping:
            // Decided by what `keep` answers.
            return
        case .over:
            return
        case .awaitingDescription, .awaitingCandidate:
            self.inviter.unclaim()
        case .awaitingHello, .awaitingProof:
            break
        }
        self.state = .over
        self.channel.finish()
        self.inviter.observe(.failed(source: self.source, error))
    }

    private var source: String { self.transport.remoteAddress?.ipAddress ?? "unknown" }

    private func transcript(
        nonce: [UInt8],
        signingKey: [UInt8]
    ) throws(PairingError) -> PairingTranscript {
        let party = self.inviter.party
        guard let signingKey = SigningKey(signingKey) else { throw .unexpectedMessage }
        let ownNonce: [UInt8]
        do throws(CryptographyError) {
            ownNonce = try RandomBytes.make(32)
        } catch { throw .failed(reason: "\(error)") }
        return PairingTranscript(
            joiner: .init(
                node: self.introduction.remote.node,
                pin: self.introduction.peer.pin,
                signingKey: signingKey,
                nonce: nonce
            ),
            inviter: .init(
                node: party.node,
                pin: party.identity.keyPin,
                signingKey: party.identity.signingKey,
                nonce: ownNonce
            ),
            pair: self.inviter.pair,
            channelBinding: self.introduction.peer.channelBinding
        )
    }

    private func result(
        _ transcript: PairingTranscript,
        _ joiner: PairingDescription
    ) -> PairingResult {
        PairingResult(
            pair: transcript.pair,
            ownBit: .zero,
            node: transcript.joiner.node,
            name: joiner.name,
            model: joiner.model,
            pageSize: joiner.pageSize,
            engineVersion: joiner.engineVersion,
            keyPin: transcript.joiner.pin,
            signingKey: transcript.joiner.signingKey,
            address: PeerAddress(host: self.source, port: Int(joiner.port)),
            version: self.introduction.version,
            fingerprint: transcript.fingerprint()
        )
    }
}
