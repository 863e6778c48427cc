package import PairCore

/// One appliance: its disk, which outlives everything, and the processes that come and go on it.
///
/// A class, because the machine in it is large and is looked at after every event.
package final class SimNode {
    package let bit: NodeBit

    // The disk.
    package internal(set) var vault = SimVault()
    package internal(set) var record: NodeRecord
    /// What the node's file says.
    package internal(set) var timeout: Duration
    /// Sealed tails, by their names; the peer's copies too.
    package internal(set) var archives: [String: [SimTransaction]] = [:]

    // The machine.
    package internal(set) var isUp = true
    /// The application and the daemon stand still until then, and every clock but one goes on.
    package internal(set) var pausedUntil: SimTime?
    /// Only the daemon stands still.
    package internal(set) var isDaemonHung = false
    /// How long a second of this node's clock takes.
    package internal(set) var second: SimTime = 1_000_000

    // The daemon; all of it is gone when it is.
    package internal(set) var daemon: SimDaemon?
    /// Counts the starts, so that no answer reaches a daemon that did not ask.
    var start: UInt64 = 0
    var lastTick: SimTime = 0
    var gateToken: UInt64 = 0
    /// Rises when the daemon hangs and when it goes on, so that a guard acts in its own hang only.
    var guardToken: UInt64 = 0
    var servedEpoch: Epoch?
    var followedEpoch: Epoch?
    /// Rises whenever copies, undoing and lookups are given up.
    var work: UInt64 = 0
    var isRetryingLog = false
    var logHeardAt: SimTime = 0
    var isLogInterrupted = false
    var inbox: [Packet] = []

    package var isRunning: Bool {
        self.isUp && self.daemon != nil && self.pausedUntil == nil && !self.isDaemonHung
    }

    /// An application could commit on this node at this instant.
    package var acceptsWrites: Bool {
        self.isUp && self.pausedUntil == nil && self.vault.isOpen && !self.vault.isMarked
    }

    /// In the pair, or alone with a right: a node that was never told its role is nobody's primary.
    package var claimsToServe: Bool {
        self.record.role == .primary || self.record.role == .standalone
    }

    init(bit: NodeBit, record: NodeRecord) {
        self.bit = bit
        self.record = record
        self.timeout = record.policy.timeout
    }

    /// The ticks that have passed since the last that the daemon was told of.
    func ticksUntil(_ now: SimTime) -> Int { Int((now - self.lastTick) / self.second) }
}

/// A running daemon: the real machine, and what it says of itself since its last event.
///
/// A class, and with the machine's words kept beside it, because the machine is large and whoever
/// looks at it from outside takes a copy.
package final class SimDaemon {
    package internal(set) var failover: Failover
    package private(set) var gate: Failover.Gate
    /// `/primary` answered 200 at that instant.
    package private(set) var isServing = false
    private(set) var quietTicks = 0

    init(_ failover: Failover) {
        self.failover = failover
        self.gate = failover.gate
    }

    /// What the machine does about an event, and its states before and after it.
    struct Answer {
        var before: NodeState
        var effects: [Failover.Effect]
        var after: NodeState
    }

    func handle(_ event: Failover.Event, at now: Instant, nextTick: Failover.Tick) -> Answer {
        self.failover.inPlace { machine in
            let before = machine.nodeState
            let effects = machine.handle(event, at: now)
            self.gate = machine.gate
            self.isServing = machine.isServing(at: now)
            self.quietTicks = machine.quietTicks(like: nextTick)
            return Answer(before: before, effects: effects, after: machine.nodeState)
        }
    }
}

extension Failover {
    /// Several calls without a copy between them.
    fileprivate mutating func inPlace<Result>(_ body: (inout Failover) -> Result) -> Result {
        body(&self)
    }
}

/// What is on its way to a node.
package enum Packet: Sendable {
    /// Becomes bytes, and is read from them, when it arrives: many never do.
    case message(PeerMessage)
    case logRequest(Epoch, from: Position)
    case log(Epoch, after: Position, [SimTransaction])
    case logReceipt(Epoch, Position)
    case logRefusal(Epoch)
    case copyRequest(Epoch)
    case copy(Epoch, [SimTransaction])
    case archive(String, [SimTransaction])
    case archiveReceipt(String)
}
