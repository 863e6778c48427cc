/// The planned exchange of roles, step by step as in the table of protocol.md, section 12.
///
///     step  primary A                            secondary B
///     2     asks B to be ready                   persists that it is prepared
///     3     closes layer 1, waits for B          applies what is left
///     4     marker, then RELINQUISH, persisted   –
///     5     says it                              applied all, not called off: new epoch, opens
///     6     secondary                            –
///     7     in doubt: asks                       took over, or persists that it never will
extension Failover {
    /// The step that a prepared successor, or a primary that asks for one, puts in `operation`.
    static let preparing: UInt8 = 1

    mutating func beginSwitchover(_ operation: NodeRecord.Operation) -> Refusal? {
        guard case .primary(let primary) = self.state else { return .wrongRole(self.record.role) }
        if case .inDoubt = primary.stage { return .inDoubt }
        if case .handingOver(let other) = primary.stage {
            return other.operation.id == operation.id ? nil : .busy(other.operation.id)
        }
        if let other = self.record.operation, other.id != operation.id {
            return .busy(other.id)
        }
        guard !self.isVaultLost else { return .vaultLost }
        guard primary.stage == .serving, self.gate == .open else { return .peerUnreachable }
        // In the midst of a heartbeat's way the silence is longer than the time between two.
        guard let peer = self.link.peer, self.peerIsReachable else { return .peerUnreachable }
        guard peer.role == .secondary, peer.epoch == self.record.epoch else {
            return .peerNotInSync
        }
        guard self.record.policy.failover == .manual || self.record.arming.isArmed else {
            return .peerNotArmed
        }
        guard primary.follower?.inSync == true else { return .peerNotInSync }
        var preparing = operation
        preparing.verb = .switchover
        preparing.step = Self.preparing
        self.primary.stage = .handingOver(
            Primary.HandingOver(
                operation: preparing,
                step: .preparing,
                since: self.clock.longest
            )
        )
        self.emit(.report(.switchoverStarted))
        self.state(asProbe: true)
        return nil
    }

    /// READY from the successor.
    mutating func advanceHandingOver(hearing statement: Statement) {
        guard case .primary(let primary) = self.state,
            case .handingOver(var handingOver) = primary.stage, handingOver.step == .preparing,
            statement.operation?.id == handingOver.operation.id, self.gate == .open
        else { return }
        handingOver.step = .closing
        handingOver.since = self.clock.longest
        self.primary.stage = .handingOver(handingOver)
        self.closeGate()
    }

    mutating func continueHandingOver() {
        guard case .primary(let primary) = self.state,
            case .handingOver(let handingOver) = primary.stage
        else { return }
        let limit =
            handingOver.step == .preparing ? self.timing.absence : self.timing.drainLimit
        if case .draining(let end) = handingOver.step,
            primary.follower?.applied == end
        {
            self.relinquish(handingOver.operation, at: end)
        } else if self.clock.longest - handingOver.since > limit {
            let obstacle: HandingOverObstacle =
                switch handingOver.step {
                case .preparing: .peerNotReady
                case .closing: .gateHeld
                case .draining: .peerBehind
                }
            self.abortHandingOver(because: obstacle)
        }
    }

    /// The point of no return: after it only the peer's word, or the operator's, opens this gate.
    private mutating func relinquish(_ operation: NodeRecord.Operation, at end: Position) {
        self.emit(.setMarker)
        let relinquish = NodeRecord.Relinquish(
            operation: operation.id,
            position: end,
            successor: self.bit.other
        )
        self.persist { $0.relinquish = relinquish }
        self.primary.stage = .inDoubt
        self.primary.nextProbe = self.clock.longest + self.timing.tick
        // Not yet a question: the successor may still be applying.
        self.state(asProbe: false)
    }

    /// Nothing was given up yet, so the gate opens again, if the lease still allows it.
    mutating func abortHandingOver(because obstacle: HandingOverObstacle) {
        self.emit(.report(.switchoverAborted(obstacle)))
        self.primary.nextHandingOver = self.clock.longest + self.timing.repetition
        if self.leaseIsValid || self.record.policy.failover != .strict {
            self.returnToService()
        } else {
            self.primary.stage = .closed(
                Primary.Closed(
                    reason: .searching,
                    since: self.clock.longest,
                    gateWasOpen: false
                )
            )
            self.closeGate()
        }
        self.endAwaited(.aborted) { if case .switchover = $0.verb { true } else { false } }
    }

    /// The peer will never act on the offer that this node is in doubt about.
    mutating func settleDoubt(by statement: Statement) {
        guard case .primary(let primary) = self.state, primary.stage == .inDoubt,
            let relinquish = self.record.relinquish
        else { return }
        if self.has(.reopenInDoubt) {
        } else if !statement.aborted.contains(relinquish.operation) {
            return
        }
        self.persist { record in
            record.relinquish = nil
            record.operation = nil
        }
        self.emit(.clearMarker)
        self.settleReplacement(as: .foreign)
        if self.isVaultMissing || self.record.quarantineReason != nil {
            self.lackVault()
        } else {
            self.primary.stage = .closed(self.closed(for: .searching))
            if self.record.right == .solo { self.returnToService() }
        }
        self.emit(.report(.switchoverAborted(.peerDeclined)))
        self.endAwaited(.aborted) { if case .switchover = $0.verb { true } else { false } }
    }

    // MARK: The successor

    /// PREPARE, and the primary's other operations, as its statement shows them.
    mutating func followOperation(of statement: Statement) {
        guard statement.epoch == self.record.epoch else { return }
        guard let operation = statement.operation else {
            guard let ended = self.record.operation else { return }
            self.persist { $0.operation = nil }
            self.forgetRequest(ended.id)
            // The roles are as they were.
            switch ended.verb {
            case .switchover: self.endAwaited(.aborted) { $0.id == ended.id }
            case .enableHA:
                // One that the primary has not heard yet is still to come.
                self.endAwaited(.aborted) { [request = self.link.request] awaited in
                    guard case .enableHA = awaited.verb else { return false }
                    return awaited.id == ended.id || awaited.id != request?.id
                }
            case .disableHA, .promote: break
            }
            return
        }
        guard operation.id != self.record.operation?.id else { return }
        switch operation.verb {
        case .disableHA:
            // What is here may be the last copy.
            guard statement.hasVault else { return }
            self.becomeParked()
        case .enableHA, .promote:
            self.persist { $0.operation = operation }
            self.forgetRequest(operation.id)
        case .switchover:
            guard self.secondary.stage == .following,
                self.record.arming.isArmed || self.record.policy.failover == .manual,
                !self.record.abortedOperations.contains(operation.id)
            else { return }
            self.persist { $0.operation = operation }
            // It has got through; called off, it is not to begin again.
            self.forgetRequest(operation.id)
            self.state(asProbe: false)
        }
    }

    /// RELINQUISH, or the question what became of it.
    mutating func consider(relinquishedBy statement: Statement) {
        guard let relinquish = statement.relinquish, relinquish.successor == self.bit,
            statement.epoch == self.record.epoch
        else { return }
        let isAborted =
            self.record.abortedOperations.contains(relinquish.operation)
            && !self.has(.ignoreAbort)
        if !isAborted, self.position == relinquish.position, !self.record.isSeeding,
            !self.isVaultMissing
        {
            self.emit(.stopLog)
            self.becomePrimary(cause: .switchover)
        } else if statement.isProbe, !isAborted {
            self.persist { record in
                Self.callOff(relinquish.operation, in: &record)
                record.operation = nil
            }
            self.forgetRequest(relinquish.operation)
            self.state(asProbe: false)
        }
    }
}
