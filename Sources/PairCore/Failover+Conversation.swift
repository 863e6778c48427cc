/// Numbers, nonces and the form of what is said; what it means is each role's business.
extension Failover {
    /// Numbers a message so that no answer to an earlier start's can be taken for its answer.
    mutating func nextNumber() -> MessageNumber {
        self.link.sent += 1
        let start = self.record.incarnation & 0xFFFF_FFFF
        return MessageNumber(incarnation: self.record.incarnation, n: start << 32 | self.link.sent)
    }

    /// The peer can be spoken to.
    mutating func connect() {
        guard self.state != .starting else { return }
        self.forgetOldRequest()
        self.state(asProbe: true)
    }

    /// Says everything about this node, as its record has it.
    mutating func state(asProbe isProbe: Bool) {
        guard self.record.peer != nil else { return }
        let number = self.nextNumber()
        var operation = self.record.operation
        var offer: RejoinOffer?
        if case .primary(let primary) = self.state {
            offer = primary.offer
            if case .handingOver(let handingOver) = primary.stage {
                operation = handingOver.operation
            }
        }
        self.emit(
            .send(
                .statement(
                    Statement(
                        number: number,
                        nonce: self.link.nonce,
                        echo: self.link.peerNonce,
                        heartbeatNonce: self.link.issued.last?.nonce ?? .none,
                        isProbe: isProbe,
                        epoch: self.record.epoch,
                        role: self.record.role,
                        state: self.nodeState,
                        right: self.record.right,
                        arming: self.record.arming,
                        gateIsOpen: self.gate == .open || self.gate == .closing,
                        gateWasOpen: self.gateWasOpen,
                        lineage: self.record.lineage,
                        position: self.position,
                        hasVault: self.holdsVault,
                        isSeeding: self.record.isSeeding,
                        suspension: self.record.suspension,
                        relinquish: self.record.relinquish,
                        operation: operation,
                        aborted: self.record.abortedOperations.suffix(8),
                        request: self.link.request,
                        offer: offer,
                        policy: self.record.policy
                    )
                )
            )
        )
    }

    /// The gate is open, or was when the present comparison began.
    var gateWasOpen: Bool {
        if case .primary(let primary) = self.state, case .closed(let closed) = primary.stage {
            return closed.gateWasOpen
        }
        return self.gate == .open || self.gate == .closing
    }

    mutating func hear(_ statement: Statement, fresh: Nonce) {
        guard self.record.peer != nil, statement.number > self.link.heard else { return }
        guard self.isCredible(statement) else {
            self.emit(.report(.refusedEpoch(statement.epoch)))
            return
        }
        self.link.heard = statement.number
        self.link.peerNonce = statement.nonce
        self.link.peerHeartbeatNonce = statement.heartbeatNonce
        guard statement.echo == self.link.nonce else {
            // Said before it knew of this start: the truth of some earlier time, perhaps.
            self.state(asProbe: true)
            return
        }
        self.link.lastHeard = self.clock.longest
        self.link.peer = statement
        self.link.statedAt = self.clock.longest
        let said = self.effects.count
        switch self.state {
        case .starting, .failed: return
        case .idle: self.idleHears(statement)
        case .standalone: self.standaloneHears(statement)
        case .primary: self.primaryHears(statement, fresh: fresh)
        case .secondary: self.secondaryHears(statement)
        }
        if let request = statement.request { self.serve(request) }
        self.settleAwaited()
        let answered = self.effects[said...].contains { effect in
            guard case .send(.statement) = effect else { return false }
            return true
        }
        if statement.isProbe, !answered { self.state(asProbe: false) }
    }

    /// An epoch must be in its sender's own lineage, and not so high that none could follow it.
    private func isCredible(_ statement: Statement) -> Bool {
        statement.lineage.contains(statement.epoch)
            && statement.epoch.rawValue <= self.record.epoch.rawValue + 1 << 20
    }

    mutating func hear(_ heartbeat: Heartbeat, fresh: Nonce) {
        guard heartbeat.number > self.link.heard else {
            self.emit(.report(.heartbeatRejected))
            return
        }
        switch (heartbeat.kind, self.state) {
        case (.heartbeat, .secondary): self.secondaryHears(heartbeat, fresh: fresh)
        case (.heartbeat, .primary):
            if heartbeat.epoch > self.record.epoch { self.state(asProbe: true) }
        case (.heartbeat, .idle), (.heartbeat, .standalone): self.state(asProbe: false)
        case (.acknowledgement, .primary): self.primaryHears(acknowledgement: heartbeat)
        case (.acknowledgement, .secondary), (.acknowledgement, .idle),
            (.acknowledgement, .standalone):
            break
        case (_, .starting), (_, .failed): return
        }
    }

    /// Takes note of a message whose number and nonce were right.
    mutating func heard(_ number: MessageNumber) {
        self.link.heard = number
        self.link.lastHeard = self.clock.longest
    }

    /// Issues the nonce of the next heartbeat; the one before stays good.
    mutating func issue(_ nonce: Nonce) {
        self.link.issued.append(Link.Issued(nonce: nonce, usedBy: nil))
        if self.link.issued.count > 2 { self.link.issued.removeFirst() }
    }

    /// From now on only statements that were made after the next of ours count.
    mutating func forgetStatements(_ fresh: Nonce) {
        self.link.nonce = fresh
        self.link.peer = nil
    }

    /// A heartbeat to the peer, or the answer to one of its.
    mutating func say(_ kind: Heartbeat.Kind, acknowledged: UInt64 = 0, nonce: Nonce) -> UInt64 {
        let number = self.nextNumber()
        self.emit(
            .send(
                .heartbeat(
                    Heartbeat(
                        kind: kind,
                        number: number,
                        acknowledged: acknowledged,
                        epoch: self.record.epoch,
                        role: self.record.role,
                        state: self.nodeState,
                        gateIsOpen: self.gate == .open,
                        isArmed: self.record.arming.isArmed,
                        isSuspended: self.record.suspension != nil,
                        armGeneration: self.record.arming.generation,
                        position: self.position.txid,
                        durable: self.position.txid,
                        digest: self.position.digest,
                        policy: self.record.policy,
                        nonce: nonce,
                        wallSeconds: self.wallSeconds
                    )
                )
            )
        )
        return number.n
    }
}
