extension Failover {
    /// One of the things that must be true before a secondary promotes itself.
    package struct Condition: Hashable, Sendable {
        package enum Name: String, Hashable, Sendable, CaseIterable {
            case isSecondary = "role is secondary"
            case policyAllows = "policy is not manual"
            case armed
            case notSuspended = "not suspended"
            case notQuarantined = "not quarantined"
            case notSeeding = "not seeding"
            case silence = "silent for the timeout"
            case listened = "listened long enough"
            case vaultFit = "vault passes its check"
            case reach = "network is reached"
        }

        package var name: Name
        package var isMet: Bool
    }

    /// Every precondition of an automatic promotion (protocol.md, section 7), met or not.
    ///
    /// The last two are found out only when all others are met; until then they show the newest result.
    package var conditions: [Condition] {
        guard case .secondary(let secondary) = self.state else {
            return Condition.Name.allCases.map { Condition(name: $0, isMet: false) }
        }
        let promoting: Secondary.Promoting? =
            if case .promoting(let promoting) = secondary.stage { promoting } else { nil }
        let listened = self.clock.shortest - secondary.listeningSince
        return Condition.Name.allCases.map { name in
            let isMet =
                switch name {
                case .isSecondary: self.record.role == .secondary
                case .policyAllows: self.record.policy.failover != .manual
                case .armed: self.record.arming.isArmed || self.has(.promoteUnarmed)
                case .notSuspended: self.record.suspension == nil
                case .notQuarantined: self.record.quarantineReason == nil
                case .notSeeding: !self.record.isSeeding
                case .silence: self.silence >= self.timing.timeout
                case .listened: listened >= self.timing.search
                case .vaultFit:
                    !self.isVaultMissing && (promoting?.checked != nil || secondary.unfit == nil)
                case .reach: !self.configuration.hasReach || promoting?.isReached == true
                }
            return Condition(name: name, isMet: isMet)
        }
    }

    /// All is met but what only a check can tell.
    var promotionIsDue: Bool {
        guard self.silence >= self.timing.timeout,
            self.clock.shortest >= self.secondary.nextAttempt
        else { return false }
        return self.conditions.allSatisfy { condition in
            condition.isMet || condition.name == .vaultFit || condition.name == .reach
        }
    }

    /// Breaks the log off, so that what is applied stands still, and has the vault checked.
    mutating func beginPromoting(cause: EpochCause) {
        self.emit(.stopLog)
        self.secondary.stage = .promoting(
            Secondary.Promoting(
                cause: cause,
                checked: nil,
                isReached: !self.configuration.hasReach || cause != .failover
            )
        )
        self.emit(.checkVault)
        if self.configuration.hasReach, cause == .failover { self.emit(.probeReach) }
    }

    mutating func vaultChecked(_ check: VaultCheck) {
        guard case .secondary(var secondary) = self.state,
            case .promoting(var promoting) = secondary.stage
        else { return }
        switch check {
        case .sound(let position):
            self.position = position
            promoting.checked = position
            secondary.unfit = nil
            secondary.stage = .promoting(promoting)
        case .unfit(let reason):
            secondary.unfit = reason
            secondary.stage = .searching
            secondary.nextAttempt = self.clock.shortest + self.timing.repetition
            self.abortAwaitedPromotion()
        }
        self.secondary = secondary
        self.finishPromoting()
    }

    private mutating func abortAwaitedPromotion() {
        self.endAwaited(.aborted) { if case .promote = $0.verb { true } else { false } }
    }

    mutating func reachProbed(_ answered: Bool) {
        switch self.state {
        case .primary: self.primaryReached(answered)
        case .secondary(var secondary):
            guard case .promoting(var promoting) = secondary.stage else { return }
            promoting.isReached = answered
            secondary.stage = .promoting(promoting)
            if !answered {
                // This node is the isolated one.
                secondary.stage = .searching
                secondary.nextAttempt = self.clock.shortest + self.timing.repetition
                self.abortAwaitedPromotion()
            }
            self.secondary = secondary
            self.finishPromoting()
        case .starting, .idle, .standalone, .failed: break
        }
    }

    private mutating func finishPromoting() {
        guard case .promoting(let promoting) = self.secondary.stage, promoting.checked != nil,
            promoting.isReached
        else { return }
        // Nothing of it is durable yet: whoever has taken the right away since is heeded.
        let mayPromote = self.record.arming.isArmed || self.has(.promoteUnarmed)
        guard promoting.cause != .failover || mayPromote else { return self.resumeFollowing() }
        self.becomePrimary(cause: promoting.cause)
    }

    /// Takes the next own epoch, makes it durable and opens.
    ///
    /// The gate must be closed, and the position final: nothing is applied or captured any more.
    mutating func becomePrimary(
        cause: EpochCause,
        operation: NodeRecord.Operation? = nil
    ) {
        if self.has(.openBeforePersist) { self.openGate() }
        self.settleReplacement()
        let entry = self.nextEntry(cause, after: self.position)
        let known = self.knownOfPeer(under: cause)
        self.persist { [policy = self.configuration.policy] record in
            record.lineage.append(entry)
            record.epoch = entry.epoch
            record.role = .primary
            record.peerAcknowledged = known
            record.policy = policy
            record.right = .solo
            // Whatever this node was armed for belongs to the old epoch.
            Self.disarm(&record)
            record.relinquish = nil
            record.operation = operation
            record.aloneSince = nil
            record.isSeeding = false
            record.quarantineReason = nil
            record.suspension = nil
            record.peer?.wasEnabled = true
        }
        // What this node asked of the peer while that was primary has come true, or is void.
        self.link.request = nil
        self.state = .primary(Primary(stage: .serving))
        self.openGate()
        self.emit(.serveLog(under: entry.epoch))
        self.emit(.report(.promoted(entry.epoch, cause)))
        self.state(asProbe: true)
        // Whoever asked for it may be alone with this node: no word of the peer will come.
        self.settleAwaited()
    }

    /// What the peer is known to have of the history that this node is about to go on with.
    private func knownOfPeer(under cause: EpochCause) -> Position? {
        if let newest = self.record.lineage.entries.last, newest.cause == .replaced,
            newest.owner == self.bit
        {
            return nil
        }
        if self.peerHasLostVault { return nil }
        // Whoever was armed, or has been handed over to, has had all of it from there.
        if self.record.role == .secondary, self.record.quarantineReason == nil,
            self.record.arming.isArmed || cause == .switchover
        {
            return self.position
        }
        guard let known = self.record.peerAcknowledged, known.txid <= self.position.txid,
            self.record.lineage.epoch(of: known.txid) == known.epoch
        else { return nil }
        return known
    }
}
