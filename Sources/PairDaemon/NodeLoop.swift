import Dispatch
import Logging
import PairCore
import PairHost
import PairNet
import PairStore
import PairWire

/// One node: one task that takes one event after the other and carries out what follows.
///
/// Effects never interleave, because nothing else changes the node. What takes long (attaching the
/// vault, reading it for a verify) runs on a queue of its own and comes back as an event; what
/// comes with every transaction (the log) goes past the loop, through ``LogRouter``.
final class NodeLoop {
    let shell: NodeShell
    var standing: Standing
    /// What the peer last said of itself.
    var presence: Presence?
    var controlLink: PeerConnection?
    var logLink: PeerConnection?
    var logLinkLostAt: Instant?
    var startedAt: Instant
    var enabling: Enabling?
    var verification: Verification?
    var lastVerification: VerificationOutcome?
    var equalAt: Instant?
    var equalWall: WallTime?
    var forwards: [UInt64: OperatorCall] = [:]
    var nextID: UInt64 = 1
    /// Operators who wait for the pair to be protected.
    var waitingForProtection: [OperatorCall] = []
    /// Which end of the log is the present one; reports of earlier ones are of no interest.
    var logEnd: IdentityMarker?
    /// Why the peer does not follow this primary, as last told.
    var sourceTrouble: String?
    var stallReported = false
    var shownStatus = ""
    var lastPresenceAt: Instant?
    var trimmedAt: Instant?

    /// What this node does with its vault now.
    enum Standing {
        /// `paird` leaves the vault alone.
        case unmanaged
        /// The vault is being opened; the reason is why it has not worked yet.
        case attaching(Attaching)
        case primary
        case secondary(Secondary)
        case failed(String)

        struct Attaching {
            var mode: Vault.AttachMode
            var isUnderWay: Bool
            var nextTry: Instant
            var reason: String?
        }

        struct Secondary {
            var following: Following
            /// Why the log does not flow, as last told.
            var trouble: String?
        }

        enum Following: Equatable {
            case nothing
            case catchingUp
            case seeding
            case streaming
        }
    }

    init(shell: NodeShell) {
        self.shell = shell
        self.standing = .unmanaged
        self.startedAt = shell.now
    }

    var record: NodeRecord { self.shell.keeper.current }

    /// Takes events until the one that stops the node.
    func run(_ events: AsyncStream<NodeEvent>) async {
        self.begin()
        for await event in events {
            if case .stop = event { break }
            self.handle(event)
            self.shell.view.completeTurn(at: self.shell.now)
        }
        self.end()
    }

    private func handle(_ event: NodeEvent) {
        switch event {
        case .tick: self.tick()
        case .operatorRequest(let call): self.carryOut(call)
        case .linkUp(let purpose, let connection): self.linkUp(purpose, connection)
        case .linkDown(let connection, let reason): self.linkDown(connection, reason)
        case .linkRefused(let source, let reason):
            self.shell.metrics.count("connections_rejected_total", labels: #"listener="replication""#)
            self.shell.log.emit(
                .peerRejected, level: .warning, reason, ["source": source])
        case .heard(let message): self.hear(message)
        case .garbled(let reason):
            self.shell.log.emit(.peerRejected, level: .warning, reason)
            self.controlLink?.close()
        case .attached(let result): self.finishAttaching(result)
        case .capture(let event): self.take(event)
        case .source(let id, let report): self.take(report, from: id)
        case .sink(let id, let report): self.take(report, from: id)
        case .paired(let result): self.finishPairing(result)
        case .pairingFailed(let reason, let isBurned):
            self.shell.log.emit(isBurned ? .pairCodeBurned : .pairCodeFailed, level: .warning, reason)
        case .scanned(let id, let result): self.takeScan(id, result)
        case .stop: break
        }
        self.publish()
    }

    /// Takes the place that the record says, before anything is said to anybody.
    private func begin() {
        switch self.record.role {
        case .none: self.standing = .unmanaged
        case .standalone, .primary: self.attach(.open)
        case .secondary: self.attachAsSecondary()
        }
        self.publish()
        self.shell.notifier.ready()
        self.shell.log.emit(.daemonReady)
    }

    private func end() {
        self.shell.notifier.stopping()
        self.shell.router.clear()
        self.shell.vault.stop()
        self.shell.log.emit(.daemonStop)
    }

    private func tick() {
        let now = self.shell.now
        if case .attaching(let attaching) = self.standing, !attaching.isUnderWay,
            now >= attaching.nextTry
        {
            self.attach(attaching.mode)
        }
        self.shell.router.source?.tick()
        if self.lastPresenceAt.map({ now - $0 >= .seconds(1) }) ?? true { self.sayPresence() }
        self.checkEquality(now)
        self.checkStall(now)
        self.checkEnabling(now)
        self.trimLog(now)
        self.answerThoseWhoWait()
        if self.shell.notifier.watchdogInterval != nil { self.shell.notifier.watchdog() }
    }

    /// Lets everybody outside the loop see the node as it is after this event.
    func publish() {
        let record = self.record
        let gate = self.gate
        let old = self.shell.view.facts
        let facts = NodeView.Facts(
            role: record.role, state: self.state, gate: gate, epoch: record.epoch)
        if old.gate != gate || !self.shell.gateFilesShown {
            self.showGate(gate)
        }
        self.shell.view.show(isPeerUp: self.controlLink != nil)
        guard old != facts else { return }
        self.shell.view.publish(facts)
        if old.gate != gate {
            self.shell.log.emit(
                gate == .open ? .gateOpened : .gateClosed, "gate \(gate.rawValue)")
        }
        self.shell.notifier.status("\(record.role.rawValue) \(self.state.rawValue), epoch \(record.epoch)")
        self.sayPresence()
    }

    /// Once a minute: lets go of what the retention no longer covers.
    private func trimLog(_ now: Instant) {
        guard now - (self.trimmedAt ?? self.startedAt) >= .seconds(60) else { return }
        self.trimmedAt = now
        let shell = self.shell
        self.beside {
            do {
                try shell.vault.log.trim()
            } catch {
                shell.log.emit(.storageError, level: .error, "\(error)")
            }
        }
    }

    private func showGate(_ gate: GateState) {
        do {
            try self.shell.gateFiles?.show(gate)
            self.shell.gateFilesShown = true
        } catch {
            self.shell.log.emit(.storageError, level: .error, "\(error)")
        }
    }

    /// Runs what takes long beside the loop.
    func beside(_ work: @escaping @Sendable () -> Void) { self.shell.vaultQueue.async(execute: work) }
}
