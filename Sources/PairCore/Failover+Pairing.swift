/// Switching high availability on and off.
extension Failover {
    // MARK: On

    mutating func askToEnable(_ request: Request) -> Reply {
        if self.record.role == .primary, self.record.operation?.verb == .disableHA {
            return self.takeBackDisabling(request)
        }
        guard self.peerIsReachable, let peer = self.link.peer else {
            return .refused(.peerUnreachable)
        }
        let joining = self.operation(request, .enableHA, step: EnablingStep.joining)
        switch (self.record.role, peer.role) {
        case (.primary, _):
            if self.isVaultLost { return .refused(.vaultLost) }
            if let other = self.record.operation, other.verb != .enableHA {
                return .refused(.busy(other.id))
            }
            if self.record.right == .leased { return .nothingToDo }
            self.persist { $0.operation = joining }
            self.state(asProbe: true)
        case (.standalone, _) where self.isVaultMissing: return .refused(.vaultLost)
        case (.standalone, .none), (.none, .none), (.none, .standalone), (.none, .primary):
            // The peer's word may be old, so it is asked: one that does not serve joins first, one
            // that serves becomes the primary; this node acts on what the peer has persisted.
            var asking = joining
            asking.step = EnablingStep.asking
            self.persist { $0.operation = asking }
            self.repeatAsking()
            self.state(asProbe: true)
        case (.secondary, .primary) where self.peerHasLostVault: return .refused(.peerVaultLost)
        // Under way already: the same end is waited for.
        case (.secondary, .primary) where self.record.operation?.verb == .enableHA: break
        case (.secondary, .primary):
            self.link.request = request
            self.link.requestedAt = self.clock.longest
            self.state(asProbe: true)
        case (.standalone, .standalone):
            let isDiscarding =
                if case .enableHA(discardingPeerVault: true) = request.verb { true } else { false }
            // Nothing is given up where there is nothing.
            guard isDiscarding || !peer.hasVault else { return .refused(.bothServe) }
            var asking = joining
            asking.step = isDiscarding ? EnablingStep.askingDiscarding : EnablingStep.asking
            self.persist { $0.operation = asking }
            self.repeatAsking()
            self.state(asProbe: true)
        case (.standalone, .primary), (.standalone, .secondary): return .refused(.haIsOn)
        case (.none, .secondary), (.secondary, .none), (.secondary, .secondary),
            (.secondary, .standalone):
            return .refused(.wrongRole(peer.role))
        }
        return .started
    }

    /// The peer need not be there: what it has given up already it is asked to take up again.
    private mutating func takeBackDisabling(_ request: Request) -> Reply {
        let joining = self.operation(request, .enableHA, step: EnablingStep.joining)
        let withdrawn = self.record.operation?.id
        self.endAwaited(.aborted) { if case .disableHA = $0.verb { true } else { false } }
        self.persist { record in
            if let withdrawn { Self.callOff(withdrawn, in: &record) }
            record.operation = joining
        }
        self.state(asProbe: true)
        return .started
    }

    /// The request of an operation that outlives restarts.
    mutating func repeatAsking() {
        guard let operation = self.record.operation, operation.verb == .enableHA,
            operation.step == EnablingStep.asking
                || operation.step == EnablingStep.askingDiscarding
        else { return }
        let isDiscarding = operation.step == EnablingStep.askingDiscarding
        self.link.request = Request(
            id: operation.id,
            verb: .enableHA(discardingPeerVault: isDiscarding),
            by: operation.by
        )
        self.link.requestedAt = self.clock.longest
    }

    /// The peer is to become the primary.
    ///
    /// A node that serves becomes the primary first, lets the peer join, and hands over when it is in
    /// sync. One that does not serve joins, and thereby lets the peer begin.
    mutating func enableForPeer(_ request: Request) {
        let operation = self.operation(
            request,
            .enableHA,
            step: EnablingStep.joiningThenHandingOver
        )
        switch self.state {
        case .standalone where self.isVaultMissing: self.closeThenJoin()
        case .standalone where self.link.peer?.role == Role.none:
            guard self.givesWay(to: request) else { return }
            self.becomePrimary(cause: .enable, operation: operation)
            self.emit(.report(.haEnabled))
        case .standalone where self.isAskedToGiveUp:
            // Two operators at once: node 0's vault stays. Else nothing is given up before it is
            // closed, sealed, and on the peer's disk.
            if let own = self.record.operation {
                guard self.bit == .one else { return }
                self.endAwaited(.refused(.busy(request.id))) { $0.id == own.id }
            }
            self.closeThenJoin()
        case .primary(let primary):
            guard primary.stage == .serving, self.record.operation == nil else { return }
            self.persist { $0.operation = operation }
            self.state(asProbe: true)
        case .idle:
            guard self.givesWay(to: request) else { return }
            self.closeThenJoin()
        case .starting, .standalone, .secondary, .failed: break
        }
    }

    /// Two nodes asked at once: node 0's operation goes on.
    private mutating func givesWay(to request: Request) -> Bool {
        guard let own = self.record.operation else { return true }
        guard self.bit == .one else { return false }
        self.persist { $0.operation = nil }
        self.link.request = nil
        self.endAwaited(.refused(.busy(request.id))) { $0.id == own.id }
        return true
    }

    private mutating func closeThenJoin() {
        switch self.gate {
        case .closed: self.join()
        case .unmanaged, .open: self.closeGate()
        case .closing: break
        }
    }

    /// The peer, which serves alone as this node does, is to be the primary: an operator there has
    /// named this node's vault as the one to give up.
    private var isAskedToGiveUp: Bool {
        guard let peer = self.link.peer, peer.role == .standalone,
            case .enableHA(discardingPeerVault: true) = peer.request?.verb
        else { return false }
        return true
    }

    /// The gate of a node that serves alone closes only to give its vault up.
    mutating func standaloneDidClose() {
        if self.isAskedToGiveUp {
            self.link.request = nil
            self.join()
        } else if !self.isVaultMissing {
            self.openGate()
        }
    }

    /// The peer has joined for this node's operation, and follows: now this vault is the pair's.
    private mutating func beginIfJoined(by statement: Statement) {
        guard let operation = self.record.operation, operation.verb == .enableHA,
            statement.role == .secondary, statement.operation?.id == operation.id,
            !statement.arming.isArmed, self.gate != .closing, !self.isVaultMissing
        else { return }
        var joining = operation
        joining.step = EnablingStep.joining
        self.link.request = nil
        self.becomePrimary(cause: .enable, operation: joining)
        self.emit(.report(.haEnabled))
    }

    /// What a primary that waits for its peer does with every tick.
    mutating func continueEnabling() {
        guard let operation = self.record.operation, operation.verb == .enableHA,
            case .primary(let primary) = self.state, primary.stage == .serving,
            primary.follower?.inSync == true,
            self.record.arming.isArmed || self.record.policy.failover == .manual,
            let peer = self.link.peer, peer.arming.isArmed || self.record.policy.failover == .manual
        else { return }
        if operation.step == EnablingStep.joiningThenHandingOver {
            guard self.clock.longest >= primary.nextHandingOver else { return }
            _ = self.beginSwitchover(operation)
        } else {
            self.persist { $0.operation = nil }
            self.settleAwaited()
        }
    }

    /// A node outside the pair joins when the primary's operation, or the peer's request, says so.
    mutating func idleHears(_ statement: Statement) {
        self.pledgeUnarmed(to: statement)
        switch statement.role {
        case .primary:
            // Its operator may have been quicker than this node's, who has had it withdrawn.
            if case .disableHA = self.link.request?.verb { return }
            guard let operation = statement.operation, operation.verb == .enableHA,
                !self.record.abortedOperations.contains(operation.id)
            else { return }
            self.link.request = nil
            self.closeThenJoin()
        case .secondary: self.beginIfJoined(by: statement)
        case .none, .standalone: break
        }
    }

    mutating func idleDidClose() {
        guard let peer = self.link.peer else { return }
        if peer.role == .primary, peer.operation?.verb == .enableHA {
            self.join()
        } else if let request = peer.request, case .enableHA = request.verb {
            self.join()
        }
    }

    private mutating func join() {
        self.emit(.setMarker)
        let asked: NodeRecord.Operation? = self.link.peer?.request.map {
            self.operation($0, .enableHA, step: EnablingStep.joining)
        }
        var operation = self.link.peer?.role == .primary ? self.link.peer?.operation : asked
        // Any other operation of the primary's has still to be heard, not to be taken for known.
        if operation?.verb != .enableHA { operation = nil }
        self.persist { record in
            record.role = .secondary
            record.right = .solo
            Self.disarm(&record)
            record.operation = operation
            if Self.quarantine(of: record) != .suspect { record.quarantineReason = nil }
            record.peer?.wasEnabled = true
        }
        self.state = .secondary(Secondary(stage: .searching, now: self.clock.shortest))
        self.state(asProbe: true)
    }

    // MARK: Off

    mutating func askToDisable(_ request: Request, isForced: Bool) -> Reply {
        switch self.record.role {
        case .standalone, .none:
            guard let operation = self.record.operation else { return .nothingToDo }
            // Withdraws an operation that has not begun here.
            self.persist { record in
                Self.callOff(operation.id, in: &record)
                record.operation = nil
            }
            self.link.request = nil
            self.endAwaited(.aborted) { $0.id == operation.id }
            guard self.link.peer?.role == .primary, self.peerIsReachable else {
                self.state(asProbe: false)
                return .done
            }
            // It has begun there.
            return self.forward(request)
        case .secondary:
            return self.forward(request)
        case .primary:
            if case .primary(let primary) = self.state, primary.stage == .inDoubt {
                return .refused(.inDoubt)
            }
            guard !self.isVaultLost else { return .refused(.vaultLost) }
            // One that was heard a moment ago may have died since.
            if isForced, !self.peerIsHeardNow {
                guard self.gate != .closing else { return .refused(.peerUnreachable) }
                self.becomeStandalone(cause: .forced)
                return .done
            }
            guard self.peerIsReachable else { return .refused(.peerUnreachable) }
            self.beginDisabling(request, isForced: isForced)
            return .started
        }
    }

    var peerIsHeardNow: Bool {
        self.link.peer != nil && self.peerSilence <= self.timing.absence
    }

    /// The peer must be disarmed first; until its pledge nothing changes here.
    ///
    /// - Parameter isForced: a person vouches that the peer is down, though it has just been heard: when
    ///   it is not heard any more, this node does without the pledge.
    mutating func beginDisabling(_ request: Request, isForced: Bool = false) {
        guard case .primary(let primary) = self.state, !self.isVaultLost else { return }
        if case .inDoubt = primary.stage { return }
        // Nothing has been given up yet.
        if case .handingOver = primary.stage { self.abortHandingOver(because: .withdrawn) }
        let step = isForced ? DisablingStep.forced : DisablingStep.askingForPledge
        if let other = self.record.operation, other.verb == .disableHA {
            if isForced, other.step != step { self.persist { $0.operation?.step = step } }
            return
        }
        self.endAwaited(.aborted) { if case .enableHA = $0.verb { true } else { false } }
        let operation = self.operation(request, .disableHA, step: step)
        self.persist { record in
            // It is not to be asked for again by a peer that has not heard of this.
            if let ended = record.operation { Self.callOff(ended.id, in: &record) }
            record.operation = operation
        }
        self.state(asProbe: true)
    }

    /// What a primary that is to do without its peer's pledge does with every tick.
    mutating func continueDisabling() {
        guard let operation = self.record.operation, operation.verb == .disableHA,
            operation.step == DisablingStep.forced, !self.peerIsHeardNow, self.gate != .closing,
            !self.isVaultLost, case .primary(let primary) = self.state
        else { return }
        switch primary.stage {
        case .inDoubt, .handingOver: return
        case .serving, .closed: self.becomeStandalone(cause: .forced)
        }
    }

    /// The peer has persisted that it is out, with its pledge.
    mutating func finishDisabling(after statement: Statement) {
        guard self.record.operation?.verb == .disableHA, self.record.right == .solo,
            !self.isVaultLost, case .primary(let primary) = self.state,
            self.gate == .open || self.gate == .closed
        else { return }
        switch primary.stage {
        case .inDoubt, .handingOver: return
        case .serving, .closed: self.becomeStandalone(cause: .disable)
        }
    }

    private mutating func becomeStandalone(cause: EpochCause) {
        self.settleReplacement()
        let entry = self.nextEntry(cause, after: self.position)
        self.persist { [policy = self.configuration.policy] record in
            record.lineage.append(entry)
            record.epoch = entry.epoch
            record.role = .standalone
            record.policy = policy
            record.right = .solo
            Self.disarm(&record)
            record.operation = nil
            record.relinquish = nil
            record.aloneSince = nil
            record.quarantineReason = nil
            record.peer?.wasEnabled = true
        }
        self.state = .standalone
        self.emit(.stopLog)
        if !self.isVaultMissing { self.openGate() }
        self.emit(.report(.haDisabled))
        self.endAwaitedButDisabling()
        self.state(asProbe: false)
        self.settleAwaited()
    }

    /// HA is off: whatever else was asked of the pair cannot come true.
    private mutating func endAwaitedButDisabling() {
        self.endAwaited(.aborted) { request in
            switch request.verb {
            case .disableHA, .standalone: false
            case .enableHA, .switchover, .promote, .suspend, .resume: true
            }
        }
    }

    /// This node serves nothing from now on; the gate is closed already, and stays so.
    mutating func becomeParked() {
        self.emit(.stopLog)
        self.emit(.setMarker)
        // What is only suspected is judged when the vault has been read.
        let isSuspect = Self.quarantine(of: self.record) == .suspect
        if !isSuspect { self.settleReplacement() }
        self.persist { [policy = self.configuration.policy] record in
            record.role = .none
            record.policy = policy
            record.right = .solo
            Self.disarm(&record)
            record.operation = nil
            record.relinquish = nil
            record.aloneSince = nil
            if !isSuspect { record.quarantineReason = nil }
            record.suspension = nil
        }
        self.state = .idle
        self.link.request = nil
        self.emit(.report(.haDisabled))
        self.endAwaitedButDisabling()
        self.state(asProbe: false)
        self.settleAwaited()
    }

    /// A peer that is primary or secondary of an older epoch parks itself.
    mutating func standaloneHears(_ statement: Statement) {
        self.pledgeUnarmed(to: statement)
        self.endAskingOneThatServes(statement)
        self.beginIfJoined(by: statement)
    }

    /// The peer was asked to join because it had no vault, and has one again: nothing of it is given up
    /// without a word.
    private mutating func endAskingOneThatServes(_ statement: Statement) {
        guard statement.role == .standalone, statement.hasVault,
            let operation = self.record.operation, operation.verb == .enableHA,
            operation.step == EnablingStep.asking
        else { return }
        self.persist { $0.operation = nil }
        self.forgetRequest(operation.id)
        self.endAwaited(.refused(.bothServe)) { $0.id == operation.id }
    }

    /// The peer does not join for this operation any more.
    mutating func dropWithdrawn(by statement: Statement) {
        guard let operation = self.record.operation, operation.verb == .enableHA,
            statement.aborted.contains(operation.id)
        else { return }
        self.persist { $0.operation = nil }
        self.endAwaited(.aborted) { $0.id == operation.id }
        // This node became primary for that operation alone.
        guard self.record.right == .solo, self.gate == .open, !self.isVaultLost,
            operation.step == EnablingStep.joiningThenHandingOver
        else { return }
        self.becomeStandalone(cause: .disable)
    }

    mutating func askToStandAlone(_ request: Request) -> Reply {
        switch self.state {
        case .standalone: return self.isVaultMissing ? .refused(.vaultLost) : .nothingToDo
        case .idle:
            self.becomeStandalone(cause: .enable)
            return .done
        case .starting, .primary, .secondary, .failed: return .refused(.haIsOn)
        }
    }
}
