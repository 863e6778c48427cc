import PairCore

/// What breaks, what operators do, and how it all ends.
extension Simulation {
    enum Fault: CaseIterable {
        case crashDaemon
        case crashMachine
        case crashBoth
        case pauseMachine
        case hangDaemon
        case partition
        case oneWay
        case loss
        case loseCopy
    }

    mutating func injectFault() {
        guard !self.faultsAreOver else { return }
        let next = self.now + self.untilNext(self.scenario.faultInterval)
        self.queue.add(.fault, at: next)
        let bit: NodeBit = self.chance.once(in: 2) ? .zero : .one
        let fault = self.chance.pick(Fault.allCases)
        self.statistics.faults["\(fault)", default: 0] += 1
        switch fault {
        case .crashDaemon: self.crash(bit, wholeMachine: false, because: "fault")
        case .crashMachine: self.crash(bit, wholeMachine: true, because: "fault")
        case .crashBoth:
            self.crash(bit, wholeMachine: true, because: "fault")
            let wholeMachine = self.chance.once(in: 2)
            self.crash(bit.other, wholeMachine: wholeMachine, because: "fault")
        case .pauseMachine:
            let duration = self.outage()
            self.pause(bit, for: duration)
        case .hangDaemon:
            let duration = self.outage()
            self.hangDaemon(bit, for: duration)
        case .partition: self.block([true, true])
        case .oneWay: self.block(bit == .zero ? [true, false] : [false, true])
        case .loss:
            let loss = self.chance.pick([0, 2, 3, 10, 100] as [UInt64])
            self.lossOnceIn = loss
            self.note("network loses one packet in \(loss)")
        case .loseCopy: self.loseCopy(of: bit)
        }
    }

    /// Somebody removes the vault under a secondary that follows; its primary has all of it.
    private mutating func loseCopy(of bit: NodeBit) {
        let index = self.node(bit)
        guard self.nodes[index].isRunning,
            case .secondary(let secondary) = self.nodes[index].daemon?.failover.state,
            secondary.isFollowing
        else { return }
        self.note("node \(bit.rawValue): its copy is removed")
        let removed = self.nodes[index].vault.replace(with: [])
        self.observe(.destroyed(bit, removed))
        self.nodes[index].followedEpoch = nil
        self.nodes[index].work += 1
        self.tell(bit, .vaultLost)
    }

    /// Seconds, about the timeout, or hours.
    private mutating func outage() -> SimTime {
        let kinds: UInt64 = self.scenario.kind == .restless && !self.chance.once(in: 5) ? 1 : 4
        return switch self.chance.next() % kinds {
        case 0: self.chance.within(.seconds(1)...(.seconds(20)))
        case 1: self.chance.within(.seconds(20)...(.minutes(5)))
        case 2: self.chance.within(.minutes(4)...(.minutes(16)))
        default: self.chance.within(.minutes(10)...(.minutes(60)))
        }
    }

    private mutating func block(_ blocked: [Bool]) {
        self.isBlocked = blocked
        self.note("network blocks \(blocked)")
        let end = self.now + self.outage()
        self.queue.add(.heal(blocked: [false, false]), at: end)
    }

    // MARK: Crashes

    mutating func crash(_ bit: NodeBit, wholeMachine: Bool, because reason: String) {
        let index = self.node(bit)
        guard let failover = self.nodes[index].daemon?.failover,
            self.nodes[index].pausedUntil == nil
        else { return }
        self.note(
            "node \(bit.rawValue): \(wholeMachine ? "machine" : "daemon") dies (\(reason))"
        )
        self.statistics.faults[wholeMachine ? "machine died" : "daemon died", default: 0] += 1
        self.nodes[index].daemon = nil
        self.nodes[index].start += 1
        self.nodes[index].gateToken += 1
        self.nodes[index].servedEpoch = nil
        self.nodes[index].followedEpoch = nil
        self.nodes[index].isDaemonHung = false
        if wholeMachine {
            self.nodes[index].isUp = false
            // The application starts after the daemon; without both the gate is nobody's.
            if self.nodes[index].record.role != .none
                || self.nodes[index].record.peer?.wasEnabled == true
            {
                self.nodes[index].vault.isOpen = false
            }
        } else {
            self.scheduleGuard(bit, failover)
        }
        guard !self.isStory else { return }
        let end = self.now + self.outage()
        self.queue.add(.start(bit), at: end)
    }

    /// The guard closes the gate of a dead or hung daemon before its lease ends.
    private mutating func scheduleGuard(_ bit: NodeBit, _ failover: Failover) {
        let index = self.node(bit)
        guard self.nodes[index].record.role == .primary, self.nodes[index].record.right == .leased,
            case .primary(let primary) = failover.state
        else { return }
        let margin = self.configuration(of: bit).timing.closingMargin
        let left = (primary.lease?.end ?? .zero) - failover.clock.longest - margin
        // The lease's end by this node's own clock, from its last tick.
        let real = Int64(max(.zero, left) / .microseconds(1)) * self.nodes[index].second / 1_000_000
        let due = max(self.now + .seconds(5), self.nodes[index].lastTick + real)
        self.nodes[index].guardToken += 1
        let (start, token) = (self.nodes[index].start, self.nodes[index].guardToken)
        self.queue.add(.guardCloses(bit, start: start, token: token), at: due)
    }

    mutating func guardCloses(_ bit: NodeBit, start: UInt64, token: UInt64) {
        let index = self.node(bit)
        guard self.nodes[index].isUp, self.nodes[index].start == start,
            self.nodes[index].guardToken == token,
            self.nodes[index].daemon == nil || self.nodes[index].isDaemonHung
        else { return }
        self.note("node \(bit.rawValue): the guard closes the gate")
        self.nodes[index].vault.isOpen = false
    }

    private mutating func pause(_ bit: NodeBit, for duration: SimTime) {
        let index = self.node(bit)
        guard self.nodes[index].isUp, self.nodes[index].pausedUntil == nil,
            self.nodes[index].daemon != nil, !self.nodes[index].isDaemonHung
        else { return }
        self.note("node \(bit.rawValue): machine stands still for \(duration.clockText)")
        self.catchUpTicks(bit)
        self.nodes[index].pausedUntil = self.now + duration
        self.queue.add(.resume(bit), at: self.now + duration)
    }

    mutating func resume(_ bit: NodeBit) {
        let index = self.node(bit)
        guard let until = self.nodes[index].pausedUntil, until <= self.now else { return }
        self.note("node \(bit.rawValue): machine goes on")
        self.nodes[index].pausedUntil = nil
        self.wake(bit, isHang: false)
    }

    private mutating func hangDaemon(_ bit: NodeBit, for duration: SimTime) {
        let index = self.node(bit)
        guard self.nodes[index].isRunning else { return }
        self.note("node \(bit.rawValue): daemon hangs for \(duration.clockText)")
        self.catchUpTicks(bit)
        guard let failover = self.nodes[index].daemon?.failover else { return }
        self.nodes[index].isDaemonHung = true
        self.scheduleGuard(bit, failover)
        self.queue.add(.wakeDaemon(bit), at: self.now + duration)
    }

    mutating func wakeDaemon(_ bit: NodeBit) {
        let index = self.node(bit)
        guard self.nodes[index].isDaemonHung, self.nodes[index].isUp else { return }
        self.note("node \(bit.rawValue): daemon goes on")
        self.nodes[index].guardToken += 1
        self.nodes[index].isDaemonHung = false
        self.wake(bit, isHang: true)
    }

    /// The first tick after a pause shows it on at least one clock; then come the messages.
    private mutating func wake(_ bit: NodeBit, isHang: Bool) {
        let index = self.node(bit)
        let gap = Duration.microseconds(
            (self.now - self.nodes[index].lastTick) * 1_000_000 / self.nodes[index].second
        )
        let isSeen = isHang || self.chance.once(in: 2)
        self.isWaking = !isHang
        self.nodes[index].lastTick = self.now
        self.tell(
            bit,
            .tick(
                Failover.Tick(
                    shortest: isSeen ? gap : min(gap, .seconds(1)),
                    longest: gap,
                    wallSeconds: self.wall
                )
            )
        )
        // The promise about pauses that a clock shows: the gate closes before anything else runs.
        if !isHang, self.nodes[index].daemon?.failover.gate == .closing {
            self.takeGate(bit, token: self.nodes[index].gateToken)
        }
        self.isWaking = false
        let inbox = self.nodes[index].inbox
        self.nodes[index].inbox = []
        for packet in inbox { self.arrive(packet, at: bit) }
    }

    // MARK: Operators

    mutating func operatorActs() {
        guard !self.faultsAreOver, let interval = self.scenario.verbInterval else { return }
        let next = self.now + self.untilNext(interval)
        self.queue.add(.verb, at: next)
        let bit: NodeBit = self.chance.once(in: 2) ? .zero : .one
        let isForced = self.scenario.allowsForce && self.chance.once(in: 3)
        let verb: Request.Verb =
            switch self.chance.next() % (self.scenario.kind == .restless ? 24 : 12) {
            case 0...3, 12...23: .switchover
            case 4, 5: .enableHA(discardingPeerVault: false)
            case 6, 7: .disableHA(isForced: isForced)
            case 8: .suspend(for: .seconds(self.chance.within(60...3600)))
            case 9: .resume
            default: .promote(isForced: isForced)
            }
        self.ask(self.newRequest(verb), on: bit)
    }

    /// Edits a node's file; the daemon reads it at once, or when it starts again.
    mutating func changeTimeout() {
        guard !self.faultsAreOver else { return }
        let next = self.now + self.untilNext(self.scenario.faultInterval)
        self.queue.add(.changeTimeout, at: next)
        let bit: NodeBit = self.chance.once(in: 2) ? .zero : .one
        let timeout = self.chance.pick([.seconds(300), .seconds(420), .seconds(840)] as [Duration])
        self.nodes[self.node(bit)].timeout = timeout
        self.note("operator on node \(bit.rawValue): the file says \(timeout)")
        guard !self.chance.once(in: 3) else { return }
        self.tell(bit, .configured(self.configuration(of: bit)))
    }

    mutating func ask(_ request: Request, on bit: NodeBit) {
        switch request.verb {
        case .promote(isForced: true), .disableHA(isForced: true): self.lastForced = self.now
        case .promote, .disableHA, .enableHA, .switchover, .suspend, .resume, .standalone: break
        }
        self.note("operator on node \(bit.rawValue): \(request.verb)")
        self.tell(bit, .operatorAsked(request))
    }

    // MARK: The end

    /// Everything heals; after a while the pair must be whole again.
    mutating func settle() {
        guard !self.faultsAreOver else {
            self.keepEnabled()
            return
        }
        self.note("faults are over")
        self.faultsAreOver = true
        self.isBlocked = [false, false]
        self.lossOnceIn = 0
        for bit in [NodeBit.zero, .one] {
            let index = self.node(bit)
            if self.nodes[index].pausedUntil != nil {
                self.nodes[index].pausedUntil = self.now
                self.resume(bit)
            }
            self.wakeDaemon(bit)
            self.startDaemon(bit)
            let resume = self.newRequest(.resume)
            self.queue.add(.request(bit, resume), at: self.now + .minutes(20))
        }
        self.queue.add(.settle, at: self.now + .minutes(60))
    }

    /// HA may have been switched off; one of the two enables it again, then the end is judged.
    private mutating func keepEnabled() {
        let roles = self.nodes.map(\.record.role)
        if roles.contains(.standalone) || roles.contains(.none) {
            guard self.now < self.scenario.duration + .hours(4) else {
                self.end()
                return
            }
            let bit: NodeBit = roles[0] != .none || roles == [.none, .none] ? .zero : .one
            // Two operators have each vouched that the other node is down, and one of them yields.
            let bothServe = roles == [.standalone, .standalone]
            if bothServe || roles.contains(.none) {
                self.ask(self.newRequest(.enableHA(discardingPeerVault: bothServe)), on: bit)
            }
            self.queue.add(.settle, at: self.now + .minutes(45))
            return
        }
        self.end()
    }

    private mutating func end() {
        self.isSettled = true
        self.observe(.settled)
    }
}
