/// The restart table of protocol.md, section 12, and what happens without a peer.
extension Failover {
    /// The shell has attached the vault as ``gateAtStart(of:)`` says.
    mutating func start(_ start: Start) {
        self.position = start.position
        self.hasVault = start.hasVault
        self.isVaultMissing = start.isVaultMissing
        self.wallSeconds = start.wallSeconds
        self.link.nonce = start.nonces.0
        self.issue(start.nonces.1)
        // Durable before the first message: the peer tells this start's words from older ones by it.
        self.persist { [policy = self.ownPolicy] record in
            record.incarnation = record.nextIncarnation(clock: start.clock)
            record.policy = policy
            // Whether the peer is down is for an operator of this day to say.
            if record.operation?.verb == .disableHA {
                record.operation?.step = DisablingStep.askingForPledge
            }
        }
        self.repeatAsking()
        switch self.record.role {
        case .none:
            // Nobody asks for it any more; kept, it would stand in the way of what the peer asks.
            if self.record.operation != nil { self.persist { $0.operation = nil } }
            self.state = .idle
            if self.gate == .closed { self.emit(.setMarker) }
        case .standalone:
            self.state = .standalone
            if self.isVaultMissing { self.withdrawEnabling() } else { self.openGate() }
        case .secondary:
            self.state = .secondary(Secondary(stage: .searching, now: self.clock.shortest))
            self.emit(.setMarker)
        case .primary:
            self.startPrimary()
        }
        self.state(asProbe: true)
    }

    private mutating func startPrimary() {
        if self.record.relinquish != nil {
            if self.isVaultMissing { self.rememberLoss() }
            self.state = .primary(Primary(stage: .inDoubt))
            self.emit(.setMarker)
            self.emit(.report(.inDoubt))
            return
        }
        switch Self.quarantine(of: self.record) {
        case .lost, .foreign: return self.lackVault()
        case .replacing, .suspect, nil: if self.isVaultMissing { return self.lackVault() }
        }
        if self.has(.openAtStart) {
            self.state = .primary(Primary(stage: .serving))
            self.openGate()
        } else {
            // With the right to itself too: a person may have promoted the peer meanwhile.
            self.state = .primary(Primary(stage: .closed(self.closed(for: .searching))))
        }
        self.emit(.serveLog(under: self.record.epoch))
    }

    mutating func tick(_ tick: Tick) {
        self.clock.advance(tick, shareAtMost: self.timing.longestTick)
        self.wallSeconds = tick.wallSeconds
        self.forgetOldRequest()
        switch self.state {
        case .starting, .failed: break
        case .idle, .standalone: self.probe()
        case .primary: self.tickPrimary(tick)
        case .secondary: self.tickSecondary(tick)
        }
    }

    /// A node that is not in the pair keeps in touch with its peer: HA can be switched on only while
    /// each knows what the other is.
    private mutating func probe() {
        let isEager = self.link.request != nil || self.record.operation != nil
        guard isEager || self.clock.longest >= self.nextIdleProbe else { return }
        self.nextIdleProbe = self.clock.longest + self.timing.heartbeat / 2
        self.state(asProbe: true)
    }

    /// This node did not run, or a clock of it jumped: its reading of time proves nothing.
    func isGap(_ tick: Tick) -> Bool {
        tick.longest > self.timing.gapLimit
            || tick.longest - tick.shortest > self.timing.disagreementLimit
    }

    /// How many ticks like `tick` would change nothing but the clocks; the simulator skips them.
    package func quietTicks(like tick: Tick) -> Int {
        guard !self.isGap(tick), tick.longest > .zero, tick.shortest > .zero else { return 0 }
        let left: Duration =
            switch self.state {
            case .starting, .failed: .seconds(1 << 20)
            case .idle, .standalone:
                self.link.request != nil || self.record.operation != nil
                    ? .zero : self.nextIdleProbe - self.clock.longest
            case .primary: self.nextDuePrimary - self.clock.longest
            case .secondary: self.nextDueSecondary - self.clock.shortest
            }
        // The tick that reaches a deadline is not quiet.
        return max(0, Int(left / tick.longest) - 1)
    }

    /// Lives through ticks that ``quietTicks(like:)`` has found to change nothing else.
    package mutating func skip(_ count: Int, like tick: Tick) {
        self.clock.advance(tick, count: count, shareAtMost: self.timing.longestTick)
        self.wallSeconds = tick.wallSeconds
    }
}
