import PairCore
import PairWire

/// What `paird` does around the machine: starts, ticks, effects.
extension Simulation {
    mutating func freshNonce() -> Nonce {
        Nonce(self.chance.next(), self.chance.next(), self.chance.next(), self.chance.next() | 1)
    }

    mutating func startDaemon(_ bit: NodeBit) {
        let index = self.node(bit)
        guard self.nodes[index].daemon == nil else { return }
        self.nodes[index].isUp = true
        self.nodes[index].isDaemonHung = false
        self.nodes[index].start += 1
        self.nodes[index].work += 1
        self.nodes[index].gateToken += 1
        self.nodes[index].servedEpoch = nil
        self.nodes[index].followedEpoch = nil
        self.nodes[index].isRetryingLog = false
        self.nodes[index].inbox = []
        let record = self.nodes[index].record
        switch Failover.gateAtStart(of: record) {
        case .unmanaged: break
        case .open, .closing, .closed: self.nodes[index].vault.isOpen = false
        }
        if Failover.needsMarker(record) { self.nodes[index].vault.isMarked = true }
        var failover = Failover(
            record: record,
            position: self.nodes[index].vault.position,
            configuration: self.configuration(of: bit)
        )
        #if PLANTED_BUGS
            failover.planted = self.scenario.planted
        #endif
        self.nodes[index].daemon = SimDaemon(failover)
        self.nodes[index].lastTick = self.now
        let start = Failover.Start(
            position: self.nodes[index].vault.position,
            hasVault: true,
            wallSeconds: self.wall,
            nonces: (self.freshNonce(), self.freshNonce())
        )
        self.tell(bit, .started(start))
        if !self.isStory, record.role == .primary, record.relinquish == nil,
            self.chance.once(in: 8)
        {
            self.answer(
                bit,
                .continuityLost(after: self.nodes[index].vault.position, isReplaced: false),
                after: 2_000
            )
        }
    }

    /// What the node's file says at this moment.
    func configuration(of bit: NodeBit) -> Failover.Configuration {
        Failover.Configuration(
            timing: FailoverTiming(timeout: self.nodes[self.node(bit)].timeout),
            failover: self.scenario.policy,
            hasReach: self.scenario.hasReach
        )
    }

    var wall: Int64 { 1_700_000_000 + self.now / 1_000_000 }

    private static let second = Duration.seconds(1)

    func plainTick() -> Failover.Tick {
        Failover.Tick(shortest: Self.second, longest: Self.second, wallSeconds: self.wall)
    }

    /// The daemon's timer; the ticks that it slept through were quiet.
    mutating func tick(_ bit: NodeBit) {
        let index = self.node(bit)
        guard self.nodes[index].isRunning else { return }
        self.catchUpTicks(bit, leaving: 1)
        self.nodes[index].lastTick += self.nodes[index].second
        self.tell(bit, .tick(self.plainTick()))
    }

    /// Tells the machine of quiet ticks that have passed.
    mutating func catchUpTicks(_ bit: NodeBit, leaving rest: Int = 0) {
        let index = self.node(bit)
        let count = self.nodes[index].ticksUntil(self.now) - rest
        guard count > 0 else { return }
        let tick = self.plainTick()
        self.nodes[index].daemon?.failover.skip(count, like: tick)
        self.nodes[index].lastTick += Int64(count) * self.nodes[index].second
    }

    mutating func scheduleTick(_ bit: NodeBit) {
        let index = self.node(bit)
        let node = self.nodes[index]
        guard let daemon = node.daemon else { return }
        let quiet = self.scenario.skipsQuietTicks ? daemon.quietTicks : 0
        self.queue.setTimer(index, at: node.lastTick + Int64(min(quiet, 100_000) + 1) * node.second)
    }

    /// Gives the machine an event and carries out what it answers.
    mutating func tell(_ bit: NodeBit, _ event: Failover.Event) {
        let node = self.nodes[self.node(bit)]
        guard node.isRunning else { return }
        if case .tick = event {} else { self.catchUpTicks(bit) }
        let now = Instant(sinceStart: self.now.duration)
        guard let daemon = node.daemon else { return }
        let answer = daemon.handle(event, at: now, nextTick: self.plainTick())
        self.count(answer.before, answer.after)
        if answer.before != answer.after || !answer.effects.isEmpty {
            self.note(Transcript.line(bit, event, answer.before, answer.after, answer.effects))
        }
        let start = node.start
        for effect in answer.effects {
            guard self.violation == nil else { return }
            if !self.faultsAreOver, !self.isWaking, self.now > .minutes(1),
                self.chance.once(in: self.scenario.crashOnceInEffects)
            {
                self.crash(bit, wholeMachine: self.chance.once(in: 2), because: "\(effect.name)")
                return
            }
            self.carryOut(effect, on: bit)
            guard node.start == start, node.daemon != nil else { return }
        }
        if !self.isWaking { self.observe(.handled(bit)) }
        self.scheduleTick(bit)
    }

    private mutating func count(_ before: NodeState, _ after: NodeState) {
        guard before != after else { return }
        self.statistics.states[after.rawValue, default: 0] += 1
        self.statistics.transitions["\(before.rawValue) -> \(after.rawValue)", default: 0] += 1
    }

    mutating func answer(
        _ bit: NodeBit,
        _ event: Failover.Event,
        after delay: SimTime,
        work: UInt64? = nil
    ) {
        self.queue.add(
            .answer(bit, start: self.nodes[self.node(bit)].start, work: work, event),
            at: self.now + delay
        )
    }

    private mutating func carryOut(_ effect: Failover.Effect, on bit: NodeBit) {
        let index = self.node(bit)
        switch effect {
        case .persist(let record):
            let before = self.nodes[index].record.lineage.epoch
            self.nodes[index].record = record
            if let newest = record.lineage.entries.last, newest.epoch > before, newest.owner == bit
            {
                self.observe(.promoted(bit, newest.cause))
            }
            self.observe(.persisted(bit, record))
        case .openGate(let epoch):
            self.nodes[index].gateToken += 1
            self.nodes[index].vault.isMarked = false
            self.nodes[index].vault.isOpen = true
            self.observe(.gateOpened(bit, epoch))
        case .closeGate:
            self.nodes[index].gateToken += 1
            let held: SimTime =
                self.chance.once(in: 20)
                ? self.chance.within(1...4_000_000) : self.chance.within(100...20_000)
            self.queue.add(
                .gateTaken(bit, token: self.nodes[index].gateToken),
                at: self.now + held
            )
        case .setMarker:
            self.nodes[index].vault.isMarked = true
            self.nodes[index].vault.isOpen = false
        case .clearMarker: self.nodes[index].vault.isMarked = false
        case .send(let message): self.send(message, from: bit)
        case .checkVault:
            let check: Failover.VaultCheck =
                !self.faultsAreOver && self.chance.once(in: 10)
                ? .unfit("the disk is full") : .sound(self.nodes[index].vault.position)
            self.answer(bit, .vaultChecked(check), after: self.chance.within(1_000...300_000))
        case .probeReach:
            let answered = self.faultsAreOver || !self.isBlocked[index] || self.chance.once(in: 4)
            self.answer(bit, .reachProbed(answered: answered), after: 500_000)
        case .locate(let inquiry): self.locate(inquiry, on: bit)
        case .serveLog(let epoch): self.nodes[index].servedEpoch = epoch
        case .followLog(let epoch): self.follow(epoch, on: bit)
        case .stopLog:
            self.nodes[index].servedEpoch = nil
            self.nodes[index].followedEpoch = nil
            self.nodes[index].work += 1
        case .sealTail(let fork): self.sealTail(after: fork, on: bit)
        case .copyTail(let id):
            self.retryTail(
                bit,
                start: self.nodes[index].start,
                work: self.nodes[index].work,
                id
            )
        case .undo(let position): self.undo(to: position, on: bit)
        case .takeCopy(let epoch):
            self.retryCopy(
                bit,
                start: self.nodes[index].start,
                work: self.nodes[index].work,
                epoch
            )
        case .reply: break
        case .report(let report):
            self.statistics.reports[report.name, default: 0] += 1
        }
    }

    // MARK: The gate

    mutating func takeGate(_ bit: NodeBit, token: UInt64) {
        let index = self.node(bit)
        guard self.nodes[index].gateToken == token else { return }
        self.nodes[index].vault.isOpen = false
        self.tell(bit, .gateClosed(self.nodes[index].vault.position))
    }

    mutating func write(on bit: NodeBit) {
        let index = self.node(bit)
        let next = self.now + self.untilNext(self.scenario.writeInterval)
        self.queue.add(.write(bit), at: next)
        guard self.nodes[index].acceptsWrites, self.nodes[index].claimsToServe else { return }
        self.commit(on: bit)
    }

    mutating func commit(on bit: NodeBit) {
        let index = self.node(bit)
        let transaction = self.nodes[index].vault.commit(
            self.nextWrite,
            epoch: self.nodes[index].record.epoch
        )
        self.acknowledged.append(self.nextWrite)
        self.nextWrite += 1
        self.observe(.wrote(bit, transaction))
        self.tell(bit, .positionChanged(transaction.position))
        self.ship(from: bit)
    }
}
