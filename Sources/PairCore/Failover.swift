/// Decides whether this node may accept writes, and how the two nodes change places.
///
/// Pure: no clock, files, sockets or randomness. Feed it what happened, in the order in which it
/// happened, and carry out, in order, what it returns. Crash at any point, between any two effects
/// included: a start from the last persisted record continues safely.
///
/// Three rules carry everything else. *Persist before you speak, persist before you open.* A primary
/// counts its lease from the sending on its fastest clock, a secondary its silence from the receiving
/// on its slowest. And whoever gives up a right does so in a persisted record that names what it gives
/// up, so that no late message can take it back.
package struct Failover: Sendable {
    /// What the node's own configuration says; its policy counts while this node leads.
    package struct Configuration: Hashable, Sendable {
        package var timing: FailoverTiming
        package var failover: FailoverPolicy
        /// `failover.reach` names addresses whose answers are evidence of not being isolated.
        package var hasReach: Bool

        package init(
            timing: FailoverTiming,
            failover: FailoverPolicy,
            hasReach: Bool = false
        ) {
            self.timing = timing
            self.failover = failover
            self.hasReach = hasReach
        }

        /// What this node would have the pair do.
        package var policy: PairPolicy {
            PairPolicy(failover: self.failover, timeout: self.timing.timeout)
        }
    }

    package enum State: Hashable, Sendable {
        case starting
        /// Role `none`: unpaired, paired or parked.
        case idle
        case standalone
        case primary(Primary)
        case secondary(Secondary)
        /// The vault or the record cannot be used; only a new start leaves this.
        case failed
    }

    /// What this node does with its gate, as far as it has told the shell.
    package enum Gate: Hashable, Sendable {
        case unmanaged
        case open
        /// Asked for; a transaction that is under way may still be committed.
        case closing
        case closed
    }

    /// A request whose end an operator waits for.
    struct Awaited: Hashable, Sendable {
        var request: Request
        /// Of this node when it was asked.
        var role: Role
    }

    package internal(set) var record: NodeRecord
    package internal(set) var state: State = .starting
    package internal(set) var gate: Gate
    package internal(set) var link = Link()
    package internal(set) var clock = FailoverClock()
    /// Captured where this node is primary or standalone, applied where it is secondary.
    package internal(set) var position: Position
    /// There is a vault file with content.
    package internal(set) var hasVault = true
    /// Nothing lies where the vault belongs.
    package internal(set) var isVaultMissing = false
    package internal(set) var lastEvent: Instant?
    /// The operations of which this node owes its operator the end.
    var awaited: [Awaited] = []
    /// Of a node outside the pair, on ``FailoverClock/longest``.
    var nextIdleProbe: Duration = .zero
    var wallSeconds: Int64 = 0
    var effects: [Effect] = []
    package internal(set) var configuration: Configuration
    #if PLANTED_BUGS
        /// A mistake made on purpose, to prove that the simulator finds it.
        package var planted: PlantedBug?
    #endif

    /// A node that is about to start; the shell has taken layer 1 wherever ``gateAtStart(of:)`` says so.
    package init(record: NodeRecord, position: Position, configuration: Configuration) {
        self.record = record
        self.position = position
        self.configuration = configuration
        self.gate = Self.gateAtStart(of: record)
    }

    /// How the shell attaches the vault before it makes the machine: never open.
    ///
    /// Roles that may serve at once are told `openGate` by the first event.
    package static func gateAtStart(of record: NodeRecord) -> Gate {
        record.role == .none && record.peer?.wasEnabled != true ? .unmanaged : .closed
    }

    /// Whether the marker must be set in the vault of a node with this record (protocol.md, 11).
    package static func needsMarker(_ record: NodeRecord) -> Bool {
        switch record.role {
        case .primary: record.relinquish != nil
        case .standalone: false
        case .secondary: true
        case .none: record.peer?.wasEnabled == true
        }
    }

    /// Applies one event and answers with what the shell must do, in order.
    ///
    /// `now` is when the shell saw the event, and never runs backwards.
    package mutating func handle(_ event: Event, at now: Instant) -> [Effect] {
        self.lastEvent = now
        self.effects.removeAll(keepingCapacity: true)
        switch event {
        case .started(let start): self.start(start)
        case .tick(let tick): self.tick(tick)
        case .received(.statement(let statement), let fresh): self.hear(statement, fresh: fresh)
        case .received(.heartbeat(let heartbeat), let fresh): self.hear(heartbeat, fresh: fresh)
        case .positionChanged(let position): self.move(to: position)
        case .gateClosed(let position): self.gateDidClose(at: position)
        case .peerApplied(let position, let inSync): self.peerApplied(position, inSync: inSync)
        case .connected: self.connect()
        case .logInterrupted: self.logInterrupted()
        case .logResumed: self.logResumed()
        case .logLost: self.logLost()
        case .located(let inquiry, let finding): self.located(inquiry, finding)
        case .vaultChecked(let check): self.vaultChecked(check)
        case .reachProbed(let answered): self.reachProbed(answered)
        case .tailSealed(let tail): self.tailSealed(tail)
        case .tailCopied(let id): self.tailCopied(id)
        case .rolledBack(let position): self.rolledBack(to: position)
        case .copied(let position, let epoch): self.copied(to: position, of: epoch)
        case .continuityLost(let position, let isReplaced):
            self.continuityLost(at: position, isReplaced: isReplaced)
        case .vaultFound(let position, let isOurs, let hasTables):
            self.vaultFound(at: position, isOurs: isOurs, hasTables: hasTables)
        case .vaultSuspected: self.vaultSuspected()
        case .vaultLost: self.vaultLost()
        case .operatorAsked(let request): self.ask(request)
        case .configured(let configuration): self.configure(configuration)
        case .storageFailed: self.fail()
        }
        return self.effects
    }
}

/// Pieces that every role uses.
extension Failover {
    var bit: NodeBit { self.record.peer?.bit ?? .zero }
    var timing: FailoverTiming {
        var timing = self.configuration.timing
        timing.timeout = self.record.policy.timeout
        return timing
    }

    /// The primary's data; a trap anywhere but in that state.
    var primary: Primary {
        get {
            guard case .primary(let primary) = self.state else {
                preconditionFailure("not primary: \(self)")
            }
            return primary
        }
        set { self.state = .primary(newValue) }
    }

    /// The secondary's data; a trap anywhere but in that state.
    var secondary: Secondary {
        get {
            guard case .secondary(let secondary) = self.state else {
                preconditionFailure("not secondary: \(self)")
            }
            return secondary
        }
        set { self.state = .secondary(newValue) }
    }

    mutating func emit(_ effect: Effect) { self.effects.append(effect) }

    /// Changes the record and has it made durable before anything that follows.
    mutating func persist(_ change: (inout NodeRecord) -> Void) {
        let before = self.record
        change(&self.record)
        if self.record != before { self.emit(.persist(self.record)) }
    }

    /// The entry of this node's next epoch, above all that it has seen.
    func nextEntry(_ cause: EpochCause, after fork: Position) -> LineageEntry {
        let seen = max(
            self.record.epoch,
            self.record.lineage.epoch,
            self.link.peer?.epoch ?? .none
        )
        return LineageEntry(
            epoch: self.has(.ignoreParity)
                ? Epoch(rawValue: seen.rawValue + 1) : seen.next(ownedBy: self.bit),
            owner: self.bit,
            fork: fork,
            cause: cause,
            wallSeconds: self.wallSeconds
        )
    }

    /// Asks for layer 1; nothing is certain before `gateClosed`.
    mutating func closeGate() {
        guard self.gate == .open || self.gate == .unmanaged else { return }
        self.gate = .closing
        self.emit(.closeGate)
    }

    mutating func openGate() {
        guard self.gate != .open else { return }
        self.gate = .open
        self.emit(.openGate(under: self.record.epoch))
    }

    mutating func fail() {
        if self.gate == .open { self.closeGate() }
        self.state = .failed
        self.emit(.stopLog)
        self.emit(.report(.failed))
    }

    mutating func move(to position: Position) {
        self.position = position
        self.hasVault = true
        self.isVaultMissing = false
    }

    func has(_ bug: PlantedBug) -> Bool {
        #if PLANTED_BUGS
            self.planted == bug
        #else
            false
        #endif
    }
}

/// Mistakes that a test build can make on purpose; a release build has none of them.
package enum PlantedBug: String, CaseIterable, Sendable {
    /// The lease counts from the answer's arrival instead of the heartbeat's sending.
    case leaseFromReceipt
    /// A heartbeat with a nonce that was used extends the timer again.
    case acceptReplay
    /// A late arming heartbeat takes back a pledge.
    case ignorePledge
    /// A secondary without the right promotes itself.
    case promoteUnarmed
    /// A promoter takes the next epoch, whoever owns it.
    case ignoreParity
    /// A divergent tail is rolled back without an archive.
    case dropTail
    /// A primary in doubt opens again by itself.
    case reopenInDoubt
    /// A successor acts on an offer that it has called off.
    case ignoreAbort
    /// A restarted primary opens before it has heard from its armed secondary.
    case openAtStart
    /// The gate opens before the epoch is durable.
    case openBeforePersist
    /// The loser of two primaries keeps its gate open while it gives in.
    case yieldOpen
    /// The primary takes the pledge's right before the pledge.
    case soloWithoutPledge
    /// A primary that shortens the timeout keeps the lease that the longer one gave it.
    case keepLongLease
}
