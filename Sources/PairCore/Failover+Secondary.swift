/// Everything that time and the primary's words do to a secondary.
extension Failover {
    mutating func tickSecondary(_ tick: Tick) {
        if self.isGap(tick) { self.secondary.listeningSince = self.clock.shortest }
        self.liveThroughSuspension(tick)
        if case .promoting = self.secondary.stage {
        } else if self.promotionIsDue {
            self.beginPromoting(cause: .failover)
        }
        guard self.clock.shortest >= self.secondary.nextProbe else { return }
        if let pause = self.probePause {
            self.secondary.nextProbe = self.clock.shortest + pause
            self.state(asProbe: true)
        }
    }

    private var probePause: Duration? {
        if self.link.request != nil || self.record.relinquish != nil { return self.timing.tick }
        switch self.secondary.stage {
        case .searching:
            return self.silence > self.timing.suspicion ? self.timing.absence : self.timing.tick
        case .rejoining: return self.timing.absence
        case .following: return self.silence >= self.timing.suspicion ? self.timing.repetition : nil
        case .interrupted:
            return self.silence >= self.timing.suspicion
                ? self.timing.repetition : self.timing.absence
        case .promoting: return nil
        }
    }

    private mutating func liveThroughSuspension(_ tick: Tick) {
        guard var suspension = self.record.suspension else { return }
        suspension.remaining -= tick.shortest
        // Time that a restart forgets only lengthens the suspension, so it need not be durable.
        self.record.suspension = suspension
        guard suspension.remaining <= .zero else { return }
        self.persist { $0.suspension = nil }
        self.emit(.report(.resumed))
        self.state(asProbe: false)
    }

    /// When the next tick has something to do, on ``FailoverClock/shortest``.
    var nextDueSecondary: Duration {
        guard self.record.suspension == nil else { return self.clock.shortest }
        let secondary = self.secondary
        var due = secondary.heardAt + self.timing.suspicion
        if self.silence >= self.timing.suspicion { due = .seconds(1 << 20) }
        if self.probePause != nil { due = min(due, secondary.nextProbe) }
        if case .interrupted(let since) = secondary.stage, self.silence < self.timing.suspicion,
            self.clock.shortest - since < self.timing.absence
        {
            due = min(due, since + self.timing.absence)
        }
        guard self.record.arming.isArmed || self.has(.promoteUnarmed) else { return due }
        let promotion = max(
            secondary.heardAt + self.timing.timeout,
            secondary.listeningSince + self.timing.search,
            secondary.nextAttempt
        )
        return min(due, promotion)
    }

    mutating func secondaryHears(_ heartbeat: Heartbeat, fresh: Nonce) {
        guard heartbeat.epoch == self.record.epoch, heartbeat.role == .primary else {
            if heartbeat.epoch < self.record.epoch {
                self.emit(.report(.stalePrimarySeen(heartbeat.epoch)))
            }
            self.state(asProbe: true)
            return
        }
        guard let index = self.link.issued.firstIndex(where: { $0.nonce == heartbeat.nonce })
        else {
            self.emit(.report(.heartbeatRejected))
            self.state(asProbe: false)
            return
        }
        self.heard(heartbeat.number)
        if let used = self.link.issued[index].usedBy, !self.has(.acceptReplay) {
            // It came twice, or its answer was lost: the promise made then is all that it gets.
            _ = self.say(
                .acknowledgement,
                acknowledged: used,
                nonce: self.link.issued.last?.nonce ?? .none
            )
            return
        }
        self.link.issued[index].usedBy = heartbeat.number.n
        // The tick under way will be counted whole, so that much of it may lie before this moment.
        self.secondary.heardAt = self.clock.shortest + self.timing.longestTick
        if case .promoting = self.secondary.stage { self.resumeFollowing() }
        if self.record.policy != heartbeat.policy {
            self.persist { $0.policy = heartbeat.policy }
        }
        self.takeArming(heartbeat)
        self.issue(fresh)
        _ = self.say(.acknowledgement, acknowledged: heartbeat.number.n, nonce: fresh)
    }

    /// The primary lives after all, or the right is gone; nothing of the promotion was durable yet.
    mutating func resumeFollowing() {
        self.secondary.stage = .searching
        self.secondary.nextProbe = self.clock.shortest
    }

    mutating func secondaryHears(_ statement: Statement) {
        if case .interrupted = self.secondary.stage, statement.role != .primary {
            // Whom this node followed leads no more; nobody will go on with that log.
            self.logLost()
        }
        switch statement.role {
        case .primary: self.secondaryHears(primary: statement)
        case .secondary: self.secondaryMeets(secondary: statement)
        case .standalone:
            if self.isJoiningInVain(statement) {
                self.becomeParked()
            } else {
                self.park(behind: statement)
            }
        case .none: if self.isJoiningInVain(statement) { self.becomeParked() }
        }
    }

    /// The peer asked this node to join and has withdrawn that since, or asks anew: each waits for
    /// the operation that it knows.
    private func isJoiningInVain(_ statement: Statement) -> Bool {
        guard let operation = self.record.operation, operation.verb == .enableHA else {
            return false
        }
        return statement.operation?.id != operation.id && !self.record.arming.isArmed
    }

    private mutating func secondaryHears(primary statement: Statement) {
        if statement.relinquish != nil {
            self.consider(relinquishedBy: statement)
            guard case .secondary = self.state else { return }
        } else {
            self.followOperation(of: statement)
            guard case .secondary = self.state else { return }
        }
        switch self.secondary.stage {
        case .searching: self.pledgeUnarmed(to: statement)
        case .rejoining(let rejoining):
            // The survivor has moved on; what was begun is begun again from here.
            guard statement.epoch != rejoining.epoch else { return }
            self.emit(.stopLog)
            self.secondary.stage = .searching
        case .following, .interrupted:
            guard statement.epoch > self.record.epoch else { return }
            self.emit(.stopLog)
            self.secondary.stage = .searching
        case .promoting: return
        }
        guard let offer = statement.offer, offer.incarnation == self.record.incarnation,
            offer.position == self.position, statement.epoch >= self.record.epoch,
            statement.relinquish == nil, Self.quarantine(of: self.record) != .suspect
        else { return }
        self.accept(offer, of: statement)
    }

    /// Decides who leads when both nodes follow and neither can promote itself.
    private mutating func secondaryMeets(secondary statement: Statement) {
        guard !statement.arming.isArmed, !self.record.arming.isArmed, !self.record.isSeeding,
            self.secondary.stage == .searching, statement.state == .lookingForPeer,
            statement.request == nil, self.record.suspension == nil, !self.isVaultMissing
        else { return }
        let mine = (self.record.epoch, self.position.txid, self.bit == .zero ? 1 : 0)
        let theirs = (statement.epoch, statement.position.txid, self.bit == .zero ? 0 : 1)
        let isMineReplaced = self.record.lineage.isReplaced(against: statement.lineage)
        let isTheirsReplaced = statement.lineage.isReplaced(against: self.record.lineage)
        // Both compute the same: whoever has no vault cannot lead, and who has another than the pair's
        // only before one that has none.
        let leads =
            if self.hasVault != statement.hasVault {
                self.hasVault
            } else if isMineReplaced != isTheirsReplaced {
                isTheirsReplaced
            } else {
                mine > theirs
            }
        guard statement.isSeeding || leads else { return }
        self.becomePrimary(cause: .resolution)
    }

    /// HA was switched off while this node was away: it serves nothing.
    mutating func park(behind statement: Statement) {
        guard !self.record.lineage.contains(statement.epoch), statement.epoch > self.record.epoch,
            statement.operation?.verb != .enableHA
        else { return }
        self.becomeParked()
    }
}
