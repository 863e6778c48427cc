import FoundationEssentials
import Logging
import PairCore
import PairNet
import PairStore
import PairWire

extension OperatorCall {
    /// Ends the conversation.
    func finish<Payload>(
        _ exit: ControlExit, _ message: String, _ payload: Payload?
    ) where Payload: Codable & Hashable & Sendable {
        self.write(
            ControlReply.final(ControlOutcome(exit, message: message, payload: payload)),
            isLast: true)
    }

    func finish(_ exit: ControlExit, _ message: String) {
        self.finish(exit, message, Optional<ControlNothing>.none)
    }

    /// Says what is happening meanwhile.
    func tell(_ text: String, doneBytes: UInt64? = nil, totalBytes: UInt64? = nil) {
        self.write(
            ControlReply<ControlNothing>.progress(
                ControlProgress(text, doneBytes: doneBytes, totalBytes: totalBytes)),
            isLast: false)
    }

    private func write(_ reply: some Encodable, isLast: Bool) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            self.reply(ReplyLine(bytes: Array(try encoder.encode(reply)), isLast: isLast))
        } catch {
            let text = #"{"exitCode":1,"message":"the answer could not be written"}"#
            self.reply(ReplyLine(bytes: Array(text.utf8), isLast: true))
        }
    }
}

// What operators ask for, here or on the peer.
extension NodeLoop {
    func carryOut(_ call: OperatorCall) {
        switch call.request.command {
        case .status: call.finish(.done, "", self.report)
        case .pairInvite(let parameters): self.invite(call, parameters)
        case .pairJoin(let parameters): self.join(call, parameters)
        case .pairShow: call.finish(.done, "", Optional(self.pairDescription))
        case .enableHA(let parameters): self.enable(call, parameters)
        case .verify(let parameters): self.atPrimary(call) { self.verify($0, full: parameters.full) }
        case .wait(let parameters): self.atPrimary(call) { self.wait($0, parameters.level) }
        case .initialize, .pairRemove, .disableHA, .switchover, .promote, .suspend, .resume,
            .resolve, .tailList, .tailShow, .tailExport, .tailDiscard, .history, .events:
            call.finish(
                .refused, "this version of paird cannot do that yet; nothing has changed")
        }
    }

    /// Carries a request out here on the primary, or sends it to the primary and its answer back.
    private func atPrimary(_ call: OperatorCall, _ work: (OperatorCall) -> Void) {
        switch self.standing {
        case .primary: return work(call)
        case .secondary:
            guard self.controlLink != nil else {
                return call.finish(
                    .unavailable,
                    "the primary, \(self.peerName), is not connected; type the command there")
            }
            let id = self.nextID
            self.nextID += 1
            self.forwards[id] = call
            do {
                let request = try JSONEncoder().encode(call.request)
                self.say(.forward(id: id, request: Array(request)))
            } catch {
                self.forwards[id] = nil
                call.finish(.failed, "\(error)")
            }
        case .unmanaged, .attaching, .failed:
            call.finish(
                .refused,
                "HA is not on here (\(self.state.rawValue)); pairctl status says what to do")
        }
    }

    func carryOutForPeer(_ id: UInt64, _ request: [UInt8]) {
        let shell = self.shell
        let connection = self.controlLink
        let call: OperatorCall
        do {
            call = OperatorCall(
                request: try JSONDecoder().decode(ControlRequest.self, from: Data(request)),
                by: "an operator on \(self.peerName)",
                reply: { line in
                    let message = ControlMessage.forwarded(
                        id: id, line: line.bytes, isLast: line.isLast)
                    connection?.send(type: message.kind.rawValue, payload: message.payload)
                })
        } catch {
            shell.log.emit(.peerRejected, level: .warning, "a forwarded request is no request")
            return
        }
        switch call.request.command {
        case .verify, .wait:
            guard case .primary = self.standing else {
                return call.finish(.refused, "\(self.localName) is not the primary")
            }
            self.carryOut(call)
        default: call.finish(.notPermitted, "only verify and wait are carried out for a peer")
        }
    }

    func takeForwarded(_ id: UInt64, _ line: [UInt8], isLast: Bool) {
        self.forwards[id]?.reply(OperatorCall.ReplyLine(bytes: line, isLast: isLast))
        if isLast { self.forwards[id] = nil }
    }

    func endForwards(_ reason: String) {
        let calls = self.forwards.values
        self.forwards = [:]
        for call in calls { call.finish(.failed, reason) }
    }

    /// Answers when the secondary has what is committed at this moment.
    private func wait(_ call: OperatorCall, _ level: ControlCommand.Wait.Level) {
        let shell = self.shell
        let began = shell.now
        let (primary, secondary) = (self.localName, self.peerName)
        self.beside {
            do {
                let position = try shell.vault.captureNow(timeout: .seconds(10))
                shell.figures.wait(for: position.txid, level) { isReached in
                    guard isReached else {
                        return call.finish(.failed, "\(primary) is no longer primary")
                    }
                    call.finish(
                        .done, "\(secondary) has \(position) \(level.rawValue)",
                        WaitReport(
                            level: level, position: position, primary: primary,
                            secondary: secondary, waited: shell.now - began))
                }
            } catch {
                call.finish(.failed, "\(error)")
            }
        }
    }

    // MARK: Pairing

    private func invite(_ call: OperatorCall, _ parameters: ControlCommand.Invite) {
        guard self.record.peer == nil else {
            return call.finish(
                .refused, "this node is paired with \(self.peerName); pairctl pair show names it")
        }
        let ttl = Duration.seconds(parameters.ttlSeconds)
        guard (.seconds(60)) ... (.seconds(3600)) ~= ttl else {
            return call.finish(.usage, "--ttl: from 1m to 60m")
        }
        if call.request.dryRun {
            return call.finish(.done, "a code of \(ttl) would be made")
        }
        do {
            let invitation = try self.shell.links.invite(self.pairingSelf, ttl: ttl)
            self.shell.log.emit(.pairInvited, "", ["by": call.by])
            call.finish(
                .done, "",
                PairInvitation(
                    code: invitation.code, address: self.ownAddress,
                    fingerprint: self.shell.identity.fingerprint,
                    expiresAt: WallTime(
                        secondsSince1970: WallClock.seconds + Int64(parameters.ttlSeconds))))
        } catch {
            call.finish(.failed, "\(error)")
        }
    }

    private func join(_ call: OperatorCall, _ parameters: ControlCommand.Join) {
        guard self.record.peer == nil else {
            return call.finish(.refused, "this node is paired with \(self.peerName) already")
        }
        guard let address = HostPort(parameters.address) else {
            return call.finish(.usage, "\(parameters.address): write HOST:PORT")
        }
        if call.request.dryRun {
            return call.finish(.done, "this node would join the pair at \(address)")
        }
        let shell = self.shell
        shell.links.join(address, code: parameters.code, as: self.pairingSelf) { result in
            switch result {
            case .success(let pairing):
                shell.post(.paired(pairing))
                call.finish(
                    .done, "paired with \(pairing.name); nothing has been copied yet",
                    Self.description(of: shell, pairing))
            case .failure(let error):
                shell.log.emit(.pairCodeFailed, level: .warning, "\(error)")
                call.finish(.refused, "\(error)")
            }
        }
    }

    /// Takes the pairing into the loop; the record was made durable before the peer was told.
    func finishPairing(_ result: PairingResult) {
        self.shell.log.emit(
            .pairEstablished, "", ["peer": result.name, "address": result.address])
        self.shell.applyPeer()
    }
}
