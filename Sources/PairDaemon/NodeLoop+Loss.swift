import Logging
import PairCore
import PairStore

// A vault that is gone, or is not the one that it was.
extension NodeLoop {
    /// Nothing lies at the vault's path.
    var isVaultMissing: Bool { Vault.isMissing(path: self.shell.configuration.vaultPath) }

    /// Whether what was found is the vault that this node's record and log speak of.
    ///
    /// Where the marker was set nobody but the applier can have changed it since. A parked node applies
    /// nothing: what its log does not know was put there with the marker.
    func isOurs(_ attachment: Vault.Attachment, _ mode: Vault.AttachMode) -> Bool {
        if self.provenPosition(attachment) != nil { return true }
        guard mode == .closed(marked: true) else {
            return !attachment.isReplaced && !self.hasLostLog
        }
        return self.record.role != .none && Failover.needsMarker(self.record)
            && attachment.wasMarked
            && !attachment.hasUnloggedCommits
            && Failover.quarantine(of: self.record) != .suspect
    }

    /// Tells the machine whether what lies here is the vault that this node had.
    func judge(_ attachment: Vault.Attachment, _ mode: Vault.AttachMode) {
        self.lastLogged = self.shell.vault.log.newest
        let isOurs = self.isOurs(attachment, mode)
        let proven = self.provenPosition(attachment)
        let here = proven ?? self.unprovenPosition(attachment)
        if !isOurs { self.reportForeignVault() }
        self.restPosition = proven.map { self.normalized($0) }
        // A copy that is proven may have lost its last table.
        let hasTables = attachment.hasTables || proven != nil
        self.tell(.vaultFound(self.normalized(here), isOurs: isOurs, hasTables: hasTables))
    }

    /// Where in history the vault stands, if anything proves it.
    ///
    /// What an application has committed after that is captured by a node that serves; on any other it
    /// is in no log, so the vault does not stand there.
    func provenPosition(_ attachment: Vault.Attachment) -> Position? {
        let isCaptured: Bool =
            switch self.record.role {
            case .primary: self.record.relinquish == nil
            case .standalone: true
            case .secondary, .none: false
            }
        return attachment.hasUnloggedCommits && !isCaptured ? nil : attachment.position
    }

    /// The log does not say any more what was served here, though something was.
    private var hasLostLog: Bool { self.lastLogged == nil && self.knownBeforeLog != nil }

    /// The newest position that the record knows of, where the log does not.
    private var knownBeforeLog: Position? {
        [self.record.peerAcknowledged, self.record.lineage.entries.last?.fork]
            .compactMap(\.self).filter { $0.txid > .zero }.max { $0.txid < $1.txid }
    }

    /// The last position that the log proves, or what comes nearest to it.
    var gapStart: Position { self.lastLogged ?? self.knownBeforeLog ?? .start }

    /// Where a vault stands that nothing proves: at a transaction unlike any that was ever logged.
    func unprovenPosition(_ attachment: Vault.Attachment) -> Position {
        Position(
            epoch: self.record.epoch,
            txid: self.gapStart == .start ? .zero : self.gapStart.txid.next,
            digest: attachment.scannedDigest
        )
    }

    /// Takes note, durably and before it is marked, that what lies here may have been written to.
    ///
    /// - Returns: `false` when that cannot be made durable.
    func suspectVault() -> Bool {
        let record = self.record
        guard Failover.needsMarker(record), record.quarantineReason == nil,
            Vault.lacksMarker(path: self.shell.configuration.vaultPath)
        else { return true }
        if self.failover != nil {
            self.tell(.vaultSuspected)
            return self.failover?.nodeState != .failed
        }
        return self.remember(.suspect)
    }

    /// Makes durable what is to be known of the vault even if this start goes no further.
    ///
    /// - Returns: `false` when that failed, which is reported.
    private func remember(_ quarantine: Failover.Quarantine?) -> Bool {
        var record = self.record
        record.quarantineReason = quarantine?.rawValue
        do {
            try self.shell.keeper.store(record)
            return true
        } catch {
            self.shell.report(error, during: .state, level: .critical)
            return false
        }
    }

    /// What was suspected is not there any more; whatever comes is looked at when it comes.
    func forgetSuspicion() {
        if Failover.quarantine(of: self.record) == .suspect { _ = self.remember(nil) }
    }

    /// Why the vault is not attached when `remember` has failed, and what to do.
    var recordTrouble: String {
        let folder = self.shell.configuration.stateDirectory
        return
            "\(folder) takes no writes, so the vault is left alone: type df \(folder) and "
            + "ls -ld \(folder); it goes on by itself when that is mended"
    }

    // MARK: Of a node that served

    /// An offer to hand over is settled before any other vault is looked at.
    var mustSettleFirst: Bool {
        let record = self.record
        guard record.role == .primary, record.relinquish != nil else { return false }
        return self.failover?.isVaultMissing ?? (Failover.quarantine(of: record) == .lost)
    }

    /// Takes the place of a node without the vault that it had: the peer is heard, and operators too,
    /// while the vault is waited for.
    func startWithoutVault() {
        let error = VaultError.missing(path: self.shell.configuration.vaultPath)
        self.shell.report(
            error,
            during: .vault,
            level: self.record.role == .none ? .warning : .critical
        )
        self.lastLogged = self.shell.vault.log.newest
        self.isMarked = Failover.needsMarker(self.record)
        self.waitForVault(.closed(marked: self.isMarked), because: "\(error)")
        self.startMachine(position: nil, isVaultMissing: self.record.role != .none)
    }

    /// The machine waits for a vault.
    var lacksVault: Bool {
        guard let failover = self.failover else { return false }
        return failover.isVaultLost || failover.isVaultMissing
    }

    /// The first attachment of a node that serves: what it finds is its own, or is about to be.
    func startServing(_ attachment: Vault.Attachment, _ mode: Vault.AttachMode) {
        let quarantine = Failover.quarantine(of: self.record)
        let isOurs = self.isOurs(attachment, mode)
        let isHeld =
            self.record.role == .primary && (quarantine == .lost || quarantine == .foreign)
        if isHeld, !isOurs {
            self.startMachine(position: nil)
            let here = self.unprovenPosition(attachment)
            self.reportForeignVault()
            return self.tell(.vaultFound(here, isOurs: false))
        }
        let isReplaced = !isOurs || quarantine == .replacing
        // Before the log begins anew: after that nothing else would tell that the vault is another one.
        if isReplaced, quarantine != .replacing {
            guard self.keepUnshippedLog(), self.remember(.replacing) else {
                return self.waitForVault(mode, because: self.recordTrouble)
            }
        } else if isOurs, quarantine == .suspect, !self.remember(nil) {
            return self.waitForVault(mode, because: self.recordTrouble)
        }
        let here = self.captureBeforeStart() ?? self.provenPosition(attachment)
        // In doubt nothing is captured: what lies here stands where nothing that was logged did.
        let isUnproven = isReplaced && self.record.relinquish != nil
        self.startMachine(position: isUnproven ? self.unprovenPosition(attachment) : here)
        if isHeld {
            let ours = here ?? self.unprovenPosition(attachment)
            self.tell(.vaultFound(self.normalized(ours), isOurs: true))
        }
        self.reportGap(attachment, isReplaced: isReplaced)
    }

    /// The gate has closed over files that are gone: what comes to lie in their place is kept from being
    /// written to as well.
    func lookForOtherVault() {
        guard self.lacksVault, self.captureEpoch == nil,
            self.record.role == .primary || self.record.role == .standalone
        else { return }
        // Whatever an operator might want to have served is gone as well.
        if self.isVaultMissing, self.failover?.isVaultMissing == false { self.tell(.vaultLost) }
        switch self.vault {
        case .attached, .untouched:
            let error = VaultError.missing(path: self.shell.configuration.vaultPath)
            self.waitForVault(.closed(marked: false), because: "\(error)")
        case .attaching, .waiting: break
        }
    }

    /// A vault has come to where there was none; only the one that was served here is served again.
    func foundVault(_ attachment: Vault.Attachment, _ mode: Vault.AttachMode) {
        self.lastLogged = self.shell.vault.log.newest
        let isOurs = self.isOurs(attachment, mode)
        let here = attachment.position ?? self.unprovenPosition(attachment)
        if !isOurs { self.reportForeignVault() }
        self.tell(.vaultFound(self.normalized(here), isOurs: isOurs))
        guard isOurs || self.record.role == .standalone else { return }
        if self.captureEpoch == nil {
            guard self.resumeCapture(mode) else { return }
        }
        if isOurs { self.reportGap(attachment, isReplaced: false) }
    }

    func reportForeignVault() {
        let path = self.shell.configuration.vaultPath
        self.shell.log.emit(
            .vaultReplaced,
            level: .critical,
            "\(path) is not the vault that this node had"
                + (self.record.role == .primary
                    ? "; it is not opened before an operator says so" : ""),
            ["last": self.lastLogged.map { "\($0)" } ?? "unknown"]
        )
    }

    /// A node that does not serve any more waits for no vault: it takes the primary's, or keeps
    /// whatever comes from being written to.
    func stopWaitingForVault(as role: Role) {
        switch (self.vault, role) {
        case (.waiting, .secondary), (.attaching, .secondary):
            guard !self.isSurveying, self.failover?.isVaultMissing == true else { return }
            // If anything lies there by now, it is looked at before it is copied over.
            self.vault = .untouched
            self.attachTrouble = nil
            self.isMarked = false
        case (.waiting(.closed(marked: false), let nextTry, let reason), .none):
            self.vault = .waiting(.closed(marked: true), nextTry: nextTry, reason: reason)
        case (.waiting, _), (.attaching, _), (.untouched, _), (.attached, _): break
        }
    }

    /// What this node had committed with a vault that is gone, and the peer has not, is still in its log:
    /// it is kept before the log begins anew.
    func keepLog(leaving old: NodeRecord, for new: NodeRecord) throws {
        guard old.role == .primary || old.role == .standalone,
            let newest = self.shell.vault.log.newest
        else { return }
        let quarantine = Failover.quarantine(of: old)
        let wasLost =
            quarantine == .lost || quarantine == .foreign
            || self.failover?.isVaultMissing == true
        let isTakingCopy = new.role == .secondary && wasLost
        let isServingAnother =
            quarantine != .replacing && new.role != .secondary && new.quarantineReason == nil
            && new.lineage.isReplaced(against: old.lineage)
            || wasLost && new.role == .primary && new.quarantineReason == nil
                && new.epoch != old.epoch
        guard isTakingCopy || isServingAnother else { return }
        let peer = self.failover?.link.peer
        var reached = peer?.position.txid ?? old.peerAcknowledged?.txid ?? .zero
        if let fork = peer.flatMap({ old.lineage.fork(from: $0.lineage) }) {
            reached = min(reached, fork.txid)
        }
        _ = try self.keepLog(of: newest, after: reached, "had not reached")
    }

    /// What only the log of a vault that is gone still holds, while it holds it.
    ///
    /// - Returns: `false` when it could not be kept.
    private func keepUnshippedLog() -> Bool {
        guard let newest = self.lastLogged, self.record.peer?.wasEnabled == true,
            self.unconfirmedLog == nil
        else { return true }
        do {
            let reached = self.record.peerAcknowledged?.txid ?? .zero
            if let folder = try self.keepLog(of: newest, after: reached, "may not have reached") {
                self.unconfirmedLog = (folder, newest)
            }
            return true
        } catch {
            self.shell.report(error, during: .state, level: .critical)
            return false
        }
    }

    /// The peer, heard again, has all that the kept log led to: that is not needed then.
    func dropKeptLog(ifAt joiner: Position?) {
        guard let (folder, newest) = self.unconfirmedLog, let joiner else { return }
        self.unconfirmedLog = nil
        guard joiner.txid == newest.txid, joiner.digest == newest.digest else { return }
        do {
            try self.shell.vault.dropLog(keptIn: folder)
        } catch {
            self.shell.report(error, during: .state)
        }
        self.keptLogs = self.shell.vault.keptLogs
    }

    private func keepLog(
        of newest: Position,
        after reached: TXID,
        _ verb: String
    ) throws -> String? {
        guard newest.txid > reached else { return nil }
        let folder = try self.shell.vault.keepLog()
        let count = newest.txid.distance(from: reached)
        self.shell.log.emit(
            .divergenceArchived,
            level: .critical,
            "\(StatusText.counted(count, "transaction")) of the vault that is gone \(verb) "
                + "\(self.peerName); their pages are kept in \(folder)",
            ["after": "\(reached)", "through": "\(newest)"]
        )
        self.keptLogs = self.shell.vault.keptLogs
        return folder
    }

    // MARK: Of a copy

    /// What lies here is known not to be the primary's; an operator may want it served all the same.
    var holdsForeignVault: Bool {
        guard let failover = self.failover, let newest = self.record.lineage.entries.last else {
            return false
        }
        return newest.cause == .replaced && newest.owner == failover.record.peer?.bit
            && failover.hasVault && self.attachment?.hasTables == true
    }

    private static let filesInterval = Duration.seconds(1)

    /// A copy in custody that nothing of ours is about to replace.
    private var hasStandingCopy: Bool {
        guard self.record.role == .secondary, !self.isSurveying, case .attached = self.vault else {
            return false
        }
        return switch self.log.wish {
        case .nothing, .follow: true
        case .copy, .undo, .archive: false
        }
    }

    /// What is in custody is certainly not what lies at its path.
    private var isDisplaced: Bool {
        do throws(VaultError) {
            try self.shell.vault.checkFiles()
            return false
        } catch {
            return true
        }
    }

    /// Once a second: whether the copy in custody is still what applications find at its path, and
    /// whether one that was gone is back.
    func lookAtFiles(_ now: Instant) {
        guard now - self.filesSeenAt >= Self.filesInterval else { return }
        self.filesSeenAt = now
        // Remembered by the vault itself; an operator is told by the status.
        _ = self.shell.vault.isTamperedWith
        let directory = self.shell.configuration.stateDirectory
        self.diskShortage =
            switch self.record.role {
            case .secondary:
                DiskProbe.absence(in: directory) ?? DiskProbe.shortage(in: directory)
            case .primary, .standalone: DiskProbe.absence(in: directory)
            case .none: nil
            }
        if self.lacksVault, self.failover?.gate == .closed, case .attached = self.vault,
            self.isDisplaced
        {
            // What lay in the place of the vault that was served is gone as well.
            return self.lookForOtherVault()
        }
        let shell = self.shell
        self.lookAtParkedVault()
        if self.isWithoutCopy {
            guard !self.isVaultMissing else { return }
            // Beside the loop: whoever makes it may hold locks.
            return self.beside {
                switch shell.vault.content {
                case .missing, .withoutTables: break
                case .withTables, .unusable: shell.post(.copyMissed)
                }
            }
        }
        guard self.hasStandingCopy else { return }
        self.beside {
            do throws(VaultError) {
                try shell.vault.checkFiles()
            } catch {
                shell.post(.copyMissed)
            }
        }
    }

    /// This node has no copy, takes none at this moment, and keeps nobody from making a vault.
    private var isWithoutCopy: Bool {
        guard self.record.role == .secondary, case .untouched = self.vault,
            self.log.wish == .nothing
        else { return false }
        return true
    }

    /// Reads anew what a parked node has in custody when it is not what it was: the node may be asked to
    /// serve it, or to follow from there.
    func lookAtParkedVault() {
        guard self.record.role == .none, self.isMarked, case .attached = self.vault,
            self.isDisplaced
        else { return }
        self.shell.log.emit(
            .vaultReplaced,
            level: .critical,
            "\(self.shell.configuration.vaultPath) is no longer what was kept here; it is read anew"
        )
        // With the marker too: where it stands is to be found out, and until then nothing is said of it.
        self.tell(.vaultSuspected)
        guard self.state != .failed else { return }
        self.shell.vault.detach()
        self.vault = .untouched
        self.restPosition = nil
        // Attaching marks whatever lies here, so nothing is left of that to whoever is to follow meanwhile.
        self.attach(.closed(marked: true))
    }

    /// Nothing lies where a parked node's vault was: it has none to go on from.
    func missParkedVault() {
        guard self.record.role == .none, Failover.needsMarker(self.record),
            self.failover?.hasVault == true, self.isVaultMissing
        else { return }
        self.tell(.vaultLost)
    }

    /// What lay in the copy's place, and could not be used, has been taken away.
    func goOnWithoutCopy() {
        self.vault = .untouched
        self.attachTrouble = nil
        self.isSurveying = false
        self.isMarked = false
        self.restPosition = nil
        if self.failover == nil { self.startMachine(position: nil) }
        self.tell(.vaultLost)
    }

    /// Notices when the copy is not there any more: the primary has all that was in it, so it is taken
    /// anew.
    func lookForCopy() {
        if self.isWithoutCopy { return self.surveyAgain() }
        guard self.hasStandingCopy, self.isDisplaced else { return }
        self.shell.log.emit(
            .vaultReplaced,
            level: .critical,
            "\(self.shell.configuration.vaultPath) is no longer the copy that was kept here; without it "
                + "a whole one is taken anew from \(self.peerName)"
        )
        self.leaveLog()
        self.shell.vault.detach()
        self.vault = .untouched
        self.restPosition = nil
        self.isMarked = false
        self.equalAt = nil
        self.tell(.vaultLost)
        self.surveyAgain()
    }
}
