import NIOCore
package import PairCore
package import PairWire

/// An open invitation: one code, for one node, for a few minutes and three tries.
///
/// Strangers reach it through the node's ``PeerLink``, which lets them in for nothing else. A try is
/// a proof that is wrong; whoever never gets that far costs none. The code is erased when the
/// invitation ends in whatever way.
package final class PairingInviter: Sendable {
    package enum Event: Sendable {
        /// Somebody did not know the code, or sat in the middle.
        case codeFailed(source: String, triesLeft: Int)
        /// That was the last try; the invitation is closed.
        case burned(source: String)
        case expired
        /// The right code, but no pair came of it.
        case failed(source: String, PairingError)
        /// Both nodes have kept each other; the invitation is closed.
        case established(PairingResult)
    }

    package struct Limits: Hashable, Sendable {
        package var lifetime = Duration.seconds(600)
        package var tries = 3
        /// Joiners that are served at the same time.
        package var connections = 4
        /// How long a joiner may take for each message.
        package var patience = Duration.seconds(10)
        /// How long a joiner that has proved itself may think: its operator compares fingerprints.
        package var patienceForOperator = Duration.seconds(300)

        package init() {}
    }

    /// What to show to the operator; the caller forgets it when it was shown.
    package let code: PairingCode
    /// The pair that comes of it.
    package let pair: PairID

    let party: PairingParty
    let limits: Limits
    let keep: @Sendable (PairingResult) async throws(PairingRefusal) -> Void
    let observe: @Sendable (Event) -> Void
    private let link: PeerLink
    /// Touched on the link's event loop only.
    let state: NIOLoopBoundBox<State>

    struct State {
        enum Phase {
            case open
            /// Somebody has proved to know the code; the others wait.
            case claimed
            case closed(PairingRefusal)
        }

        var phase = Phase.open
        /// `nil` when it was erased.
        var secret: SecretBytes?
        var triesLeft: Int
        var connections: [ObjectIdentifier: Inviting] = [:]
        var expiry: Scheduled<Void>?
        var hasExpired = false
    }

    /// - Parameter keep: Makes the new member durable; the joiner hears of it only afterwards.
    /// - Parameter observe: Told on the link's event loop what becomes of the invitation.
    package init(
        party: PairingParty,
        link: PeerLink,
        limits: Limits = Limits(),
        keeping keep: @escaping @Sendable (PairingResult) async throws(PairingRefusal) -> Void,
        observing observe: @escaping @Sendable (Event) -> Void
    ) throws(CryptographyError) {
        guard let code = PairingCode(bytes: try RandomBytes.make(PairingCode.byteCount)) else {
            throw .failed("RAND_bytes")
        }
        self.code = code
        self.pair = try RandomBytes.identifier()
        self.party = party
        self.limits = limits
        self.keep = keep
        self.observe = observe
        self.link = link
        self.state = NIOLoopBoundBox.makeBoxSendingValue(
            State(secret: SecretBytes(copying: code.bytes), triesLeft: limits.tries),
            eventLoop: link.eventLoop
        )
    }

    /// Lets joiners in from now on; replaces an invitation that is open.
    package func open() {
        self.link.eventLoop.execute {
            self.state.value.expiry = self.link.eventLoop.scheduleTask(
                in: TimeAmount(self.limits.lifetime)
            ) { self.expire() }
        }
        self.link.beginPairing(
            through: PairingEntrance(pair: self.pair) { channel, introduction in
                self.accept(introduction, on: channel)
            }
        )
    }

    /// Ends the invitation.
    package func cancel() {
        self.link.eventLoop.execute { self.close(saying: .usedUp) }
    }

    // MARK: On the event loop

    private func accept(_ introduction: Introduction, on channel: any Channel) {
        let inviting = Inviting(inviter: self, introduction: introduction, channel: channel)
        let id = ObjectIdentifier(inviting)
        self.state.value.connections[id] = inviting
        channel.closeFuture.whenComplete { _ in self.state.value.connections[id] = nil }
        inviting.begin(isFull: self.state.value.connections.count > self.limits.connections)
    }

    private func expire() {
        self.state.value.hasExpired = true
        // A joiner that has proved itself in time may finish.
        guard case .open = self.state.value.phase else { return }
        self.close(saying: .expired)
        self.observe(.expired)
    }

    func close(saying refusal: PairingRefusal) {
        if case .closed = self.state.value.phase { return }
        self.state.value.phase = .closed(refusal)
        self.state.value.secret = nil
        self.state.value.expiry?.cancel()
        self.link.endPairing(of: self.pair)
        for inviting in self.state.value.connections.values { inviting.invitationClosed(refusal) }
    }

    /// The secret, for a proof that has come in; or why there is none for it.
    func secretForProof() throws(PairingRefusal) -> SecretBytes {
        switch (self.state.value.phase, self.state.value.secret) {
        case (.open, let secret?): return secret
        case (.closed(let refusal), _): throw refusal
        case (.claimed, _): throw .busy
        case (.open, nil): throw .usedUp
        }
    }

    /// A proof was wrong: one try less.
    func countFailure(from source: String) -> PairingRefusal {
        self.state.value.triesLeft -= 1
        let left = self.state.value.triesLeft
        if left > 0 {
            self.observe(.codeFailed(source: source, triesLeft: left))
        } else {
            self.observe(.burned(source: source))
        }
        return .wrongCode(triesLeft: UInt8(clamping: left))
    }

    func claim() { self.state.value.phase = .claimed }

    /// The claimant has failed before anything was kept; the code is as good as before.
    func unclaim() {
        guard case .claimed = self.state.value.phase else { return }
        self.state.value.phase = .open
        if self.state.value.hasExpired { self.expire() }
    }
}
