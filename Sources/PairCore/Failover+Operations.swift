/// What operators ask for, here or on the peer.
///
/// Every verb names its operation, so asking twice is asking once. What must outlive a restart is in
/// the record's `operation`; a request to the peer is repeated until its effect is seen.
extension Failover {
    /// The steps of `enableHA` in a record.
    enum EnablingStep {
        /// This node is the primary and waits for its peer to be armed.
        static let joining: UInt8 = 1
        /// As `joining`; then it hands over to the peer, where the verb was typed.
        static let joiningThenHandingOver: UInt8 = 2
        /// This node asks the peer, which serves, to let it join.
        static let asking: UInt8 = 3
        /// As `asking`; the peer gives up the vault that it serves alone.
        static let askingDiscarding: UInt8 = 4
    }

    /// The steps of `disableHA` in a record.
    enum DisablingStep {
        /// The peer is to give up its right to promote itself.
        static let askingForPledge: UInt8 = 1
        /// As `askingForPledge`; an operator vouches that it will not come.
        static let forced: UInt8 = 2
    }

    package var peerIsReachable: Bool {
        self.link.peer != nil && self.peerSilence <= self.timing.heartbeat + self.timing.absence
    }

    mutating func ask(_ request: Request) {
        guard self.record.peer != nil || request.verb == .standalone else {
            self.emit(.reply(request.id, .refused(.notPaired)))
            return
        }
        let reply: Reply =
            switch request.verb {
            case .enableHA: self.askToEnable(request)
            case .disableHA(let isForced): self.askToDisable(request, isForced: isForced)
            case .switchover: self.askToSwitch(request)
            case .promote(let isForced): self.askToPromote(request, isForced: isForced)
            case .suspend(let duration): self.askToSuspend(request, for: duration)
            case .resume: self.askToResume(request)
            case .standalone: self.askToStandAlone(request)
            }
        if reply == .started {
            self.awaited.append(Awaited(request: request, role: self.record.role))
        }
        self.emit(.reply(request.id, reply))
    }

    /// Carries out what the peer's operator asked of this node.
    mutating func serve(_ request: Request) {
        guard !self.record.abortedOperations.contains(request.id) else { return }
        switch request.verb {
        case .enableHA: self.enableForPeer(request)
        case .disableHA:
            // It is repeated until its effect is seen; taken back since, it is not begun again.
            guard self.record.role == .primary, self.link.servedRequest != request.id else {
                return
            }
            self.link.servedRequest = request.id
            self.beginDisabling(request)
        case .switchover, .promote:
            guard self.record.role == .primary else { return }
            _ = self.beginSwitchover(self.operation(request, .switchover, step: Self.preparing))
        case .suspend(let duration):
            // It is repeated until its effect is seen here; each time is the same suspension.
            guard self.record.role == .secondary, self.link.servedRequest != request.id else {
                return
            }
            self.link.servedRequest = request.id
            self.suspend(for: duration, by: request.by)
        case .resume:
            guard self.record.role == .secondary, self.record.suspension != nil else { return }
            self.resume()
        case .standalone: break
        }
    }

    func operation(
        _ request: Request,
        _ verb: NodeRecord.Operation.Verb,
        step: UInt8
    ) -> NodeRecord.Operation {
        NodeRecord.Operation(
            id: request.id,
            verb: verb,
            step: step,
            by: request.by,
            since: self.wallSeconds
        )
    }

    /// Repeats the request with every statement until `settleAwaited` sees its effect.
    mutating func forward(_ request: Request) -> Reply {
        guard self.peerIsReachable else { return .refused(.peerUnreachable) }
        self.link.request = request
        self.link.requestedAt = self.clock.longest
        self.state(asProbe: true)
        return .started
    }

    // MARK: Switching and promoting

    private mutating func askToSwitch(_ request: Request) -> Reply {
        switch self.record.role {
        case .primary:
            let operation = self.operation(request, .switchover, step: Self.preparing)
            return self.beginSwitchover(operation).map(Reply.refused) ?? .started
        case .secondary where self.peerHasLostVault: return .refused(.peerVaultLost)
        case .secondary: return self.forward(request)
        case .standalone, .none: return .refused(.haIsOff)
        }
    }

    private mutating func askToPromote(_ request: Request, isForced: Bool) -> Reply {
        switch self.state {
        case .secondary where self.isVaultMissing: return .refused(.vaultLost)
        case .secondary(let secondary):
            if let peer = self.link.peer, peer.relinquish?.successor == self.bit,
                peer.epoch == self.record.epoch, self.position == peer.relinquish?.position
            {
                self.emit(.stopLog)
                self.becomePrimary(cause: .switchover)
                return .done
            }
            if case .promoting = secondary.stage { return .started }
            guard !self.record.isSeeding else { return .refused(.thisNodeIsSeeding) }
            let left = self.timing.timeout - self.silence
            if isForced {
                self.beginPromoting(cause: .forced)
                return .started
            }
            if self.silence < self.timing.absence + self.timing.heartbeat, self.peerIsReachable,
                !self.peerHasLostVault
            {
                return self.forward(Request(id: request.id, verb: .switchover, by: request.by))
            }
            guard left <= .zero, self.record.policy.failover != .manual,
                self.record.arming.isArmed
            else {
                return .refused(.unsafe(secondsUntilSafe: Int(max(.zero, left) / .seconds(1))))
            }
            self.beginPromoting(cause: .failover)
            return .started
        case .primary(let primary):
            if primary.stage == .serving { return .nothingToDo }
            if isForced, primary.stage == .inDoubt, self.isVaultMissing, !self.peerIsHeardNow {
                // The doubt is over by an operator's word; only now is the vault looked at.
                self.persist { record in
                    record.relinquish = nil
                    record.operation = nil
                }
                self.emit(.clearMarker)
                self.lackVault()
            }
            guard !self.isVaultMissing else { return .refused(.vaultLost) }
            guard isForced, self.gate == .closed else {
                return .refused(.unsafe(secondsUntilSafe: 0))
            }
            self.becomePrimary(cause: .forced)
            return .done
        case .idle, .standalone, .starting, .failed: return .refused(.haIsOff)
        }
    }

    /// The primary that this node follows has no vault to serve, or to hand over.
    package var peerHasLostVault: Bool {
        guard let peer = self.link.peer else { return false }
        return peer.role == .primary && !peer.hasVault
    }

    // MARK: Suspending

    private mutating func askToSuspend(_ request: Request, for duration: Duration) -> Reply {
        switch self.record.role {
        case .primary: return self.forward(request)
        case .secondary:
            self.suspend(for: duration, by: request.by)
            return .done
        case .standalone, .none: return .refused(.haIsOff)
        }
    }

    private mutating func askToResume(_ request: Request) -> Reply {
        switch self.record.role {
        case .primary: return self.forward(request)
        case .secondary:
            self.resume()
            return .done
        case .standalone, .none: return .refused(.haIsOff)
        }
    }

    /// The pledge goes with it: the primary has the right alone until this ends.
    private mutating func suspend(for duration: Duration, by: String) {
        self.persist { record in
            record.suspension = NodeRecord.Suspension(remaining: duration, by: by)
            Self.disarm(&record)
        }
        if case .secondary(let secondary) = self.state,
            case .promoting(let promoting) = secondary.stage, promoting.cause == .failover
        {
            self.resumeFollowing()
        }
        self.emit(.report(.suspended))
        self.state(asProbe: true)
    }

    private mutating func resume() {
        self.persist { $0.suspension = nil }
        self.emit(.report(.resumed))
        self.state(asProbe: true)
    }

    /// The peer says that it is suspended for as long as it was asked to be.
    private func isSuspended(for duration: Duration) -> Bool {
        guard let suspension = self.link.peer?.suspension else {
            return self.record.suspension != nil
        }
        let elapsed = self.clock.longest - self.link.requestedAt
        return suspension.remaining <= duration
            && suspension.remaining + elapsed + self.timing.absence >= duration
    }

    // MARK: How requests end

    /// A peer that could not be reached must not carry out later what the operator has been told is
    /// called off.
    mutating func forgetOldRequest() {
        if self.link.request != nil { self.settleAwaited() }
    }

    /// Answers the operators whose wish has come true.
    mutating func settleAwaited() {
        if let request = self.link.request {
            let lifetime = self.timing.absence * 3 + self.timing.drainLimit
            let isOver =
                self.record.operation?.id != request.id
                && self.clock.longest - self.link.requestedAt > lifetime
            // Nobody but a secondary asks its peer to exchange the roles.
            let isFulfilled = self.isFulfilled(request, askedAs: .secondary)
            if isFulfilled || isOver {
                self.link.request = nil
                if !isFulfilled { self.abandon(request) }
            }
        }
        let fulfilled = self.awaited
            .filter { self.isFulfilled($0.request, askedAs: $0.role) }.map(\.request.id)
        self.endAwaited(.done) { fulfilled.contains($0.id) }
    }

    /// Gives up asking the peer: what was said may still be heard, and is not to be done then.
    private mutating func abandon(_ request: Request) {
        self.persist { [role = self.record.role] record in
            Self.callOff(request.id, in: &record)
            if role == .none, record.operation?.id == request.id { record.operation = nil }
        }
        self.endAwaited(.aborted) { $0.id == request.id }
    }

    /// Stops asking the peer for what has come about, or is called off.
    mutating func forgetRequest(_ id: OperationID) {
        if self.link.request?.id == id { self.link.request = nil }
    }

    /// This node never acts on that operation again, whoever asks for it.
    static func callOff(_ id: OperationID, in record: inout NodeRecord) {
        guard !record.abortedOperations.contains(id) else { return }
        record.abortedOperations.append(id)
        if record.abortedOperations.count > 64 { record.abortedOperations.removeFirst() }
    }

    mutating func endAwaited(_ reply: Reply, where isMeant: (Request) -> Bool) {
        for awaited in self.awaited where isMeant(awaited.request) {
            self.emit(.reply(awaited.request.id, reply))
        }
        self.awaited.removeAll { isMeant($0.request) }
    }

    /// - Parameter role: of this node when it was asked, which tells which way roles were to move.
    private func isFulfilled(_ request: Request, askedAs role: Role) -> Bool {
        let peer = self.link.peer
        return switch request.verb {
        case .enableHA:
            // Not before the peer has said that it is armed, which ends the operation.
            self.record.role == .primary && self.record.operation?.id != request.id
                && (self.record.right == .leased || self.record.policy.failover == .manual)
        case .disableHA:
            self.record.role == .standalone
                || self.record.role == .none && peer?.role == .standalone
        case .promote where self.record.role == .primary && self.gate == .open: true
        case .switchover, .promote:
            self.record.operation?.id != request.id
                && (role == .secondary
                    ? self.record.role == .primary && self.gate == .open && peer?.role == .secondary
                    : self.record.role == .secondary && peer?.role == .primary)
        case .suspend(let duration): self.isSuspended(for: duration)
        case .resume: self.record.suspension == nil && peer?.isSuspended != true
        case .standalone: self.record.role == .standalone
        }
    }
}
