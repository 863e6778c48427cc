import FoundationEssentials
import Logging
import PairCore
import PairNet
import PairStore
import PairWire

// What operators ask for, here or on the peer.
extension NodeLoop {
    func carryOut(_ call: OperatorCall) {
        switch call.request.command {
        case .status: call.finish(.done, "", self.report)
        case .pairInvite(let parameters): self.invite(call, parameters)
        case .pairJoin(let parameters): self.join(call, parameters)
        case .pairShow: call.finish(.done, "", self.pairDescription)
        case .pairRemove(let parameters): self.removePair(call, parameters)
        case .enableHA, .disableHA, .switchover, .promote, .suspend, .resume, .initialize:
            self.ask(call)
        case .verify(let parameters):
            self.atPrimary(call) { self.verify($0, full: parameters.full) }
        case .wait(let parameters): self.atPrimary(call) { self.wait($0, parameters.level) }
        case .tailList: self.listTails(call)
        case .history: self.tellHistory(call)
        case .events(let parameters): self.tellEvents(call, parameters)
        case .resolve, .tailShow, .tailExport, .tailDiscard:
            call.finish(.refused, "this version of paird cannot do that yet; nothing has changed")
        }
    }

    // MARK: Verbs that move roles

    /// How long `enable-ha` waits for a peer that has said nothing yet.
    private static let greetingLimit = Duration.seconds(5)

    /// Hands a verb to the machine, after what only the shell can know has been checked.
    ///
    /// - Parameter isPatient: `false` when the wait for the peer's first words is over.
    private func ask(_ call: OperatorCall, isPatient: Bool = true) {
        guard let failover = self.failover else {
            if isPatient, self.troubles.isEmpty {
                call.tell("the vault is being opened")
                self.untilHeard.append((call, self.shell.now + Self.greetingLimit))
                return
            }
            return call.finish(
                .failed,
                self.troubles.first ?? "the vault is still being opened; try again"
            )
        }
        guard var verb = call.verb else { return }
        if case .promote(isForced: true) = verb, self.servesOrFollows {
            verb = .promote(isForced: false)
        }
        if isPatient, case .enableHA = verb, !self.hasHeardPeer {
            call.tell("waiting to hear from \(self.peerName)")
            self.untilHeard.append((call, self.shell.now + Self.greetingLimit))
            return self.tell(.connected)
        }
        self.lookAtParkedVault()
        if self.needsVault(verb, failover), self.attachment == nil,
            let text = self.vaultRefusal(for: call)
        {
            return call.finish(.refused, text, self.operationReport(nil))
        }
        if let (exit, text) = self.objection(to: call) {
            return call.finish(exit, text, self.operationReport(nil))
        }
        let request = Request(
            id: OperationID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max)),
            verb: verb,
            by: call.by
        )
        if call.request.dryRun {
            let (exit, text) = self.rehearse(request, of: call)
            return call.finish(exit, text, self.operationReport(nil))
        }
        self.shell.log.emit(
            .operatorAction,
            "\(call.request.command.verb.rawValue)",
            call.fields
        )
        self.calls[request.id] = call
        guard self.needsVault(verb, failover), self.attachment == nil else {
            self.adoptBase(for: verb)
            return self.tell(.operatorAsked(request))
        }
        call.tell("taking custody of \(self.shell.configuration.vaultPath)")
        self.afterAttaching.append((.operatorAsked(request), call))
        if case .untouched = self.vault { self.attach(.open) }
    }

    /// Whether the peer has said what it is and what it holds; a node without a peer has nobody to
    /// wait for.
    private var hasHeardPeer: Bool {
        guard self.record.peer != nil else { return true }
        return self.controlLink != nil && self.presence != nil
            && self.failover?.peerIsReachable == true
    }

    /// Takes up what waited while the nodes were still greeting each other, as they do right after
    /// pairing and after a start; what a verb would do to the peer's vault is not known before.
    func askThoseUnheard() {
        let (isHeard, now) = (self.hasHeardPeer, self.shell.now)
        let isOpen = self.failover != nil
        let waiting = self.untilHeard
        self.untilHeard = []
        for (call, limit) in waiting {
            let needsPeer = if case .enableHA = call.request.command { true } else { false }
            if now >= limit || isOpen && (isHeard || !needsPeer) {
                self.ask(call, isPatient: false)
            } else {
                self.untilHeard.append((call, limit))
            }
        }
    }

    /// Whether the verb would make this node serve, which takes the vault in custody first.
    private func needsVault(_ verb: Request.Verb, _ failover: Failover) -> Bool {
        switch verb {
        case .standalone: true
        case .enableHA:
            failover.record.role == .none
                && (self.presence?.role == Role.none
                    || self.presence?.role == .standalone && !self.peerHoldsVault)
        case .disableHA, .switchover, .promote, .suspend, .resume: false
        }
    }

    /// A vault without a history gets its first position before the machine names it a fork.
    func adoptBase(for verb: Request.Verb) {
        guard self.captureEpoch == nil, self.restPosition == nil, self.attachment != nil,
            let newest = self.shell.vault.log.newest
        else { return }
        self.lastLogged = newest
        self.tell(.positionChanged(self.normalized(newest)))
    }

    func failWaitingForVault(_ reason: String) {
        let waiting = self.afterAttaching
        guard !waiting.isEmpty else { return }
        self.afterAttaching = []
        // Attached for these calls alone; whatever else needs the vault is tried on.
        if self.record.role == .none, !self.isJoining {
            self.vault = .untouched
            self.attachTrouble = nil
        }
        for (event, call) in waiting {
            if case .operatorAsked(let request) = event { self.calls[request.id] = nil }
            call.finish(.failed, reason, self.operationReport(nil))
        }
    }

    /// The peer's role by its newest statement, which is ahead of what it says for display.
    var peerRole: Role? { self.failover?.link.peer?.role ?? self.presence?.role }

    var standingText: String {
        let record = self.record
        // The peer's word is from before a promotion here.
        let isOld = record.role == .primary && self.peerRole == .primary
        let verb = isOld ? "was, when last heard," : "is"
        let peer = self.peerRole.map { ", \(self.peerName) \(verb) \($0.rawValue)" } ?? ""
        return "\(self.localName) is \(record.role.rawValue)\(peer)"
    }

    /// What a verb has brought about.
    func doneText(_ call: OperatorCall) -> String {
        switch call.request.command {
        case .suspend:
            let end = self.suspendedUntil.map { " until \($0.minute) UTC" } ?? ""
            return "automatic failover is suspended\(end)"
        case .resume where self.failover?.secondaryIsArmed == true:
            return "automatic failover is allowed again"
        case .resume:
            return
                "the suspension is over; the secondary promotes itself only when it is armed, and "
                + "it is armed as soon as both nodes hear each other; pairctl status shows it"
        default: return self.standingText
        }
    }

    /// Nothing of what was asked for goes on.
    func endCalls(_ text: String) {
        let calls = Array(self.calls.values) + self.waitingForProtection
        self.calls = [:]
        self.waitingForProtection = []
        for call in calls { call.finish(.failed, text) }
    }

    /// Tells those who have waited as long as they wanted to how it stands; nothing is called off.
    private func answerThoseOutOfTime() {
        let now = self.shell.now
        let late =
            self.calls.values.filter { $0.isOutOfTime(at: now) }
            + self.waitingForProtection.filter { $0.isOutOfTime(at: now) }
        guard !late.isEmpty else { return }
        self.calls = self.calls.filter { !$0.value.isOutOfTime(at: now) }
        self.waitingForProtection.removeAll { $0.isOutOfTime(at: now) }
        for call in late {
            let waysOut = self.isPeerHeard ? "" : self.waysOut(of: call)
            call.finish(
                .timedOut,
                "not finished in this time; it may still finish; now: \(self.standingText); "
                    + "type: pairctl status --watch\(waysOut)"
            )
        }
    }

    /// Says once to those whose verb waits for the peer that it is away, and what they can do.
    private func tellThoseWhoWaitForPeer() {
        guard !self.isPeerHeard else { return self.toldAway = [] }
        for (id, call) in self.calls where self.toldAway.insert(id).inserted {
            call.tell("\(self.peerName) cannot be reached; waiting\(self.waysOut(of: call))")
        }
    }

    /// What else can be typed while a verb waits for the peer.
    private func waysOut(of call: OperatorCall) -> String {
        guard case .disableHA = call.request.command, self.record.role == .primary else {
            return ""
        }
        return "; to take it back: pairctl enable-ha; if \(self.peerName) is known to be down: "
            + "pairctl disable-ha --force --confirm \(self.peerName)"
    }

    func answerThoseWhoWait() {
        self.answerThoseOutOfTime()
        self.tellThoseWhoWaitForPeer()
        self.answerLateQuestions()
        guard !self.waitingForProtection.isEmpty else { return }
        if self.isWhole {
            let verdict = self.judgement.verdict.rawValue
            let calls = self.waitingForProtection
            self.waitingForProtection = []
            for call in calls {
                call.finish(
                    .done,
                    "\(self.standingText): \(verdict)",
                    self.operationReport(nil)
                )
            }
        } else if let copy = self.shell.figures.values.copy {
            for call in self.waitingForProtection {
                call.tell("copying", doneBytes: copy.doneBytes, totalBytes: copy.totalBytes)
            }
        }
    }

    func operationReport(_ operation: OperationID?) -> OperationReport {
        let role = self.record.role
        return OperationReport(
            operation: operation,
            primary: role == .primary ? self.localName : role == .secondary ? self.peerName : nil,
            secondary: role == .primary ? self.peerName : role == .secondary ? self.localName : nil,
            verdict: self.judgement.verdict
        )
    }

    var localName: String { self.record.identity.name }
    var peerName: String { self.presence?.name ?? self.record.peer?.name ?? "the peer" }

    // MARK: Verbs that only the primary can answer

    /// Carries a request out here on the primary, or sends it to the primary and its answer back.
    private func atPrimary(_ call: OperatorCall, _ work: (OperatorCall) -> Void) {
        switch self.record.role {
        case .primary: return work(call)
        case .secondary:
            guard self.controlLink != nil else {
                return call.finish(
                    .unavailable,
                    "the primary, \(self.peerName), is not connected; type the command there"
                )
            }
            let id = self.nextID
            self.nextID += 1
            self.forwards[id] = call
            do {
                self.say(.forward(id: id, request: Array(try JSONEncoder().encode(call.request))))
            } catch {
                self.forwards[id] = nil
                call.finish(.failed, "\(error)")
            }
        case .standalone, .none:
            call.finish(
                .refused,
                "HA is not on here (\(self.state.rawValue)); pairctl status says what to do"
            )
        }
    }

    func carryOutForPeer(_ id: UInt64, _ request: [UInt8]) {
        let connection = self.controlLink
        let decoded: ControlRequest
        do {
            decoded = try JSONDecoder().decode(ControlRequest.self, from: Data(request))
        } catch {
            self.shell.log.emit(
                .peerRejected,
                level: .warning,
                "a forwarded request is no request"
            )
            let answer = ControlMessage.forwarded(
                id: id,
                line: OperatorCall.ReplyLine.unknownRequest.bytes,
                isLast: true
            )
            connection?.send(type: answer.kind.rawValue, payload: answer.payload)
            return
        }
        let call = OperatorCall(
            request: decoded,
            by: "an operator on \(self.peerName)",
            asked: self.shell.now,
            reply: { line in
                let message = ControlMessage.forwarded(
                    id: id,
                    line: line.bytes,
                    isLast: line.isLast
                )
                connection?.send(type: message.kind.rawValue, payload: message.payload)
            }
        )
        switch decoded.command {
        case .verify, .wait:
            guard self.record.role == .primary else {
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
}

extension OperatorCall {
    /// The machine's verb for what was typed; `nil` for verbs that are none of its business.
    fileprivate var verb: Request.Verb? {
        switch self.request.command {
        case .enableHA(let parameters):
            .enableHA(discardingPeerVault: parameters.discardPeerVault)
        case .disableHA(let parameters): .disableHA(isForced: parameters.force)
        case .switchover: .switchover
        case .promote(let parameters): .promote(isForced: parameters.force)
        case .suspend(let parameters): .suspend(for: .seconds(parameters.seconds))
        case .resume: .resume
        case .initialize: .standalone
        case .status, .pairInvite, .pairJoin, .pairShow, .pairRemove, .resolve, .tailList,
            .tailShow,
            .tailExport, .tailDiscard, .verify, .wait, .history, .events:
            nil
        }
    }
}
