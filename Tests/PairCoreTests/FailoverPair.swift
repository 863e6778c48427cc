import PairCore

/// Two machines and the least of a shell, in the hands of a test: nothing moves unless it is told to.
struct FailoverPair {
    var nodes: [Failover] = []
    /// What each node has made durable.
    var disks: [NodeRecord] = []
    /// The timeout that each node's file has.
    var files: [Duration]
    /// All effects since the beginning, with the node that they are of.
    var log: [(node: Int, effect: Failover.Effect)] = []
    /// Messages that have been sent and not delivered.
    var inFlight: [(to: Int, message: PeerMessage)] = []
    /// Nothing that is sent gets into `inFlight`.
    var isCut = false
    /// The vault's check takes longer than the test.
    var isCheckingVault = false
    /// A gate that is closed waits for an application's write, as long as the test likes.
    var isClosingSlowly = false
    var now: Duration = .zero
    private var nextNonce: UInt64 = 1

    static func operation(_ number: UInt64) -> OperationID { OperationID(high: 0, low: number) }

    init(policy: FailoverPolicy = .available, timeout: Duration = .seconds(840)) {
        self.files = [timeout, timeout]
        for bit in [NodeBit.zero, .one] {
            func id(_ bit: NodeBit) -> NodeID { NodeID(high: 0, low: UInt64(bit.rawValue)) }
            var record = NodeRecord(
                identity: NodeRecord.Identity(node: id(bit), name: "n\(bit)", model: "m")
            )
            record.peer = NodeRecord.Peer(
                pair: PairID(high: 1, low: 1),
                vault: nil,
                bit: bit,
                node: id(bit.other),
                name: "n\(bit.other)",
                model: "m",
                keyPin: [],
                signingKey: [],
                address: "",
                minimumProtocol: 1,
                wasEnabled: false
            )
            record.policy = PairPolicy(failover: policy, timeout: timeout)
            self.disks.append(record)
            self.nodes.append(Self.machine(record, timeout, at: .start))
        }
        for node in 0...1 { self.start(node) }
        self.deliver()
    }

    private static func machine(
        _ record: NodeRecord,
        _ timeout: Duration,
        at position: Position
    ) -> Failover {
        Failover(
            record: record,
            position: position,
            configuration: Self.configuration(record.policy.failover, timeout)
        )
    }

    private static func configuration(
        _ policy: FailoverPolicy,
        _ timeout: Duration
    ) -> Failover.Configuration {
        Failover.Configuration(timing: FailoverTiming(timeout: timeout), failover: policy)
    }

    /// An operator changes the node's file, and the daemon reads it again.
    mutating func configure(_ node: Int, timeout: Duration) {
        self.files[node] = timeout
        let policy = self.nodes[node].configuration.failover
        self.tell(node, .configured(Self.configuration(policy, timeout)))
    }

    /// A pair whose node 0 serves and whose node 1 is armed.
    static func protected(
        policy: FailoverPolicy = .available,
        timeout: Duration = .seconds(840)
    ) -> FailoverPair {
        var pair = FailoverPair(policy: policy, timeout: timeout)
        pair.ask(0, .standalone, 1)
        pair.ask(0, .enableHA(discardingPeerVault: false), 2)
        pair.deliver()
        pair.tick(3)
        // Until the secondary has said that it is armed, and the operation has ended with that.
        var patience = 300
        while pair.disks[0].operation != nil || !pair.nodes[0].secondaryIsArmed, patience > 0 {
            pair.tick(1)
            patience -= 1
        }
        return pair
    }

    /// A pair whose node 0 has relinquished in a switchover, its message in ``inFlight``.
    static func relinquished() -> FailoverPair {
        var pair = FailoverPair.protected()
        pair.ask(0, .switchover, 7)
        while pair.disks[0].relinquish == nil, !pair.inFlight.isEmpty {
            let (node, message) = pair.inFlight.removeFirst()
            pair.tell(node, .received(message, fresh: pair.nonce()))
            if case .primary(let primary) = pair.nodes[0].state,
                case .handingOver(let handingOver) = primary.stage,
                case .draining(let end) = handingOver.step
            {
                pair.tell(0, .peerApplied(end, inSync: true))
            }
        }
        return pair
    }

    #if PLANTED_BUGS
        /// Makes the mistake from now on, until the node starts again.
        mutating func plant(_ bug: PlantedBug?, in node: Int) { self.nodes[node].planted = bug }
    #endif

    mutating func nonce() -> Nonce {
        self.nextNonce += 1
        return Nonce(self.nextNonce, 0, 0, 1)
    }

    /// A start of the daemon from what is durable.
    ///
    /// - Parameter isVaultMissing: nothing lies at the vault's path any more.
    mutating func start(_ node: Int, isVaultMissing: Bool = false) {
        let position = self.nodes[node].position
        self.nodes[node] = Self.machine(self.disks[node], self.files[node], at: position)
        self.tell(
            node,
            .started(
                Failover.Start(
                    position: position,
                    hasVault: !isVaultMissing,
                    isVaultMissing: isVaultMissing,
                    wallSeconds: 0,
                    nonces: (self.nonce(), self.nonce())
                )
            )
        )
    }

    @discardableResult
    mutating func tell(_ node: Int, _ event: Failover.Event) -> [Failover.Effect] {
        let effects = self.nodes[node].handle(event, at: Instant(sinceStart: self.now))
        for effect in effects {
            self.log.append((node, effect))
            switch effect {
            case .persist(let record): self.disks[node] = record
            case .send(let message):
                if !self.isCut { self.inFlight.append((1 - node, message)) }
            case .closeGate where self.isClosingSlowly: break
            case .closeGate: self.tell(node, .gateClosed(self.nodes[node].position))
            case .locate(let inquiry):
                let finding = RejoinFinding(
                    holdsJoinerPosition: inquiry.joiner == self.nodes[node].position,
                    logIsKept: true,
                    holdsFork: true
                )
                self.tell(node, .located(inquiry, finding))
            case .followLog:
                self.tell(1 - node, .peerApplied(self.nodes[node].position, inSync: true))
            case .checkVault where self.isCheckingVault: break
            case .checkVault: self.tell(node, .vaultChecked(.sound(self.nodes[node].position)))
            case .openGate, .setMarker, .clearMarker, .probeReach, .serveLog, .stopLog,
                .sealTail, .copyTail, .undo, .takeCopy, .reply, .report:
                break
            }
        }
        return effects
    }

    /// What a node has been asked for by the machine, since `start` entries of the log.
    func effects(of node: Int, since start: Int = 0) -> [Failover.Effect] {
        self.log[start...].filter { $0.node == node }.map(\.effect)
    }

    func hasOpened(_ node: Int, since start: Int) -> Bool {
        self.effects(of: node, since: start).contains {
            if case .openGate = $0 { true } else { false }
        }
    }

    mutating func ask(_ node: Int, _ verb: Request.Verb, _ number: UInt64) {
        let request = Request(id: Self.operation(number), verb: verb, by: "alice")
        self.tell(node, .operatorAsked(request))
    }

    /// Delivers everything, and what that causes, in order.
    mutating func deliver() {
        var rest = 1_000
        while !self.inFlight.isEmpty, rest > 0 {
            let (node, message) = self.inFlight.removeFirst()
            let fresh = self.nonce()
            self.tell(node, .received(message, fresh: fresh))
            rest -= 1
        }
    }

    /// One second passes for the nodes named, `count` times; between two everything is delivered.
    mutating func tick(_ count: Int = 1, only: [Int] = [0, 1]) {
        for _ in 0..<count {
            self.now += .seconds(1)
            for node in only { self.tell(node, .tick(Self.second)) }
            self.deliver()
        }
    }

    /// One second passes for one node, and what it says stays under way.
    mutating func tickWithoutDelivery(_ node: Int) {
        self.now += .seconds(1)
        self.tell(node, .tick(Self.second))
    }

    static let second = Failover.Tick(
        shortest: .seconds(1),
        longest: .seconds(1),
        wallSeconds: 1_700_000_000
    )

    /// The newest heartbeat that node 0 sent.
    var newestHeartbeat: Heartbeat? {
        self.log.reversed().lazy.compactMap { entry -> Heartbeat? in
            guard entry.node == 0, case .send(.heartbeat(let heartbeat)) = entry.effect,
                heartbeat.kind == .heartbeat
            else { return nil }
            return heartbeat
        }.first
    }

    /// A protected pair in which ten transactions have reached the secondary.
    static func shipped() -> FailoverPair {
        var pair = FailoverPair.protected()
        let position = Position(epoch: pair.disks[0].epoch, txid: TXID(10), digest: .empty)
        for node in [0, 1] { pair.tell(node, .positionChanged(position)) }
        pair.tell(0, .peerApplied(position, inSync: true))
        return pair
    }

    /// One second, in which whatever a node has to hand over is applied by the other.
    mutating func drain(_ node: Int) {
        if case .primary(let primary) = self.nodes[node].state,
            case .handingOver(let handingOver) = primary.stage,
            case .draining(let end) = handingOver.step
        {
            self.tell(node, .peerApplied(end, inSync: true))
        }
        self.tick(1)
    }

    /// What an operator has been answered.
    func replies(to number: UInt64) -> [Failover.Reply] {
        self.log.compactMap { entry in
            guard case .reply(FailoverPair.operation(number), let reply) = entry.effect else {
                return nil
            }
            return reply
        }
    }

    /// Whether a node has been told to seal what it holds, since `mark` entries of the log.
    func seals(_ node: Int, since mark: Int = 0) -> Bool {
        self.effects(of: node, since: mark).contains { effect in
            if case .sealTail = effect { true } else { false }
        }
    }
}
