import Logging
import PairCore
import PairStore
import PairWire

/// What a node's loop measures from one event to a later one.
struct Stopwatches {
    var roundTrips = RoundTrips()
    /// The primary's last heartbeat here.
    var heartbeatAt: Instant?
    /// Since when the gate has been closed that was open before.
    var pausedSince: Instant?
    /// Since when the gate has been closing, and whether that was said to take too long.
    var closing: (since: Instant, isReported: Bool)?
    /// Who keeps it from closing, in the operator's words.
    var closingTrouble: String?
    /// The tenth of a copy that was last reported.
    var copiedTenths: UInt64 = 0
}

extension NodeShell {
    /// Counts and reports a failure of the disk or the vault.
    func report(
        _ error: any Error,
        during task: StorageTask,
        level: Logger.Level = .error,
        _ fields: [String: String] = [:]
    ) {
        self.metrics.count(.storageErrors, task.rawValue)
        let isFull = (error as? any DiskFullError)?.isDiskFull ?? false
        var fields = fields
        fields["op"] = task.rawValue
        self.log.emit(isFull ? .storageFull : .storageError, level: level, "\(error)", fields)
    }
}

// Durations, and what can only be seen by looking again and again.
extension NodeLoop {
    func noteSent(_ heartbeat: Heartbeat) {
        self.shell.metrics.count(.heartbeatsSent)
        guard heartbeat.kind == .heartbeat else { return }
        self.stopwatches.roundTrips.sent(heartbeat.number.n, at: self.shell.now)
    }

    func noteHeard(_ heartbeat: Heartbeat) {
        self.shell.metrics.count(.heartbeatsReceived)
        let now = self.shell.now
        switch heartbeat.kind {
        case .heartbeat: self.stopwatches.heartbeatAt = now
        case .acknowledgement:
            let trip = self.stopwatches.roundTrips.answered(heartbeat.acknowledged, at: now)
            if let trip { self.shell.metrics.observe(.heartbeatRoundTrip, trip) }
        }
    }

    /// The gate begins to close; writes of applications wait, or fail.
    func noteGateClosing() {
        guard self.shell.view.facts.gate == .open, self.stopwatches.pausedSince == nil else {
            return
        }
        self.stopwatches.pausedSince = self.shell.now
    }

    /// The gate is open again, here or on the peer.
    ///
    /// - Returns: how long writes have waited; `nil` when they have not.
    @discardableResult
    func noteGateOpened() -> Duration? {
        guard let since = self.stopwatches.pausedSince else { return nil }
        let pause = self.shell.now - since
        self.stopwatches.pausedSince = nil
        self.shell.metrics.observe(.writesPaused, pause)
        return pause
    }

    /// This node is primary no more; after a switchover the peer's gate is open by now.
    func noteDemoted() {
        defer {
            self.stopwatches.pausedSince = nil
            self.switchover = nil
            self.calledOff = nil
        }
        guard let switchover = self.switchover else { return }
        let pause = self.noteGateOpened()
        self.handedOver = (switchover.by, pause)
        let milliseconds = pause.map {
            "\($0.components.seconds * 1000 + $0.components.attoseconds / 1_000_000_000_000_000)"
        }
        self.shell.log.emit(
            .switchoverDone,
            level: .notice,
            "\(self.peerName) is primary",
            milliseconds.map { ["pausedMilliseconds": $0] } ?? [:]
        )
    }

    func noteTakenOver(_ epoch: Epoch, _ cause: EpochCause) {
        self.shell.metrics.count(.failovers, cause.rawValue)
        switch cause {
        case .failover:
            let since = self.stopwatches.heartbeatAt ?? self.startedAt
            let outage = self.shell.now - since
            self.shell.metrics.observe(.failoverDuration, outage)
            self.amendNewestChange { $0.pausedSeconds = outage.inSeconds }
        case .switchover:
            self.shell.log.emit(.switchoverDone, level: .notice, "\(self.localName) is primary")
        case .enable, .forced, .gap, .replaced, .resolution, .disable: break
        }
    }

    /// Once a tick: whether an application keeps the gate from closing, and which.
    func lookAtClosing(_ now: Instant) {
        guard let failover = self.failover, failover.gate == .closing else {
            self.stopwatches.closing = nil
            return
        }
        guard let closing = self.stopwatches.closing else {
            self.stopwatches.closing = (now, false)
            return
        }
        guard !closing.isReported, now - closing.since > self.shell.timers.gateMargin else {
            return
        }
        self.reportOverrun()
    }

    /// Says which process keeps the gate from closing.
    ///
    /// - Returns: its number, if the kernel knows it.
    @discardableResult
    private func reportOverrun() -> Int32? {
        let holder = (try? self.shell.vault.writer()) ?? nil
        guard self.stopwatches.closing?.isReported != true else { return holder?.pid }
        self.stopwatches.closing?.isReported = true
        self.stopwatches.closingTrouble =
            "\(holder?.pid.map { "process \($0)" } ?? "an application") holds a write transaction open "
            + "on \(self.localName): nothing goes on before it ends; end it, or the process"
        self.shell.metrics.count(.gateOverruns)
        self.shell.log.emit(
            .gateOverrun,
            level: .error,
            "a write transaction keeps the gate from closing; end the process that holds it",
            ["pid": holder?.pid.map { "\($0)" } ?? "unknown"]
        )
        return holder?.pid
    }

    /// Why the gate cannot close, while that lasts.
    var closingTrouble: String? {
        self.stopwatches.closing?.isReported == true ? self.stopwatches.closingTrouble : nil
    }

    // MARK: A handing over that was called off

    static let calledOffMark = "the last handing over was called off: "

    /// For how long `status` says why.
    private static let calledOffMemory = Duration.seconds(600)

    func noteCalledOff(because obstacle: Failover.HandingOverObstacle) {
        self.switchover = nil
        let reason =
            switch obstacle {
            case .peerNotReady: "\(self.peerName) did not answer that it was ready"
            case .gateHeld:
                "\(self.reportOverrun().map { "process \($0)" } ?? "an application") held a write "
                    + "transaction open on \(self.localName) and kept the gate from closing; end "
                    + "that transaction, or the process"
            case .peerBehind: "\(self.peerName) had not applied the last commits in time"
            case .peerDeclined: "\(self.peerName) had not got the last commits in time"
            case .withdrawn: "an operator switches HA off"
            }
        self.calledOff = (reason, self.shell.now)
        self.shell.log.emit(.switchoverAborted, level: .warning, reason)
        // Before the statement that ends the wait of an operator there.
        self.sayPresence()
    }

    /// Why this node's newest try to hand over came to nothing.
    var ownCalledOffReason: String? {
        guard let (text, at) = self.calledOff, self.shell.now - at < Self.calledOffMemory else {
            return nil
        }
        return Self.calledOffMark + text
    }

    /// The same, as this node or its peer knows it.
    var calledOffReason: String? {
        if let own = self.ownCalledOffReason { return own }
        guard self.isPeerHeard else { return nil }
        return self.presence?.reasons.first { $0.hasPrefix(Self.calledOffMark) }
    }

    /// What the newest check of this copy found wrong, or the disk's shortage that it will find.
    var unfitness: String? {
        guard case .secondary(let secondary)? = self.failover?.state else { return nil }
        return secondary.unfit ?? self.diskShortage
    }

    /// What to add to the news that a verb was called off.
    func calledOffReason(for call: OperatorCall) -> String {
        switch call.request.command {
        case .promote where self.unfitness != nil: return ": \(self.unfitness ?? "")"
        case .switchover, .promote, .enableHA: break
        default: return ""
        }
        guard let reason = self.calledOffReason else { return "" }
        return ": " + reason.dropFirst(Self.calledOffMark.count)
    }

    /// Once a tick: says how far a copy is, ten times at most.
    func reportCopy() {
        guard let copy = self.shell.figures.values.copy, copy.totalBytes > 0 else {
            self.stopwatches.copiedTenths = 0
            return
        }
        let tenths = min(copy.doneBytes, copy.totalBytes) / max(1, copy.totalBytes / 10)
        guard tenths > self.stopwatches.copiedTenths else { return }
        self.stopwatches.copiedTenths = tenths
        self.shell.log.emit(
            .seedProgress,
            "\(tenths * 10) % of the copy",
            ["bytes": "\(copy.doneBytes)", "of": "\(copy.totalBytes)"]
        )
    }

    /// Reports what a change of state means beyond its name.
    func reportEntered(_ state: NodeState, because event: Failover.Event) {
        switch state {
        case .suspect:
            self.shell.log.emit(
                .peerSuspect,
                level: .warning,
                "nothing is heard of \(self.peerName)",
                ["cause": event.name]
            )
        case .promoting:
            self.shell.log.emit(.rolePromoting, level: .notice, "", ["cause": event.name])
        case .starting, .failed, .quarantined, .unpaired, .paired, .parked, .seeding, .serving,
            .streaming, .alone, .draining, .inDoubt, .fenced, .lookingForPeer, .catchingUp,
            .superseded, .hold:
            break
        }
    }
}
