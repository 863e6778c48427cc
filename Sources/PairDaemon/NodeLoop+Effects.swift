import Logging
import PairCore
import PairNet
import PairStore
import PairWire

// What the machine asks for, done in the world.
extension NodeLoop {
    /// Carries out effects in order; after one that fails the rest is dropped and the machine told.
    func carryOut(_ effects: [Failover.Effect]) {
        for (index, effect) in effects.enumerated() {
            do {
                try self.carryOut(effect)
            } catch {
                self.shell.report(
                    error,
                    during: .effect,
                    level: .critical,
                    ["effect": effect.name]
                )
                self.failure = "\(error)"
                // The machine takes this for under way, and does not ask for it again.
                if effects[index...].contains(.closeGate) { self.closeGate() }
                guard var failover = self.failover, failover.nodeState != .failed else { return }
                let effects = failover.handle(.storageFailed, at: self.shell.now)
                self.failover = failover
                return self.carryOut(effects)
            }
        }
    }

    private func carryOut(_ effect: Failover.Effect) throws {
        switch effect {
        case .persist(let record):
            let old = self.shell.keeper.current
            try self.keepLog(leaving: old, for: record)
            try self.shell.keeper.store(record)
            self.noteChanges(since: old)
            self.stopWaitingForVault(as: record.role)
        case .openGate(let epoch): try self.openGate(under: epoch)
        case .closeGate: self.closeGate()
        case .setMarker: try self.setMarker(true)
        case .clearMarker: try self.setMarker(false)
        case .send(let message): self.send(message)
        case .checkVault: self.checkVault()
        case .probeReach: self.probeReach()
        case .locate(let inquiry): self.locate(inquiry)
        case .serveLog(let epoch): try self.serveLog(under: epoch)
        case .followLog(let epoch): self.want(.follow, of: epoch)
        case .takeCopy(let epoch): self.want(.copy, of: epoch)
        case .undo: self.want(.undo, of: self.rejoiningEpoch)
        case .stopLog: self.stopLog()
        case .sealTail(let fork): self.sealTail(after: fork)
        case .copyTail(let id): self.want(.archive(id), of: self.rejoiningEpoch)
        case .reply(let id, let reply): self.answer(id, reply)
        case .report(let report): self.take(report)
        }
    }

    /// The epoch of the primary whose history this node is about to take.
    private var rejoiningEpoch: Epoch { self.failover?.primaryLineage?.epoch ?? self.record.epoch }

    // MARK: Words

    private func send(_ message: PeerMessage) {
        switch message {
        case .statement(let statement): self.send(statement)
        case .heartbeat(let heartbeat): self.send(heartbeat)
        }
    }

    private func send(_ statement: Statement) {
        guard self.controlLink != nil, let peer = self.record.peer else { return }
        let codec = StatementCodec(
            pair: peer.pair,
            sender: self.record.identity.node,
            receiver: peer.node
        )
        let bytes = codec.encode(statement)
        do {
            self.say(.statement(signed: bytes + (try self.shell.identity.sign(bytes))))
        } catch {
            self.shell.log.emit(.storageError, level: .critical, "signing a statement: \(error)")
        }
    }

    private func send(_ heartbeat: Heartbeat) {
        guard let link = self.heartbeatLink, let peer = self.record.peer else { return }
        let codec = HeartbeatCodec(
            pair: peer.pair,
            sender: self.record.identity.node,
            receiver: peer.node
        )
        let bytes = codec.encode(heartbeat)
        do {
            link.send(
                type: heartbeat.kind.rawValue,
                payload: bytes + (try self.shell.identity.sign(bytes))
            )
            self.noteSent(heartbeat)
        } catch {
            self.shell.log.emit(.storageError, level: .critical, "signing a heartbeat: \(error)")
        }
    }

    func hear(_ message: PeerMessage) {
        self.markHeard()
        switch message {
        case .heartbeat(let heartbeat): self.noteHeard(heartbeat)
        case .statement(let statement):
            // What is about to be handed over to must still be there at this moment.
            if statement.operation?.verb == .switchover { self.lookForCopy() }
        }
        self.tell(.received(message, fresh: .random))
        self.askThoseUnheard()
    }

    // MARK: Operators

    /// How what an operator asked for has ended, or that it goes on.
    private func answer(_ id: OperationID, _ reply: Failover.Reply) {
        guard let call = self.calls[id] else { return }
        let report = self.operationReport(id)
        switch reply {
        case .started:
            guard call.isContentWithBeginning else { return call.tell("under way") }
            call.finish(.done, "under way; pairctl status shows how far it is", report)
        case .done:
            if call.waitsForProtection {
                self.waitingForProtection.append(call)
            } else {
                call.finish(.done, self.doneText(call), report)
            }
        case .nothingToDo: call.finish(.done, "nothing to do: \(self.standingText)", report)
        case .aborted:
            call.finish(
                .failed,
                "called off\(self.calledOffReason(for: call)); nothing is lost and the old state is "
                    + "kept: \(self.standingText)",
                report
            )
        case .refused(let refusal):
            let (exit, text) = self.explain(refusal, of: call)
            call.finish(exit, text, report)
        }
        self.calls[id] = nil
    }

    /// The machine's events as log lines, metrics and history.
    private func take(_ report: Failover.Report) {
        let log = self.shell.log
        switch report {
        case .promoted(let epoch, let cause): self.tookOver(epoch, cause)
        case .demoted:
            self.noteDemoted()
            log.emit(
                .roleDemoted,
                level: .notice,
                "applications that had the vault open must reconnect to write again, elsewhere"
            )
        case .fenced: log.emit(.gateClosed, level: .warning, "the right to serve is in question")
        case .alone:
            log.emit(
                .peerDown,
                level: .warning,
                "the lease has lapsed; the peer may promote itself"
            )
        case .armed(let generation):
            log.emit(
                .peerArmed,
                "the secondary may promote itself",
                ["generation": "\(generation)"]
            )
        case .disarmed: log.emit(.peerDisarmed, level: .notice)
        case .heartbeatRejected:
            self.shell.metrics.count(.heartbeatsRejected, "stale")
            let isStream = self.lateHeartbeats.note(at: self.shell.now)
            log.emit(
                .heartbeatRejected,
                level: isStream ? .warning : .info,
                isStream
                    ? "late or repeated, again and again: a copy of this node, or somebody who replays"
                    : "late: said before the nodes knew each other's last start",
                ["reason": "stale"]
            )
        case .stalePrimarySeen(let epoch):
            log.emit(.stalePrimarySeen, level: .warning, "", ["stale epoch": "\(epoch)"])
        case .refusedEpoch(let epoch):
            log.emit(
                .peerRejected,
                level: .error,
                "",
                ["reason": "an epoch that cannot be", "claimed epoch": "\(epoch)"]
            )
        case .switchoverStarted:
            self.switchover = self.failover?.handingOver
            self.calledOff = nil
            log.emit(.switchoverStart)
        case .switchoverAborted(let obstacle): self.noteCalledOff(because: obstacle)
        case .inDoubt: log.emit(.switchoverInDoubt, level: .warning)
        case .divergence(let fork):
            self.shell.metrics.count(.divergences)
            log.emit(
                .divergenceDetected,
                level: .warning,
                self.record.role == .primary
                    ? "\(self.peerName) was primary too: nothing is written until it is clear who goes on"
                    : "this node holds what \(self.peerName) lacks; it is archived first",
                ["fork": fork.map { "\($0)" } ?? "unknown"]
            )
        case .rolledBack(let position): log.emit(.divergenceResolved, "", ["at": "\(position)"])
        case .haDisabled: self.noteDisabled()
        case .haEnabled: log.emit(.haEnabled)
        case .suspended: log.emit(.suspendOn)
        case .resumed: log.emit(.suspendOff)
        case .failed: self.noteFailed()
        }
    }

    private func noteDisabled() {
        self.calledOff = nil
        self.shell.log.emit(.haDisabled)
        let calls = self.waitingForProtection
        self.waitingForProtection = []
        for call in calls {
            call.finish(.failed, "HA has been switched off since; type: pairctl status")
        }
    }

    private func noteFailed() {
        self.shell.log.emit(.storageError, level: .critical, "this node is of no more use")
        self.endCalls(
            "this node is of no more use: \(self.failure ?? "see its log"); type: pairctl status"
        )
    }

    private func tookOver(_ epoch: Epoch, _ cause: EpochCause) {
        self.noteTakenOver(epoch, cause)
        self.shell.log.emit(
            .rolePromoted,
            level: .notice,
            "applications that had the vault open before must reconnect to write",
            ["epoch": "\(epoch)", "cause": cause.rawValue]
        )
    }
}

extension Nonce {
    /// 256 bits of the system's randomness.
    static var random: Nonce {
        func word() -> UInt64 { UInt64.random(in: 1 ... .max) }
        return Nonce(word(), word(), word(), word())
    }
}
