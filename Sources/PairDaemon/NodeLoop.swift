import Dispatch
import Logging
import PairCore
import PairHost
import PairNet
import PairStore
import PairWire

/// One node: one task that takes one event after the other and carries out what follows.
///
/// The decisions are ``Failover``'s; this type feeds it and carries its effects out, in order. Effects
/// never interleave, because nothing else changes the node. What takes long (attaching the vault,
/// waiting for its gate, reading it for a verify) runs on a queue of its own and comes back as an
/// event; what comes with every transaction (the log) goes past the loop, through ``LogRouter``.
final class NodeLoop {
    let shell: NodeShell
    /// `nil` until the vault is attached as the record demands, and after a failure.
    var failover: Failover?
    var vault = VaultStanding.untouched
    /// What the peer last said of itself.
    var presence: Presence?
    var controlLink: PeerConnection?
    var heartbeatLink: PeerConnection?
    var logLink: PeerConnection?
    var log = LogStanding()
    let startedAt: Instant
    var clocks = ClockReadings()
    /// Counts the demands on the gate; an answer to an older one is void.
    var gateToken: UInt64 = 0
    /// The epoch under which commits are captured; `nil` while they are not.
    var captureEpoch: Epoch?
    /// Where the vault stands while nothing is captured or applied.
    var restPosition: Position?
    var isMarked = false
    /// The archives on this node's disk.
    var tails: [NodeRecord.Tail] = []
    /// What is left of vaults that are gone.
    var keptLogs: [String] = []
    var sealRetry: Instant?
    /// A demand on the gate waits for the vault to be attached.
    var isJoining = false
    /// The copy is read anew, because it was not what it should be.
    var isSurveying = false
    /// Why the vault could not be attached, as last told.
    var attachTrouble: String?
    /// Why the gate could not be shown, as last told.
    var gateFileTrouble: String?
    /// Where the log ended when the vault was attached.
    var lastLogged: Position?
    /// A log that was kept at this start because the peer might lack its end, and where it ends.
    var unconfirmedLog: (folder: String, newest: Position)?
    var invitation: PairingInviter?
    /// The peer has refused this node's key since they were last connected.
    var isDistrusted = false
    var lateHeartbeats = LateHeartbeats()
    /// What made the node useless.
    var failure: String?
    /// Operators who wait for the end of what they asked for.
    var calls: [OperationID: OperatorCall] = [:]
    var waitingForProtection: [OperatorCall] = []
    /// Those that have been told that the peer is away.
    var toldAway: Set<OperationID> = []
    /// Requests that wait for the vault to be attached.
    var afterAttaching: [(Failover.Event, OperatorCall)] = []
    /// Operators whose verb waits for the peer's first words, and until when.
    var untilHeard: [(call: OperatorCall, limit: Instant)] = []
    var verification: Verification?
    var lastVerification: VerificationOutcome?
    /// What a verify has found, until it is mended.
    var damage: CopyDamage?
    var equalAt: Instant?
    var equalWall: WallTime?
    var forwards: [UInt64: OperatorCall] = [:]
    var nextID: UInt64 = 1
    var stallReported = false
    var lastPresenceAt: Instant?
    var contentSeen: (VaultContent, at: Instant)?
    var trimmedAt: Instant?
    /// When it was last asked whether the copy's files are still at their path.
    var filesSeenAt: Instant
    var captureStoppedAt: Instant?
    var followerRememberedAt: Instant
    /// The state folder is gone, or its disk is too full for this node to take over.
    var diskShortage: String?
    /// Why the last handing over was called off, and when.
    var calledOff: (text: String, at: Instant)?
    /// The switchover that is under way.
    var switchover: NodeRecord.Operation?
    var history: ChangeHistory
    /// What this node knows of a change that is not in its lineage yet: who asked for it, and for how
    /// long writes waited.
    var handedOver: (by: String, pause: Duration?)?
    var stopwatches = Stopwatches()

    /// What is known of the vault.
    enum VaultStanding {
        /// `paird` leaves it alone, or it is not there yet and need not be.
        case untouched
        case attaching(Vault.AttachMode)
        /// It could not be attached; it is tried again.
        case waiting(Vault.AttachMode, nextTry: Instant, reason: String)
        case attached(Vault.Attachment)
    }

    init(shell: NodeShell) {
        self.shell = shell
        self.startedAt = shell.now
        self.filesSeenAt = shell.now
        self.followerRememberedAt = shell.now
        self.history = ChangeHistory(directory: shell.configuration.stateDirectory)
    }

    var record: NodeRecord { self.failover?.record ?? self.shell.keeper.current }

    /// Takes events until the one that stops the node.
    func run() async {
        self.begin()
        for await event in self.shell.queue.events {
            self.shell.queue.noteTaken()
            if case .stop = event { break }
            self.handle(event)
            self.publish()
            self.saveHistory()
            self.shell.view.completeTurn(at: self.shell.now)
        }
        self.end()
    }

    private func handle(_ event: NodeEvent) {
        switch event {
        case .tick: self.tick()
        case .operatorRequest(let call): self.carryOut(call)
        case .linkUp(let connection): self.linkUp(connection)
        case .linkDown(let connection, let reason): self.linkDown(connection, reason)
        case .linkDistrusted: self.reportDistrust()
        case .reconfigured: self.takeConfiguration()
        case .heard(let message): self.hear(message)
        case .spoken(let message): self.hear(message)
        case .heartbeatRejected(let reason): self.reportRejected(reason)
        case .garbled(let reason):
            self.shell.log.emit(.peerRejected, level: .warning, "", ["reason": reason])
            self.controlLink?.close()
        case .attached(let result): self.finishAttaching(result)
        case .gateTaken(let token, let result): self.gateTaken(token, result)
        case .capture(let event): self.take(event)
        case .progressed: self.takeProgress()
        case .source(let id, let report): self.take(report, from: id)
        case .sink(let id, let report): self.take(report, from: id)
        case .vaultChecked(let check): self.tell(.vaultChecked(check))
        // It may have been put in place since, by this node itself.
        case .copyMissed: self.lookForCopy()
        case .reachProbed(let answered): self.tell(.reachProbed(answered: answered))
        case .tailSealed(let result): self.takeSealed(result)
        case .paired(let result, let done): self.finishPairing(result, done: done)
        case .located(let inquiry, let finding):
            self.shell.figures.update { $0.common = .zero }
            self.tell(.located(inquiry, finding))
            self.noteCommonPoint()
        case .scanned(let id, let result): self.takeScan(id, result)
        case .stop: break
        }
    }

    /// Takes the place that the record says, before anything is said to anybody.
    private func begin() {
        self.loadHistory()
        self.refreshTails()
        let record = self.record
        switch Failover.gateAtStart(of: record) {
        case .unmanaged: self.startMachine(position: nil)
        case .open, .closing, .closed:
            if record.role == .secondary, !self.mayHoldVault {
                self.forgetSuspicion()
                self.startMachine(position: nil)
            } else if record.role != .secondary, self.isVaultMissing || self.mustSettleFirst {
                self.startWithoutVault()
            } else if record.role == .standalone {
                // Nobody can have promoted behind this node's back, so nobody needs to be kept out
                // while the vault is read.
                self.attach(.open)
            } else {
                self.attach(.closed(marked: Failover.needsMarker(record)))
            }
        }
        self.publish()
        self.shell.notifier.ready()
        self.shell.log.emit(.daemonReady)
        self.saveHistory()
    }

    private func end() {
        self.shell.notifier.stopping()
        self.rememberFollower()
        self.shell.router.clear()
        self.shell.vault.stop()
        self.shell.log.emit(.daemonStop)
    }

    private func tick() {
        let now = self.shell.now
        if case .waiting(let mode, let nextTry, _) = self.vault, now >= nextTry,
            !self.mustSettleFirst
        {
            // The machine may have changed its mind about the gate since.
            self.attach(self.isResuming ? self.presentMode : mode)
        }
        let (shortest, longest) = self.clocks.advance()
        self.tell(
            .tick(
                Failover.Tick(
                    shortest: shortest,
                    longest: longest,
                    wallSeconds: WallClock.seconds
                )
            )
        )
        self.shell.router.source?.tick()
        if self.lastPresenceAt.map({ now - $0 >= .seconds(1) }) ?? true { self.sayPresence() }
        self.checkEquality(now)
        self.checkStall(now)
        self.retryLog()
        if let due = self.sealRetry, now >= due {
            self.sealRetry = nil
            if let failover = self.failover, failover.isSealing {
                self.sealTail(after: failover.sealingFork)
            }
        }
        self.trimLog(now)
        self.lookAtFiles(now)
        self.lookAfterFollower(now)
        self.lookAtClosing(now)
        self.reportCopy()
        self.askThoseUnheard()
        self.answerThoseWhoWait()
        if self.shell.configuration.healthDetail { self.showStatus() }
        if self.shell.notifier.watchdogInterval != nil { self.shell.notifier.watchdog() }
    }

    /// Feeds the machine and carries out what it answers; the one place where that happens.
    func tell(_ event: Failover.Event) {
        guard let before = self.failover?.nodeState else { return }
        if let position = self.knownPosition, position != self.failover?.position {
            self.step(.positionChanged(position))
        }
        self.step(event)
        if let after = self.failover?.nodeState, after != before {
            self.shell.log.emit(
                .stateChanged,
                "\(before.rawValue) → \(after.rawValue)",
                ["cause": "\(event.name)"]
            )
            self.reportEntered(after, because: event)
            self.sayPresence()
        }
    }

    private func step(_ event: Failover.Event) {
        guard var failover = self.failover else { return }
        let effects = failover.handle(event, at: self.shell.now)
        self.failover = failover
        self.carryOut(effects)
    }

    /// Lets everybody outside the loop see the node as it is after this event.
    func publish() {
        let record = self.record
        let old = self.shell.view.facts
        let facts = NodeView.Facts(
            role: record.role,
            state: self.state,
            gate: self.gate,
            epoch: record.epoch,
            failover: self.failover
        )
        self.shell.view.publish(facts, isPeerUp: self.controlLink != nil)
        if old.gate != facts.gate || !self.shell.gateFilesShown { self.showGate(facts.gate) }
        guard old.gate != facts.gate || old.state != facts.state || old.role != facts.role else {
            return
        }
        if old.gate != facts.gate {
            self.shell.log.emit(
                facts.gate == .open ? .gateOpened : .gateClosed,
                "gate \(facts.gate.rawValue)"
            )
        }
        self.shell.notifier.status(
            "\(record.role.rawValue) \(facts.state.rawValue), epoch \(record.epoch)"
        )
        self.sayPresence()
    }

    /// Once a minute: lets go of what the retention no longer covers.
    private func trimLog(_ now: Instant) {
        guard now - (self.trimmedAt ?? self.startedAt) >= .seconds(60) else { return }
        self.trimmedAt = now
        self.keptLogs = self.shell.vault.keptLogs
        let shell = self.shell
        self.beside {
            do {
                try shell.vault.log.trim()
            } catch {
                shell.report(error, during: .log)
            }
        }
    }

    private func showGate(_ gate: GateState) {
        do {
            try self.shell.gateFiles?.show(gate)
            self.shell.gateFilesShown = true
            self.gateFileTrouble = nil
        } catch {
            // Tried again after every event, and said once.
            if self.gateFileTrouble != "\(error)" { self.shell.report(error, during: .state) }
            self.gateFileTrouble = "\(error)"
            self.shell.gateFilesShown = false
        }
    }

    /// Runs what takes long beside the loop.
    func beside(_ work: @escaping @Sendable () -> Void) {
        self.shell.vaultQueue.async(execute: work)
    }
}
