import NIOCore
import NIOPosix
import PairCore
import PairWire

extension PeerLink {
    func listen() async throws -> any Channel {
        try await ServerBootstrap(group: self.eventLoop)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DoorHandler(link: self))
                }
            }
            .peerChildOptions()
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
            }
            .bind(host: self.configuration.listenAddress, port: self.configuration.listenPort)
            .get()
    }

    /// Gives an admitted connection the time of a handshake and an opening to say who it is.
    private func prepare(_ channel: any Channel) throws {
        let timing = self.configuration.timing
        let source = channel.remoteAddress.map { $0.ipAddress ?? "unix" } ?? "unknown"
        let decoder = EnvelopeDecoder(payloadLimit: OpeningHandler.payloadLimit)
        let opening = OpeningHandler(
            side: .accepter { opening, peer in self.answer(opening, from: peer) },
            timeout: TimeAmount(timing.firstMessage),
            decoder: decoder,
            handshake: self.observer.handshake
        ) { result, context in
            self.leaveDoor(context.channel)
            switch result {
            case .failure(let failure):
                self.observer.refused(source, .opening(failure))
            case .success(let introduction):
                self.accepted(introduction, on: context.channel)
            }
        }
        let tls = try TLSHandler(
            context: self.context,
            role: .server,
            handshakeTimeout: TimeAmount(timing.handshake)
        ) { pin in self.judge(pin) }
        try channel.pipeline.syncOperations.addHandlers([tls, decoder, opening])
    }

    /// Whether a key is welcome at the door; what it may do there is decided by its opening.
    private func judge(_ pin: KeyPin) -> KeyRefusal? {
        let state = self.state.value
        if state.pairing != nil || state.peer?.pin == pin { return nil }
        return state.peer == nil ? .unpaired : .notPinned(pin)
    }

    private func answer(
        _ remote: Opening,
        from stranger: TLSPeer
    ) -> Result<Opening, OpeningRefusal> {
        do throws(OpeningRefusal) {
            return .success(try self.checkedAnswer(remote, from: stranger))
        } catch { return .failure(error) }
    }

    private func checkedAnswer(
        _ remote: Opening,
        from stranger: TLSPeer
    ) throws(OpeningRefusal) -> Opening {
        guard remote.node != self.configuration.node else { throw .ownNode }
        let state = self.state.value
        let own: Opening
        do throws(OpeningFailure) {
            if remote.purpose == .pair {
                guard let pairing = state.pairing else { throw .refusedHere(.noInvitation) }
                own = try self.opening(
                    for: .pair,
                    pair: pairing.pair,
                    versions: self.configuration.versions
                )
            } else {
                guard let peer = state.peer, peer.pin == stranger.pin else {
                    throw .refusedHere(.notThePeer)
                }
                if let refusal = Self.mismatch(of: remote, with: peer) {
                    throw .refusedHere(refusal)
                }
                if let old = state.sessions[remote.purpose],
                    self.staysUp(old, against: remote, isDialled: false, own: peer.ownBit)
                {
                    throw .refusedHere(.duplicate)
                }
                own = try self.opening(for: remote.purpose, of: peer)
            }
        } catch .refusedHere(let refusal) {
            throw refusal
        } catch {
            throw .malformed
        }
        guard own.versions.newestCommon(with: remote.versions) != nil else {
            throw .noCommonVersion
        }
        return own
    }

    private func accepted(_ introduction: Introduction, on channel: any Channel) {
        if introduction.own.purpose == .pair {
            guard let pairing = self.state.value.pairing else {
                return channel.close(promise: nil)
            }
            pairing.accept(channel, introduction)
        } else {
            self.establish(introduction, on: channel)
        }
    }

    // MARK: The door

    fileprivate func knock(_ channel: any Channel) -> Bool {
        guard let address = channel.remoteAddress else { return false }
        do throws(AdmissionControl.Refusal) {
            let slot = try self.state.value.admission.admit(address.source, at: self.now)
            self.state.value.atTheDoor[ObjectIdentifier(channel)] = slot
        } catch {
            self.observer.refused(address.ipAddress ?? "unix", .admission(error))
            return false
        }
        let id = ObjectIdentifier(channel)
        channel.closeFuture.whenComplete { _ in self.leaveDoor(id) }
        return true
    }

    private func leaveDoor(_ channel: any Channel) { self.leaveDoor(ObjectIdentifier(channel)) }

    private func leaveDoor(_ id: ObjectIdentifier) {
        guard let slot = self.state.value.atTheDoor.removeValue(forKey: id) else { return }
        self.state.value.admission.release(slot)
    }

    private var now: Instant {
        Instant(sinceStart: .nanoseconds(Int64(NIODeadline.now().uptimeNanoseconds)))
    }
}

/// Closes connections that are not admitted before a byte is read or a handshake begun.
private final class DoorHandler: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    private let link: PeerLink

    init(link: PeerLink) { self.link = link }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = self.unwrapInboundIn(data)
        if self.link.knock(channel) {
            context.fireChannelRead(data)
        } else {
            channel.close(promise: nil)
        }
    }
}
