import PairCore
import PairWire

/// Two appliances, a network between them, an operator and a clock, in one thread.
///
/// Both nodes run the real machine; what the shell would do is modelled in `Simulation+Shell.swift`.
/// A seed is a history: the same scenario gives the same transcript.
package struct Simulation {
    enum Happening {
        case packet(Packet, to: NodeBit)
        indirect case answer(NodeBit, start: UInt64, work: UInt64?, Failover.Event)
        case gateTaken(NodeBit, token: UInt64)
        case guardCloses(NodeBit, start: UInt64, token: UInt64)
        case write(NodeBit)
        case start(NodeBit)
        case resume(NodeBit)
        case wakeDaemon(NodeBit)
        case fault
        case verb
        case changeTimeout
        case heal(blocked: [Bool])
        case retryLog(NodeBit, start: UInt64)
        case keepLog(NodeBit, start: UInt64, work: UInt64)
        case retryCopy(NodeBit, start: UInt64, work: UInt64, Epoch)
        case retryTail(NodeBit, start: UInt64, work: UInt64, String)
        case settle
        case request(NodeBit, Request)
    }

    package let scenario: Scenario
    package internal(set) var nodes: [SimNode]
    package internal(set) var now: SimTime = 0
    package internal(set) var transcript: [String]?
    package internal(set) var statistics = Statistics()
    /// Every write that an application was told is done.
    package internal(set) var acknowledged: [UInt64] = []
    package internal(set) var lastForced: SimTime?
    var chance: Generator
    var queue = EventQueue<Happening>(timers: 2)
    var checkers: [any Checker]
    /// Which of them to ask about each kind of observation, by ``Observation/Kind``'s number.
    let watchers: [[Int]]
    var violation: Violation?
    /// Nothing passes from the node.
    var isBlocked = [false, false]
    /// Once in so many packets one is lost; 0 never.
    var lossOnceIn: UInt64 = 0
    var faultsAreOver = false
    /// Nothing is left to chance but how long things take.
    var isStory = false
    var isSettled = false
    /// A machine goes on after a pause; its gate is dealt with before anything is judged.
    var isWaking = false
    var nextWrite: UInt64 = 1
    var nextOperation: UInt64 = 1
    let pair = PairID(high: 0xA11CE, low: 0xB0B)

    package init(_ scenario: Scenario, recordingTranscript: Bool = false) {
        self.scenario = scenario
        self.chance = Generator(seed: scenario.seed)
        let checkers = Self.standardCheckers()
        self.checkers = checkers
        self.watchers = Observation.Kind.allCases.map { kind in
            checkers.indices.filter { type(of: checkers[$0]).watched.contains(kind) }
        }
        self.transcript = recordingTranscript ? [] : nil
        self.nodes = []
        for bit in [NodeBit.zero, .one] {
            let node = SimNode(bit: bit, record: Self.record(of: bit, pair: self.pair, scenario))
            node.second = 1_000_000 + self.chance.within(-490...490)
            node.vault.isOpen = true
            self.nodes.append(node)
        }
    }

    private static func record(of bit: NodeBit, pair: PairID, _ scenario: Scenario) -> NodeRecord {
        func id(_ bit: NodeBit) -> NodeID { NodeID(high: 7, low: UInt64(bit.rawValue)) }
        func name(_ bit: NodeBit) -> String { bit == .zero ? "ams-1" : "nyc-1" }
        var record = NodeRecord(
            identity: NodeRecord.Identity(node: id(bit), name: name(bit), model: "sim")
        )
        record.peer = NodeRecord.Peer(
            pair: pair,
            vault: nil,
            bit: bit,
            node: id(bit.other),
            name: name(bit.other),
            model: "sim",
            keyPin: [],
            signingKey: [],
            address: "",
            minimumProtocol: 1,
            wasEnabled: false
        )
        record.policy = PairPolicy(failover: scenario.policy, timeout: scenario.timeout)
        return record
    }

    func node(_ bit: NodeBit) -> Int { Int(bit.rawValue) }

    /// Runs the whole history, or up to the first broken promise.
    package mutating func run() throws(Violation) {
        let scenario = self.scenario
        self.note(
            "seed \(scenario.seed): policy \(scenario.policy.rawValue), timeout \(scenario.timeout)"
        )
        self.begin()
        while self.violation == nil, !self.isSettled, let next = self.queue.removeNext() {
            self.happen(next)
        }
        self.statistics.simulated = self.now
        self.statistics.acknowledgedWrites = self.acknowledged.count
        if let violation = self.violation { throw violation }
    }

    private mutating func happen(_ next: (time: SimTime, due: EventQueue<Happening>.Due)) {
        self.now = next.time
        self.statistics.happenings += 1
        switch next.due {
        case .timer(let index): self.tick(self.nodes[index].bit)
        case .event(let happening): self.happen(happening)
        }
    }

    /// Lets happen what is due until then.
    mutating func pass(until time: SimTime) {
        while self.violation == nil, let due = self.queue.nextTime, due <= time,
            let next = self.queue.removeNext()
        {
            self.happen(next)
        }
        self.now = time
    }

    private mutating func begin() {
        for bit in [NodeBit.zero, .one] {
            self.startDaemon(bit)
            let first = self.chance.within(1...self.scenario.writeInterval)
            self.queue.add(.write(bit), at: first)
        }
        let standalone = self.newRequest(.standalone)
        self.queue.add(.request(.zero, standalone), at: .seconds(2))
        let chooser: NodeBit = self.chance.once(in: 2) ? .zero : .one
        let enable = self.newRequest(.enableHA(discardingPeerVault: false))
        self.queue.add(.request(chooser, enable), at: .seconds(10))
        let fault = self.untilNext(self.scenario.faultInterval)
        self.queue.add(.fault, at: .minutes(2) + fault)
        if let interval = self.scenario.verbInterval {
            let verb = self.untilNext(interval)
            self.queue.add(.verb, at: .minutes(2) + verb)
        }
        if self.scenario.changesTimeout {
            let change = self.untilNext(self.scenario.faultInterval)
            self.queue.add(.changeTimeout, at: .minutes(2) + change)
        }
        self.queue.add(.settle, at: self.scenario.duration)
    }

    mutating func newRequest(_ verb: Request.Verb) -> Request {
        self.nextOperation += 1
        return Request(id: OperationID(high: 1, low: self.nextOperation), verb: verb, by: "alice")
    }

    mutating func untilNext(_ mean: SimTime) -> SimTime { self.chance.within(1...2 * mean) }

    /// What a daemon's own threads would do waits while the daemon stands still.
    private mutating func waits(_ happening: Happening) -> Bool {
        let bit: NodeBit
        switch happening {
        case .answer(let node, _, _, _), .gateTaken(let node, _), .retryLog(let node, _),
            .keepLog(let node, _, _), .retryCopy(let node, _, _, _), .retryTail(let node, _, _, _),
            .request(let node, _):
            bit = node
        case .packet, .guardCloses, .write, .start, .resume, .wakeDaemon, .fault, .verb,
            .changeTimeout, .heal, .settle:
            return false
        }
        let node = self.nodes[self.node(bit)]
        guard node.isUp, node.daemon != nil, !node.isRunning else { return false }
        self.queue.add(happening, at: self.now + 500_000)
        return true
    }

    private mutating func happen(_ happening: Happening) {
        guard !self.waits(happening) else { return }
        switch happening {
        case .packet(let packet, let bit): self.arrive(packet, at: bit)
        case .answer(let bit, let start, let work, let event):
            let node = self.nodes[self.node(bit)]
            guard node.start == start, work == nil || work == node.work else { return }
            self.tell(bit, event)
        case .gateTaken(let bit, let token): self.takeGate(bit, token: token)
        case .guardCloses(let bit, let start, let token):
            self.guardCloses(bit, start: start, token: token)
        case .write(let bit): self.write(on: bit)
        case .start(let bit): self.startDaemon(bit)
        case .resume(let bit): self.resume(bit)
        case .wakeDaemon(let bit): self.wakeDaemon(bit)
        case .fault: self.injectFault()
        case .verb: self.operatorActs()
        case .changeTimeout: self.changeTimeout()
        case .heal(let blocked): self.isBlocked = blocked
        case .retryLog(let bit, let start): self.retryLog(bit, start: start)
        case .keepLog(let bit, let start, let work): self.keepLog(bit, start: start, work: work)
        case .retryCopy(let bit, let start, let work, let epoch):
            self.retryCopy(bit, start: start, work: work, epoch)
        case .retryTail(let bit, let start, let work, let id):
            self.retryTail(bit, start: start, work: work, id)
        case .settle: self.settle()
        case .request(let bit, let request): self.ask(request, on: bit)
        }
    }

    // MARK: Promises

    mutating func observe(_ observation: Observation) {
        guard self.violation == nil else { return }
        // Taken out meanwhile: they change in place, and look at the rest.
        var checkers: [any Checker] = []
        swap(&checkers, &self.checkers)
        defer { swap(&checkers, &self.checkers) }
        for index in self.watchers[observation.kind.rawValue] {
            guard let text = checkers[index].check(observation, in: self) else { continue }
            self.fail("\(type(of: checkers[index]))", text)
            self.note("VIOLATION \(type(of: checkers[index])): \(text)")
            return
        }
    }

    mutating func fail(_ checker: String, _ text: String) {
        self.violation = Violation(
            seed: self.scenario.seed,
            time: self.now,
            checker: checker,
            text: text
        )
    }

    mutating func note(_ text: @autoclosure () -> String) {
        guard self.transcript != nil else { return }
        self.transcript?.append("\(self.now.clockText) \(text())")
    }
}

/// What a run has been through.
package struct Statistics: Sendable {
    package var happenings = 0
    package var simulated: SimTime = 0
    package var acknowledgedWrites = 0
    package var faults: [String: Int] = [:]
    package var states: [String: Int] = [:]
    package var transitions: [String: Int] = [:]
    package var reports: [String: Int] = [:]

    package init() {}

    package mutating func add(_ other: Statistics) {
        self.happenings += other.happenings
        self.simulated += other.simulated
        self.acknowledgedWrites += other.acknowledgedWrites
        self.faults.merge(other.faults, uniquingKeysWith: +)
        self.states.merge(other.states, uniquingKeysWith: +)
        self.transitions.merge(other.transitions, uniquingKeysWith: +)
        self.reports.merge(other.reports, uniquingKeysWith: +)
    }
}
