import NIOCore
import NIOPosix
import PairCore
import PairWire

extension PeerLink {
    /// The attempts to reach the peer for one purpose.
    struct Dialling {
        /// Tells this run of attempts from one that was given up in the meantime.
        let run: UInt64
        /// The next address to try, counted without end.
        var attempt = 0
        /// Rounds over all addresses that have failed.
        var failedRounds = 0
        var step: Step

        enum Step {
            case pausing(Scheduled<Void>)
            case connecting
        }
    }

    /// Begins to dial for every purpose that has no connection.
    func dialAll() {
        for purpose in ConnectionPurpose.lasting { self.dial(purpose) }
    }

    func stopDialling() {
        for purpose in ConnectionPurpose.lasting { self.settle(purpose) }
    }

    /// Gives up the attempts for one purpose; one in progress closes itself when it finds out.
    func settle(_ purpose: ConnectionPurpose) {
        if case .pausing(let pause) = self.state.value.dialling[purpose]?.step { pause.cancel() }
        self.state.value.dialling[purpose] = nil
    }

    /// Ends the pauses between attempts.
    func hurry() {
        for purpose in ConnectionPurpose.lasting {
            guard case .pausing = self.state.value.dialling[purpose]?.step else { continue }
            self.settle(purpose)
            self.dial(purpose)
        }
    }

    /// Begins to dial for a purpose unless it is connected or being dialled.
    func dial(_ purpose: ConnectionPurpose) {
        let state = self.state.value
        guard state.isRunning, let peer = state.peer, !peer.addresses.isEmpty,
            state.sessions[purpose] == nil, state.dialling[purpose] == nil
        else { return }
        // Node 1 lets node 0 go first, which spares both a connection that would not stay.
        let headStart = peer.ownBit == .one ? self.configuration.timing.firstBackoff : .zero
        self.state.value.nextRun += 1
        let run = self.state.value.nextRun
        let pause = self.pause(headStart, purpose: purpose, run: run)
        self.state.value.dialling[purpose] = Dialling(run: run, step: .pausing(pause))
    }

    private func pause(
        _ duration: Duration,
        purpose: ConnectionPurpose,
        run: UInt64
    ) -> Scheduled<Void> {
        self.eventLoop.scheduleTask(in: TimeAmount(duration)) {
            self.attempt(purpose, run: run)
        }
    }

    private func attempt(_ purpose: ConnectionPurpose, run: UInt64) {
        guard var dialling = self.state.value.dialling[purpose], dialling.run == run,
            let peer = self.state.value.peer, !peer.addresses.isEmpty
        else { return }
        dialling.step = .connecting
        self.state.value.dialling[purpose] = dialling
        let address = peer.addresses[dialling.attempt % peer.addresses.count]
        self.connect(purpose, to: address, peer: peer, run: run)
    }

    private func connect(
        _ purpose: ConnectionPurpose,
        to address: PeerAddress,
        peer: Peer,
        run: UInt64
    ) {
        let own: Opening
        do throws(OpeningFailure) {
            own = try self.opening(for: purpose, of: peer)
        } catch {
            return self.failed(purpose, address, run: run, because: error)
        }
        let timing = self.configuration.timing
        ClientBootstrap(group: self.eventLoop)
            .peerOptions()
            .connectTimeout(TimeAmount(timing.connect))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let decoder = EnvelopeDecoder(payloadLimit: OpeningHandler.payloadLimit)
                    let opening = OpeningHandler(
                        side: .dialler(own),
                        timeout: TimeAmount(timing.firstMessage),
                        decoder: decoder,
                        handshake: self.observer.handshake
                    ) { result, context in
                        self.dialled(
                            result,
                            on: context.channel,
                            purpose,
                            address,
                            peer: peer,
                            run: run
                        )
                    }
                    let tls = try TLSHandler(
                        context: self.context,
                        role: .client,
                        handshakeTimeout: TimeAmount(timing.handshake)
                    ) { pin in pin == peer.pin ? nil : .notPinned(pin) }
                    try channel.pipeline.syncOperations.addHandlers([tls, decoder, opening])
                }
            }
            .connect(host: address.host, port: address.port)
            .whenFailure { error in
                self.failed(purpose, address, run: run, because: .failed(reason: "\(error)"))
            }
    }

    private func dialled(
        _ result: Result<Introduction, OpeningFailure>,
        on channel: any Channel,
        _ purpose: ConnectionPurpose,
        _ address: PeerAddress,
        peer: Peer,
        run: UInt64
    ) {
        switch result {
        case .failure(let failure):
            self.failed(purpose, address, run: run, because: failure)
        case .success(let introduction):
            let remote = introduction.remote
            if let refusal = Self.mismatch(of: remote, with: peer) {
                channel.close(promise: nil)
                self.failed(purpose, address, run: run, because: .refusedHere(refusal))
            } else {
                // Even if the attempts were given up because the peer got through itself: both
                // sides have to judge by the same rule.
                self.establish(introduction, on: channel)
            }
        }
    }

    private func failed(
        _ purpose: ConnectionPurpose,
        _ address: PeerAddress,
        run: UInt64,
        because failure: OpeningFailure
    ) {
        guard var dialling = self.state.value.dialling[purpose], dialling.run == run,
            let peer = self.state.value.peer
        else { return }
        self.observer.dialFailed(purpose, address, failure)
        dialling.attempt += 1
        var pause = Duration.zero
        if dialling.attempt % max(peer.addresses.count, 1) == 0 {
            let timing = self.configuration.timing
            let doubled = timing.firstBackoff * (1 << min(dialling.failedRounds, 16))
            pause = min(doubled, timing.longestBackoff)
            dialling.failedRounds += 1
        }
        dialling.step = .pausing(self.pause(pause, purpose: purpose, run: run))
        self.state.value.dialling[purpose] = dialling
    }

    /// This node's first message for `purpose`.
    func opening(
        for purpose: ConnectionPurpose,
        of peer: Peer
    ) throws(OpeningFailure) -> Opening {
        guard let versions = self.configuration.versions.raised(to: peer.minimumProtocol) else {
            throw .refusedHere(.noCommonVersion)
        }
        return try self.opening(for: purpose, pair: peer.pair, versions: versions)
    }

    func opening(
        for purpose: ConnectionPurpose,
        pair: PairID,
        versions: ProtocolRange
    ) throws(OpeningFailure) -> Opening {
        do throws(CryptographyError) {
            return Opening(
                versions: versions,
                purpose: purpose,
                node: self.configuration.node,
                pair: pair,
                incarnation: self.configuration.incarnation,
                nonce: try RandomBytes.make(Opening.nonceByteCount)
            )
        } catch { throw .failed(reason: "\(error)") }
    }

    /// What is wrong with what the holder of the right key says of itself; `nil` for nothing.
    static func mismatch(of remote: Opening, with peer: Peer) -> OpeningRefusal? {
        if remote.pair != peer.pair { return .otherPair }
        if remote.node != peer.node { return .notThePeer }
        return nil
    }
}
