import Dispatch
import Logging
import PairCore
import PairNet
import PairStore
import PairWAL
import PairWire

// Custody of the vault, its gate, and capture.
extension NodeLoop {
    /// Opens the vault beside the loop; the answer is an `attached` event.
    func attach(_ mode: Vault.AttachMode) {
        if mode == .closed(marked: true), !self.suspectVault() {
            return self.waitForVault(mode, because: self.recordTrouble)
        }
        self.vault = .attaching(mode)
        let shell = self.shell
        self.beside {
            do throws(VaultError) {
                shell.post(.attached(.success(try shell.vault.attach(mode))))
            } catch {
                shell.post(.attached(.failure(error)))
            }
        }
    }

    /// Whether there is something at the vault's path that must be closed or read first.
    var mayHoldVault: Bool {
        switch Vault.inspect(path: self.shell.configuration.vaultPath) {
        case .missing, .withoutTables: false
        case .withTables, .unusable: true
        }
    }

    func finishAttaching(_ result: Result<Vault.Attachment, VaultError>) {
        guard case .attaching(let mode) = self.vault else { return }
        let oldReason = self.attachTrouble
        switch result {
        case .success(let attachment):
            self.vault = .attached(attachment)
            self.captureEpoch = nil
            self.restPosition = self.provenPosition(attachment)
            self.isMarked = mode == .closed(marked: true)
            if attachment.wasMarked, !self.isMarked {
                self.shell.log.emit(.markerCleared, level: .notice)
            }
            self.beginWith(attachment, mode)
            if case .attached = self.vault { self.attachTrouble = nil }
        case .failure(let error):
            let isSecondary = self.record.role == .secondary
            if isSecondary || self.failover == nil, self.isVaultMissing {
                return isSecondary ? self.goOnWithoutCopy() : self.startWithoutVault()
            }
            if self.isResuming, !self.lacksVault, self.isVaultMissing {
                // Served until now: a peer that is armed is to hear nothing any more.
                self.vault = .untouched
                self.shell.report(error, during: .vault, level: .critical)
                return self.giveUp()
            }
            self.missParkedVault()
            let reason = "\(error)"
            self.waitForVault(mode, because: reason)
            if oldReason != reason {
                self.shell.report(error, during: .vault)
            }
            self.failWaitingForVault(reason)
        }
    }

    func waitForVault(_ mode: Vault.AttachMode, because reason: String) {
        self.attachTrouble = reason
        self.vault = .waiting(mode, nextTry: self.shell.now + .seconds(1), reason: reason)
    }

    /// The vault is in custody: the machine starts, or goes on where it waited for this.
    private func beginWith(_ attachment: Vault.Attachment, _ mode: Vault.AttachMode) {
        guard self.failover != nil else {
            self.lastLogged = self.shell.vault.log.newest
            switch self.record.role {
            case .primary, .standalone: return self.startServing(attachment, mode)
            case .secondary, .none:
                self.startMachine(position: self.provenPosition(attachment))
                if self.mustBeJudged(attachment) { self.judge(attachment, mode) }
                return
            }
        }
        if self.record.role == .secondary, self.mustBeJudged(attachment) {
            self.isSurveying = false
            self.judge(attachment, mode)
        } else if self.isSurveying {
            self.isSurveying = false
            let here =
                self.provenPosition(attachment).map { self.normalized($0) }
                ?? Position(
                    epoch: self.record.epoch,
                    txid: .zero,
                    digest: attachment.scannedDigest
                )
            self.restPosition = here
            self.tell(.positionChanged(here))
            self.tell(.logLost)
        } else if self.isJoining {
            // Begun before the demand: applications may have written since it was read.
            guard mode != .open else { return self.attach(.closed(marked: true)) }
            self.isJoining = false
            let here =
                self.provenPosition(attachment).map { self.normalized($0) }
                ?? Position(epoch: .none, txid: .zero, digest: attachment.scannedDigest)
            // Whatever lay here at the start of the daemon: what counts is what lies here now.
            if attachment.hasTables { self.tell(.positionChanged(here)) }
            self.tell(.gateClosed(here))
        } else if self.record.role == .none, self.isInQuestion {
            guard mode == .closed(marked: true) else { return self.attach(.closed(marked: true)) }
            self.judge(attachment, mode)
        } else if self.lacksVault {
            self.foundVault(attachment, mode)
        } else if self.record.role == .primary || self.record.role == .standalone {
            // Before the gate opens: what is not proven to be the same gets an epoch of its own.
            self.lastLogged = self.shell.vault.log.newest
            self.reportGap(attachment, isReplaced: attachment.isReplaced)
            guard self.resumeCapture(mode) else { return }
            // Last, because a gap has begun another capture.
            if self.failover?.gate == .closing { self.closeGate() }
        }
        let waiting = self.afterAttaching
        self.afterAttaching = []
        for (event, _) in waiting { self.tell(event) }
    }

    /// Of a parked node: it has had no vault, or somebody may have written to the one it has.
    private var isInQuestion: Bool {
        self.failover?.hasVault == false || self.lacksVault
            || Failover.quarantine(of: self.record) == .suspect
    }

    /// Of a node that does not serve: more than the applier may have been at work here.
    private func mustBeJudged(_ attachment: Vault.Attachment) -> Bool {
        let wasEnabled = self.record.role == .secondary || self.record.peer?.wasEnabled == true
        return Failover.quarantine(of: self.record) == .suspect || self.lacksVault
            || wasEnabled && attachment.hasUnloggedCommits
            || wasEnabled && attachment.hasTables && attachment.position == nil
                && (!attachment.wasMarked || self.record.role == .none)
    }

    /// Capture had ended, and what can be proven has been found: goes on with the gate as it is.
    ///
    /// - Returns: `false` when capture cannot begin; it is tried again.
    func resumeCapture(_ mode: Vault.AttachMode) -> Bool {
        self.lastLogged = self.shell.vault.log.newest
        let record = self.record
        guard record.role == .primary || record.role == .standalone else { return true }
        do {
            switch self.failover?.gate {
            case .open: try self.openGate(under: record.epoch)
            case .closing: try self.recapture(under: record.epoch)
            case .closed where record.relinquish == nil: try self.recapture(under: record.epoch)
            case .closed, .unmanaged, nil: return true
            }
            self.startSource()
            return true
        } catch {
            let reason = "\(error)"
            if self.attachTrouble != reason {
                self.shell.report(error, during: .vault, level: .critical)
            }
            self.waitForVault(mode, because: reason)
            return false
        }
    }

    /// Captures what an application has committed while no daemon ran, behind a closed gate too: it
    /// is part of where this node stands, whoever turns out to be the primary.
    func captureBeforeStart() -> Position? {
        let record = self.record
        guard record.role == .primary || record.role == .standalone, record.relinquish == nil else {
            return nil
        }
        do {
            try self.recapture(under: record.epoch)
            return try self.shell.vault.captureNow(timeout: .seconds(60))
        } catch {
            self.shell.report(error, during: .vault, level: .critical)
            return nil
        }
    }

    func reportGap(_ attachment: Vault.Attachment, isReplaced: Bool) {
        let serves = self.record.role == .primary || isReplaced && self.record.role == .standalone
        guard serves, attachment.position == nil || isReplaced, self.gapStart != .start else {
            return
        }
        if isReplaced {
            let path = self.shell.configuration.vaultPath
            self.shell.log.emit(
                .vaultReplaced,
                level: .critical,
                "\(path) is not the vault that was served here, or an older state of it; "
                    + "what \(self.peerName) has is archived before it takes this one",
                ["last": "\(self.gapStart)"]
            )
        }
        self.tell(
            .continuityLost(
                after: self.normalized(self.gapStart),
                isReplaced: isReplaced
            )
        )
        guard isReplaced, self.record.role == .primary else { return }
        self.log.trouble =
            "the vault was replaced while paird was down; what only \(self.peerName) holds is "
            + "archived before it is overwritten"
    }

    /// Makes the machine from the record and tells it what was found.
    ///
    /// - Parameter isVaultMissing: what lies at the vault's path, if anything, is not to be looked at.
    func startMachine(position: Position?, isVaultMissing: Bool = false) {
        let record = self.shell.keeper.current
        let content = self.shell.vault.content
        let hasVault =
            switch content {
            case .withTables: true
            case .missing, .withoutTables, .unusable: false
            }
        let fallback = Position(
            epoch: record.epoch,
            txid: .zero,
            digest: self.attachment?.scannedDigest ?? .empty
        )
        let start = record.lineage.normalized(
            position ?? (record.role == .secondary ? fallback : self.lastLogged ?? fallback)
        )
        self.failover = Failover(
            record: record,
            position: start,
            configuration: Failover.Configuration(self.shell.configuration)
        )
        self.tell(
            .started(
                Failover.Start(
                    position: start,
                    hasVault: !isVaultMissing && (hasVault || position != nil),
                    isVaultMissing: isVaultMissing || record.role != .none && content == .missing,
                    wallSeconds: WallClock.seconds,
                    clock: WallClock.startNumber,
                    nonces: (.random, .random)
                )
            )
        )
    }

    var attachment: Vault.Attachment? {
        if case .attached(let attachment) = self.vault { attachment } else { nil }
    }

    /// Where the vault is, named as both nodes name it; `nil` while it is not known.
    var knownPosition: Position? {
        self.shell.vault.newestPosition.map { self.normalized($0) }
    }

    func normalized(_ position: Position) -> Position { self.record.lineage.normalized(position) }

    // MARK: Capture

    /// Captures under this epoch from where the vault stands, without the marker; layer 1 stays as it
    /// is.
    func recapture(under epoch: Epoch) throws {
        guard let attachment = self.attachment else { throw VaultError.notRunning("custody") }
        let position = try self.comeToRest() ?? self.base(for: attachment)
        if self.isMarked {
            try self.shell.vault.setMarker(false)
            self.isMarked = false
        }
        try self.startCapture(epoch, at: position)
    }

    /// The position that a vault gets whose history nothing proves: the next transaction is unlike
    /// any that the peer may have.
    private func base(for attachment: Vault.Attachment) -> Position {
        Position(
            epoch: self.record.epoch,
            txid: self.gapStart.txid.next,
            digest: attachment.scannedDigest
        )
    }

    /// Ends capturing or applying, and says where the vault stands.
    func comeToRest() throws -> Position? {
        let vault = self.shell.vault
        if self.captureEpoch != nil {
            self.restPosition = vault.stop()
            self.captureEpoch = nil
            // Nobody acknowledges any more; who waits for that hears so.
            self.shell.figures.reset()
        } else if let position = vault.stopApplying() {
            self.restPosition = position
        }
        return self.restPosition
    }

    private func startCapture(_ epoch: Epoch, at position: Position) throws {
        let shell = self.shell
        let backlog = self.backlog(upTo: position)
        shell.figures.reset()
        shell.figures.update {
            $0.durable = backlog
            $0.applied = backlog
        }
        try shell.vault.startCapture(
            epoch: epoch,
            at: position,
            deliver: { segment in
                let now = shell.now
                let last = segment.header.last
                shell.figures.update {
                    $0.durable.append(last, byteCount: segment.bytes.count, at: now)
                    $0.applied.append(last, byteCount: segment.bytes.count, at: now)
                }
                shell.metrics.count(.capturedBytes, by: UInt64(segment.bytes.count))
                if segment.position != nil {
                    let count = last.distance(from: segment.header.first) + 1
                    shell.metrics.count(.capturedTransactions, by: count)
                }
                shell.router.source?.deliver(segment)
            },
            report: { shell.post(.capture($0)) }
        )
        self.captureEpoch = epoch
        self.restPosition = nil
    }

    /// Says whether this copy is fit to be served: everything received is applied, the disk takes
    /// writes.
    func checkVault() {
        let shell = self.shell
        if let failure = shell.vault.applyFailure {
            // Read anew, it may be fit when this is tried again.
            shell.post(.vaultChecked(.unfit("\(failure)")))
            return self.surveyAgain()
        }
        let position =
            self.knownPosition ?? self.restPosition.map { self.normalized($0) }
            ?? (self.holdsForeignVault ? self.failover?.position : nil)
        self.beside {
            guard let position else {
                return shell.post(.vaultChecked(.unfit("there is no complete copy here")))
            }
            do throws(VaultError) {
                try shell.vault.checkFiles()
            } catch {
                return shell.post(.vaultChecked(.unfit("\(error)")))
            }
            if let reason = DiskProbe.trouble(in: shell.configuration.stateDirectory) {
                return shell.post(.vaultChecked(.unfit(reason)))
            }
            shell.post(.vaultChecked(.sound(position)))
        }
    }

    func take(_ event: CaptureEvent) {
        let log = self.shell.log
        switch event {
        case .stopped(let error):
            let isReplaced = if case .replaced = error { true } else { false }
            if isReplaced {
                log.emit(.vaultReplaced, level: .critical, "\(error)")
            } else {
                self.shell.report(error, during: .vault, level: .critical)
            }
            // Nothing more is shipped from this attachment; the next one finds what can be proven,
            // and serves the log again if nothing is missing.
            self.leaveLog()
            self.captureEpoch = nil
            guard !isReplaced else { return self.giveUp() }
            // What is still asked of the gate is asked again when the vault is back.
            self.gateToken += 1
            let (now, before) = (self.shell.now, self.captureStoppedAt)
            self.captureStoppedAt = now
            // What stops it once may stop it again and again.
            if let before, now - before < .seconds(1) {
                return self.waitForVault(self.presentMode, because: "\(error)")
            }
            self.attach(self.presentMode)
        case .recovered(let after):
            log.emit(
                .vaultHealed,
                level: .notice,
                "a writer died while it published a commit",
                ["after": "\(after)"]
            )
        case .logFailed(let error):
            self.shell.report(error, during: .log)
        case .sampleFailed(let error): self.shell.report(error, during: .sample)
        case .checkpointFailed(let error):
            self.shell.report(error, during: .checkpoint)
        case .walPinned(let frames):
            log.emit(
                .storageError,
                level: .warning,
                "somebody reads an old state and pins the WAL",
                ["frames": "\(frames)"]
            )
        }
    }

    /// The file that was served is no longer there: what lies in its place now is not taken for it.
    private func giveUp() {
        self.lastLogged = self.shell.vault.log.newest
        self.restPosition = nil
        self.tell(.vaultLost)
    }

    // MARK: What others see

    var gate: GateState {
        // What cannot be taken into custody cannot be kept from being written to.
        let serves = self.record.role == .primary || self.record.role == .standalone
        if serves, self.attachTrouble != nil, self.attachment == nil, !self.isVaultMissing,
            !self.shell.vault.keepsGate
        {
            return .unmanaged
        }
        guard let failover = self.failover else {
            return Failover.gateAtStart(of: self.record) == .unmanaged ? .unmanaged : .closed
        }
        return switch failover.gate {
        case .unmanaged: self.isMarked ? .closed : .unmanaged
        case .open:
            self.attachment != nil && failover.isServing(at: self.shell.now) ? .open : .closed
        case .closing, .closed: .closed
        }
    }

    var state: NodeState {
        guard let failover = self.failover else { return .starting }
        let serves = self.record.role == .primary || self.record.role == .standalone
        if serves, self.attachment == nil, failover.nodeState != .failed { return .starting }
        // The machine hears heartbeats; the shell hears every connection, and so knows sooner.
        let isLost = self.shell.now - self.lastHeard > self.shell.timers.connectionLoss
        return failover.nodeState == .streaming && self.record.role == .primary && isLost
            ? .alone : failover.nodeState
    }

    var lastHeard: Instant { self.shell.figures.values.lastHeard ?? self.startedAt }

    /// What is wrong with the vault or the log, in the operator's words.
    var troubles: [String] {
        // Of a primary whose vault is gone there is more to say than that it is waited for.
        let attachTrouble =
            self.failover?.isVaultLost == true ? nil : self.parkedWithoutCopy ?? self.attachTrouble
        return [self.failure, self.closingTrouble, attachTrouble, self.log.trouble].compactMap {
            $0
        }
    }
}

extension Lineage {
    /// A position named by the epoch that its transaction was committed in.
    func normalized(_ position: Position) -> Position {
        Position(
            epoch: self.epoch(of: position.txid),
            txid: position.txid,
            digest: position.digest
        )
    }
}

extension Failover.Configuration {
    init(_ configuration: Configuration) {
        self.init(
            timing: FailoverTiming(configuration.timers),
            failover: configuration.failover.policy,
            hasReach: !configuration.failover.reach.isEmpty
        )
    }
}

extension FailoverTiming {
    fileprivate init(_ timers: Timers) {
        self.init(
            timeout: timers.timeout,
            heartbeat: timers.heartbeat,
            tick: timers.tick,
            closingMargin: timers.gateMargin,
            repetition: timers.heartbeatRepeat,
            absence: timers.connectionLoss,
            drainLimit: .seconds(2)
        )
    }
}
