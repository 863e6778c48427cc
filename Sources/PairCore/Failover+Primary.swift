/// Everything that time and the peer's words do to a primary.
extension Failover {
    mutating func tickPrimary(_ tick: Tick) {
        // Before anything else: a primary that has slept may have been replaced meanwhile.
        if self.record.right == .leased, self.isGap(tick) {
            self.primary.lease = nil
            if self.gate == .open { self.leaveService(for: .searching) }
        }
        self.watchLease()
        guard case .primary = self.state else { return }
        switch self.primary.stage {
        case .serving:
            self.arm()
            self.continueEnabling()
            self.continueDisabling()
        case .handingOver: self.continueHandingOver()
        case .inDoubt: break
        case .closed(let closed):
            self.resumeAfterPledge()
            if self.gate == .closed { self.considerOpening(closed) }
            self.continueDisabling()
        }
        guard case .primary = self.state else { return }
        // The heartbeat goes last. The two travel on different connections, and of two messages that
        // overtake each other the older one is refused: better the statement, which repeats itself.
        self.probeAsPrimary()
        self.beat()
    }

    /// Whether the right to keep the gate open without asking anyone has not run out.
    var leaseIsValid: Bool {
        self.record.right == .solo || self.primary.lease?.isValid(at: self.clock.longest) == true
    }

    /// Closes the gate in place and waits for the peer; layer 1 only, the marker is not for this.
    mutating func leaveService(for reason: Primary.Closed.Reason) {
        let wasOpen = self.gate == .open
        self.closeGate()
        self.primary.stage = .closed(
            Primary.Closed(
                reason: reason,
                since: self.clock.longest,
                gateWasOpen: wasOpen && reason == .meeting
            )
        )
        self.emit(.report(.fenced))
    }

    mutating func returnToService() {
        if self.record.right == .leased, !self.leaseIsValid, self.record.aloneSince == nil {
            self.persist { [wallSeconds] in $0.aloneSince = wallSeconds }
        }
        self.primary.stage = .serving
        self.openGate()
        self.emit(.serveLog(under: self.record.epoch))
        self.state(asProbe: true)
    }

    /// What the end of the lease means under each policy.
    private mutating func watchLease() {
        guard self.record.right == .leased, self.gate == .open else { return }
        let left = (self.primary.lease?.end ?? .zero) - self.clock.longest
        switch self.record.policy.failover {
        case .strict:
            if left <= self.timing.closingMargin { self.leaveService(for: .fenced) }
        case .available, .manual:
            guard left <= .zero else { return }
            if self.record.aloneSince == nil {
                self.persist { [wallSeconds] in $0.aloneSince = wallSeconds }
                self.emit(.report(.alone))
            }
            if self.configuration.hasReach, self.clock.longest >= self.primary.nextReach {
                self.primary.nextReach = self.clock.longest + self.timing.absence
                self.emit(.probeReach)
            }
        }
    }

    /// A closed primary that has not found its peer.
    private mutating func considerOpening(_ closed: Primary.Closed) {
        let waited = self.clock.longest - closed.since
        if closed.reason == .searching, self.record.right == .solo {
            // The peer cannot have promoted itself; that a person has seen to it would be heard.
            guard waited >= self.timing.absence, !self.peerSaysItServes else { return }
            return self.returnToService()
        }
        guard self.record.policy.failover != .strict else { return }
        switch closed.reason {
        case .searching:
            // Only the primary that already served alone may take up again alone.
            guard waited >= self.timing.search, self.record.aloneSince != nil else { return }
            self.returnToService()
        case .fenced:
            guard self.configuration.hasReach, self.clock.longest >= self.primary.nextReach else {
                return
            }
            self.primary.nextReach = self.clock.longest + self.timing.absence
            self.emit(.probeReach)
        case .meeting:
            // The other primary is out of sight again before either gave in.
            guard self.peerSilence >= self.timing.search, closed.gateWasOpen else { return }
            self.returnToService()
        case .vaultLost: break
        }
    }

    /// The peer is primary or serves alone, by words that are not too old.
    private var peerSaysItServes: Bool {
        guard let peer = self.link.peer, self.peerSilence < self.timing.search else { return false }
        return peer.role == .primary || peer.role == .standalone
    }

    mutating func primaryReached(_ answered: Bool) {
        switch self.primary.stage {
        case .serving where !answered && !self.leaseIsValid: self.leaveService(for: .fenced)
        case .closed(let closed) where answered && closed.reason == .fenced:
            guard self.gate == .closed, self.record.policy.failover == .available,
                self.clock.longest - closed.since >= self.timing.absence
            else { return }
            self.returnToService()
        case .serving, .handingOver, .inDoubt, .closed: break
        }
    }

    /// How long nothing has come from the peer.
    var peerSilence: Duration {
        self.clock.longest - (self.link.lastHeard ?? .zero)
    }

    /// Heartbeats go to whoever may promote itself, and to whoever follows this epoch.
    private mutating func beat() {
        guard self.link.peerHeartbeatNonce != .none, self.isHeeded,
            self.clock.longest >= self.primary.nextHeartbeat
        else { return }
        let isUrgent: Bool
        switch self.primary.stage {
        case .closed: isUrgent = true
        case .serving, .handingOver, .inDoubt: isUrgent = !self.leaseIsValid
        }
        // A primary that has relinquished must not keep its successor waiting, nor one that has
        // nothing to serve.
        guard self.primary.stage != .inDoubt, !self.isVaultLost else { return }
        let pause = isUrgent ? self.timing.tick : self.timing.repetition
        self.primary.nextHeartbeat = self.clock.longest + pause
        let n = self.say(.heartbeat, nonce: self.link.peerHeartbeatNonce)
        self.primary.sent.append(
            Primary.Sent(n: n, at: self.clock.longest, timeout: self.timing.timeout)
        )
        if self.primary.sent.count > 256 { self.primary.sent.removeFirst() }
    }

    private var isHeeded: Bool {
        if self.record.right == .leased { return true }
        guard let peer = self.link.peer else { return false }
        return peer.role == .secondary && peer.epoch == self.record.epoch
    }

    mutating func primaryHears(acknowledgement: Heartbeat) {
        guard acknowledgement.epoch == self.record.epoch,
            let index = self.primary.sent.firstIndex(where: { $0.n == acknowledgement.acknowledged }
            )
        else {
            if acknowledgement.epoch > self.record.epoch { self.state(asProbe: true) }
            return
        }
        self.heard(acknowledgement.number)
        self.link.peerHeartbeatNonce = acknowledgement.nonce
        self.primary.armedGeneration =
            acknowledgement.isArmed ? acknowledgement.armGeneration : nil
        let sent = self.primary.sent[index]
        let sentAt = self.has(.leaseFromReceipt) ? self.clock.longest : sent.at
        self.primary.sent.removeFirst(index + 1)
        self.primary.nextHeartbeat = sentAt + self.timing.heartbeat
        let lease = Lease(sent: sentAt, timeout: sent.timeout)
        if lease.end > self.primary.lease?.end ?? .zero { self.primary.lease = lease }
        guard self.record.right == .leased, self.leaseIsValid else { return }
        if self.record.aloneSince != nil { self.persist { $0.aloneSince = nil } }
        if case .closed(let closed) = self.primary.stage, closed.mayReopen,
            self.gate == .closed, self.leaseHasRoom
        {
            self.returnToService()
        }
    }

    /// Opening is worth while: the gate would not have to close again at once.
    private var leaseHasRoom: Bool {
        guard let lease = self.primary.lease else { return false }
        return lease.end - self.clock.longest > self.timing.closingMargin
    }

    private mutating func probeAsPrimary() {
        guard self.clock.longest >= self.primary.nextProbe else { return }
        let pause: Duration
        switch self.primary.stage {
        case .closed, .inDoubt, .handingOver: pause = self.timing.tick
        case .serving:
            if self.link.request != nil || self.record.operation != nil || !self.leaseIsValid {
                pause = self.timing.tick
            } else if self.record.right == .solo {
                pause = self.timing.absence
            } else {
                pause = self.timing.heartbeat
            }
        }
        self.primary.nextProbe = self.clock.longest + pause
        self.state(asProbe: true)
    }

    /// When the next tick has something to do, on ``FailoverClock/longest``.
    var nextDuePrimary: Duration {
        // An operation goes on as soon as its condition is met.
        guard case .serving = self.primary.stage, self.record.operation == nil else {
            return self.clock.longest
        }
        var due = self.primary.nextProbe
        if let lastHeard = self.link.lastHeard, !self.peerIsAbsent {
            due = min(due, lastHeard + self.timing.heartbeat + self.timing.absence)
        }
        if self.link.peerHeartbeatNonce != .none, self.isHeeded {
            due = min(due, self.primary.nextHeartbeat)
        }
        if self.record.right == .leased, let lease = self.primary.lease {
            let margin =
                self.record.policy.failover == .strict ? self.timing.closingMargin : .zero
            due = min(due, lease.end - margin)
        }
        return self.mayArm ? self.clock.longest : due
    }
}
