import Logging
import PairCore
import PairStore
import PairWire

/// An enable-ha under way on the node it was typed on.
struct Enabling {
    var call: OperatorCall?
    var proposal: ControlMessage.EnableProposal
    var waits: Bool
    var isAccepted = false
    var since: Instant
}

// enable-ha, first form: the node it is typed on becomes primary, its peer is seeded.
//
// Order: the peer says that it can (nothing changes) → this node's vault is attached → PRIMARY and
// the epoch are durable here → the peer is told and makes SECONDARY durable there. A crash before
// the third step leaves everything as it was; after it the order is repeated until it is answered.
extension NodeLoop {
    func enable(_ call: OperatorCall, _ parameters: ControlCommand.Enable) {
        do throws(ControlMessage.Refusal) {
            if let done = try self.repeated(call, parameters) {
                return call.finish(.done, done, self.operationReport(nil))
            }
            let proposal = try self.proposal(parameters)
            if call.request.dryRun {
                return call.finish(.done, self.preview(proposal), self.operationReport(nil))
            }
            self.remember { record in
                record.operation = NodeRecord.Operation(
                    id: proposal.operation, verb: .enableHA, step: 1, by: call.by,
                    since: WallClock.seconds)
            }
            self.enabling = Enabling(
                call: call, proposal: proposal, waits: parameters.wait, since: self.shell.now)
            self.shell.log.emit(.operatorAction, "enable-ha", ["by": call.by])
            call.tell("asking \(self.peerName) to become the secondary")
            self.say(.enableProposal(proposal))
        } catch {
            call.finish(
                ControlExit(rawValue: Int32(error.exitCode)) ?? .failed, error.text,
                self.operationReport(nil))
        }
    }

    /// What a repeated enable-ha on a primary means; `nil` when there is something to do.
    private func repeated(
        _ call: OperatorCall, _ parameters: ControlCommand.Enable
    ) throws(ControlMessage.Refusal) -> String? {
        guard self.enabling == nil else {
            throw ControlMessage.Refusal(
                exitCode: 10, text: "an enable-ha is already under way; pairctl status shows it")
        }
        guard self.record.role == .primary else { return nil }
        // A peer without a role yet, or whose vault stood in the way, is asked again.
        if let presence = self.presence, presence.role == .none { return nil }
        return self.judgement.verdict == .protected
            ? "nothing to do: \(self.localName) is primary and \(self.peerName) follows it"
            : "\(self.localName) is primary already; \(self.peerName) comes level by itself"
    }

    private func proposal(
        _ parameters: ControlCommand.Enable
    ) throws(ControlMessage.Refusal) -> ControlMessage.EnableProposal {
        let record = self.record
        guard let peer = record.peer else {
            throw ControlMessage.Refusal(
                exitCode: 10,
                text: "this node has no peer; type here: pairctl pair invite, and on the other "
                    + "node: pairctl pair join HOST:PORT")
        }
        guard record.role != .secondary else {
            throw ControlMessage.Refusal(
                exitCode: 10,
                text: "\(self.localName) is the secondary of \(peer.name), which serves the vault; "
                    + "exchanging the roles is not possible in this version")
        }
        guard self.controlLink != nil, let presence = self.presence else {
            throw ControlMessage.Refusal(
                exitCode: 10,
                text: "\(peer.name) (\(peer.address)) cannot be reached, and it may hold newer data; "
                    + "start paird there and type enable-ha again")
        }
        guard presence.role != .primary, presence.role != .standalone else {
            throw ControlMessage.Refusal(
                exitCode: 10,
                text: "\(peer.name) serves the vault as \(presence.role.rawValue); "
                    + "type enable-ha there")
        }
        let pageSize = try self.ownPageSize()
        let vault = peer.vault ?? VaultID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max))
        try self.checkPeerVault(presence, vault: peer.vault, pageSize, parameters)
        return ControlMessage.EnableProposal(
            operation: OperationID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max)),
            epoch: self.proposedEpoch(peer.bit, presence),
            vault: vault, pageSize: pageSize, discardsVault: parameters.discardPeerVault)
    }

    /// The primary's own epoch when it only admits its peer; else one above all known.
    private func proposedEpoch(_ bit: NodeBit, _ presence: Presence) -> Epoch {
        if case .primary = self.standing { return self.record.epoch }
        return max(
            self.record.epoch, self.record.lineage.epoch, presence.epoch, presence.lineage.epoch
        ).next(ownedBy: bit)
    }

    private func ownPageSize() throws(ControlMessage.Refusal) -> PageSize {
        if case .primary = self.standing, let size = self.shell.vault.pageSize { return size }
        switch Vault.inspect(path: self.shell.configuration.vaultPath) {
        case .withTables(let size), .withoutTables(let size): return size
        case .missing:
            throw ControlMessage.Refusal(
                exitCode: 10,
                text: "there is no vault at \(self.shell.configuration.vaultPath); let the "
                    + "application create it in WAL mode, or type enable-ha on \(self.peerName)")
        case .unusable(let reason): throw ControlMessage.Refusal(exitCode: 10, text: reason)
        }
    }

    private func checkPeerVault(
        _ presence: Presence, vault: VaultID?, _ pageSize: PageSize,
        _ parameters: ControlCommand.Enable
    ) throws(ControlMessage.Refusal) {
        switch presence.content {
        case .missing, .withoutTables: return
        case .unusable(let reason):
            throw ControlMessage.Refusal(
                exitCode: 10, text: "the vault of \(presence.name) cannot be used: \(reason)")
        case .withTables:
            if let vault, presence.vault == vault, !parameters.discardPeerVault { return }
            guard parameters.discardPeerVault else {
                throw ControlMessage.Refusal(
                    exitCode: 11,
                    text: "\(presence.name) holds a vault of its own, which would be given up; to "
                        + "move it aside there and copy this node's: pairctl enable-ha "
                        + "--discard-peer-vault --confirm \(presence.name)")
            }
            guard parameters.confirm == presence.name else {
                throw ControlMessage.Refusal(
                    exitCode: 11,
                    text: "--discard-peer-vault needs --confirm \(presence.name), the node whose "
                        + "vault is given up")
            }
        }
    }

    private func preview(_ proposal: ControlMessage.EnableProposal) -> String {
        let aside = proposal.discardsVault ? " after moving its own vault aside" : ""
        return "\(self.localName) would become primary under epoch \(proposal.epoch), and "
            + "\(self.peerName) its secondary with a copy of this vault\(aside)"
    }

    // MARK: The peer's side

    func consider(_ proposal: ControlMessage.EnableProposal) {
        self.say(
            .enableAnswer(
                ControlMessage.EnableAnswer(
                    operation: proposal.operation, refusal: self.objection(to: proposal))))
    }

    private func objection(
        to proposal: ControlMessage.EnableProposal
    ) -> ControlMessage.Refusal? {
        func refuse(_ code: UInt8, _ text: String) -> ControlMessage.Refusal {
            ControlMessage.Refusal(exitCode: code, text: "\(self.localName): \(text)")
        }
        let record = self.record
        if record.role == .primary || record.role == .standalone {
            return refuse(10, "this node serves as \(record.role.rawValue)")
        }
        guard proposal.epoch > record.epoch,
            proposal.epoch.rawValue - record.epoch.rawValue <= 1 << 20
        else { return refuse(10, "epoch \(proposal.epoch) does not follow \(record.epoch)") }
        if self.enabling != nil, record.peer?.bit == .zero {
            return refuse(10, "an enable-ha typed here is under way")
        }
        switch self.content {
        case .missing, .withoutTables: return nil
        case .unusable(let reason): return proposal.discardsVault ? nil : refuse(10, reason)
        case .withTables:
            let isOurs = record.peer?.vault == proposal.vault && record.role == .secondary
            return isOurs || proposal.discardsVault
                ? nil : refuse(11, "this node holds a vault of its own")
        }
    }

    func obey(_ order: ControlMessage.EnableOrder) {
        let proposal = order.proposal
        let record = self.record
        if record.role == .secondary, record.epoch == proposal.epoch {
            return self.answer(proposal, nil)
        }
        if let objection = self.objection(to: proposal) { return self.answer(proposal, objection) }
        do {
            if proposal.discardsVault, self.content.mayHoldData {
                let folder = try self.shell.vault.moveAside()
                self.shell.log.emit(
                    .vaultReplaced, level: .notice, "the vault was moved aside", ["to": folder])
            }
            let isCopy = record.role == .secondary
            try self.shell.keeper.update { record in
                record.role = .secondary
                record.right = .solo
                record.epoch = proposal.epoch
                record.lineage = order.lineage
                record.peer?.vault = proposal.vault
                record.peer?.wasEnabled = true
                record.isSeeding = record.isSeeding || !isCopy
                record.operation = nil
            }
        } catch {
            return self.answer(
                proposal,
                ControlMessage.Refusal(exitCode: 1, text: "\(self.localName): \(error)"))
        }
        self.shell.log.emit(.haEnabled, "this node is the secondary of \(self.peerName)")
        self.shell.figures.reset()
        self.attachAsSecondary()
        self.answer(proposal, nil)
    }

    private func answer(
        _ proposal: ControlMessage.EnableProposal, _ refusal: ControlMessage.Refusal?
    ) {
        self.say(
            .enableAnswer(
                ControlMessage.EnableAnswer(operation: proposal.operation, refusal: refusal)))
    }

    // MARK: Back on the node it was typed on

    func takeAnswer(_ answer: ControlMessage.EnableAnswer) {
        guard var enabling = self.enabling, enabling.proposal.operation == answer.operation else {
            if self.record.operation?.id == answer.operation { self.finishOrder(answer.refusal) }
            return
        }
        if enabling.isAccepted { return self.finishOrder(answer.refusal) }
        if let refusal = answer.refusal {
            return self.failEnabling(refusal.text, exitCode: refusal.exitCode)
        }
        enabling.isAccepted = true
        self.enabling = enabling
        if case .primary = self.standing {
            self.remember { $0.operation?.step = Self.orderStep(enabling.proposal) }
            return self.orderPeer()
        }
        enabling.call?.tell("taking custody of \(self.shell.configuration.vaultPath)")
        self.attach(.open)
    }

    /// As a new primary: tells the peer, on every new connection until it has answered.
    func orderPeer() {
        guard case .primary = self.standing, let operation = self.record.operation,
            operation.verb == .enableHA, let pageSize = self.shell.vault.pageSize,
            let vault = self.record.peer?.vault
        else { return }
        let proposal =
            self.enabling?.proposal
            ?? ControlMessage.EnableProposal(
                operation: operation.id, epoch: self.record.epoch, vault: vault,
                pageSize: pageSize, discardsVault: operation.step == 3)
        guard operation.step >= 2 else { return }
        self.say(
            .enableOrder(
                ControlMessage.EnableOrder(proposal: proposal, lineage: self.record.lineage)))
    }

    /// The persisted step of a node that is primary and has yet to be answered.
    static func orderStep(_ proposal: ControlMessage.EnableProposal) -> UInt8 {
        proposal.discardsVault ? 3 : 2
    }

    private func finishOrder(_ refusal: ControlMessage.Refusal?) {
        self.remember { $0.operation = nil }
        let enabling = self.enabling
        self.enabling = nil
        if let refusal {
            self.sourceTrouble = refusal.text
            enabling?.call?.finish(
                .failed, "\(self.localName) is primary, but \(refusal.text)",
                self.operationReport(nil))
            return
        }
        self.shell.log.emit(.haEnabled, "this node is primary", ["secondary": self.peerName])
        guard let enabling, let call = enabling.call else { return }
        if enabling.waits {
            call.tell("\(self.peerName) takes its copy")
            self.waitingForProtection.append(call)
        } else {
            call.finish(
                .done, "\(self.localName) is primary; \(self.peerName) takes its copy",
                self.operationReport(enabling.proposal.operation))
        }
    }

    func failEnabling(_ text: String, exitCode: UInt8 = 1) {
        guard let enabling = self.enabling else { return }
        self.enabling = nil
        self.remember { $0.operation = nil }
        if self.record.role == .none { self.standing = .unmanaged }
        enabling.call?.finish(
            ControlExit(rawValue: Int32(exitCode)) ?? .failed, text, self.operationReport(nil))
    }

    /// Gives up a proposal that nobody answers.
    func checkEnabling(_ now: Instant) {
        guard let enabling = self.enabling, !enabling.isAccepted,
            now - enabling.since > .seconds(5)
        else { return }
        self.failEnabling("\(self.peerName) did not answer; nothing has changed")
    }

    func answerThoseWhoWait() {
        guard !self.waitingForProtection.isEmpty else { return }
        let judgement = self.judgement
        if judgement.verdict == .protected {
            let calls = self.waitingForProtection
            self.waitingForProtection = []
            for call in calls {
                call.finish(
                    .done, "\(self.localName) is primary, \(self.peerName) follows it: protected",
                    self.operationReport(nil))
            }
        } else if let copy = self.shell.figures.values.copy {
            for call in self.waitingForProtection {
                call.tell("copying", doneBytes: copy.doneBytes, totalBytes: copy.totalBytes)
            }
        }
    }

    func operationReport(_ operation: OperationID?) -> OperationReport {
        let isPrimary = self.record.role == .primary
        let isSecondary = self.record.role == .secondary
        return OperationReport(
            operation: operation,
            primary: isPrimary ? self.localName : isSecondary ? self.peerName : nil,
            secondary: isPrimary ? self.peerName : isSecondary ? self.localName : nil,
            verdict: self.judgement.verdict)
    }

    var localName: String { self.record.identity.name }
    var peerName: String { self.record.peer?.name ?? "the peer" }
}

extension VaultContent {
    /// Whether something would be lost with it.
    var mayHoldData: Bool {
        switch self {
        case .missing, .withoutTables: false
        case .withTables, .unusable: true
        }
    }
}
