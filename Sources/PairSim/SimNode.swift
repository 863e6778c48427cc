package import PairCore

/// One appliance: its disk, which outlives everything, and the processes that come and go on it.
package struct SimNode: Sendable {
    package let bit: NodeBit

    // The disk.
    package internal(set) var vault = SimVault()
    package internal(set) var record: NodeRecord
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
    package internal(set) var failover: Failover?
    /// Counts the starts, so that no answer reaches a daemon that did not ask.
    var start: UInt64 = 0
    var lastTick: SimTime = 0
    var tickToken: UInt64 = 0
    var gateToken: UInt64 = 0
    var servedEpoch: Epoch?
    var followedEpoch: Epoch?
    /// Rises whenever copies, undoing and lookups are given up.
    var work: UInt64 = 0
    var isRetryingLog = false
    var logHeardAt: SimTime = 0
    var isLogInterrupted = false
    var inbox: [Packet] = []

    package var isRunning: Bool {
        self.isUp && self.failover != nil && self.pausedUntil == nil && !self.isDaemonHung
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
    }

    /// The ticks that have passed since the last that the daemon was told of.
    func ticksUntil(_ now: SimTime) -> Int { Int((now - self.lastTick) / self.second) }
}

/// What is on its way to a node.
package enum Packet: Sendable {
    /// The bytes of a heartbeat, as they go over the wire.
    case heartbeat([UInt8])
    case statement([UInt8])
    case logRequest(Epoch, from: Position)
    case log(Epoch, after: Position, [SimTransaction])
    case logReceipt(Epoch, Position)
    case logRefusal(Epoch)
    case copyRequest(Epoch)
    case copy(Epoch, [SimTransaction])
    case archive(String, [SimTransaction])
    case archiveReceipt(String)
}
