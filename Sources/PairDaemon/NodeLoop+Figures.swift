import Logging
import PairCore
import PairStore

/// What a node's loop measures from one event to a later one.
struct Stopwatches {
    var roundTrips = RoundTrips()
    /// The primary's last heartbeat here.
    var heartbeatAt: Instant?
    /// Since when the gate has been closed that was open before.
    var pausedSince: Instant?
    /// Since when the gate has been closing, and whether that was said to take too long.
    var closing: (since: Instant, isReported: Bool)?
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
        self.stopwatches.closing?.isReported = true
        let holder = (try? self.shell.vault.writer()) ?? nil
        self.shell.metrics.count(.gateOverruns)
        self.shell.log.emit(
            .gateOverrun,
            level: .error,
            "a write transaction keeps the gate from closing; end the process that holds it",
            ["pid": holder?.pid.map { "\($0)" } ?? "unknown"]
        )
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
