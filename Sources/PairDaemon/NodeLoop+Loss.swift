import Logging
import PairCore
import PairStore

// A vault that is gone, or is not the one that it was.
extension NodeLoop {
    /// Nothing lies at the vault's path.
    var isVaultMissing: Bool {
        if case .missing = Vault.inspect(path: self.shell.configuration.vaultPath) {
            true
        } else {
            false
        }
    }

    // MARK: Of a node that served

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
        self.startMachine(position: nil)
    }

    /// The machine waits for a vault.
    var lacksVault: Bool {
        guard let failover = self.failover else { return false }
        return failover.isVaultLost || failover.isVaultMissing
    }

    /// A vault has come to where there was none; only the one that was served here is served again.
    func foundVault(_ attachment: Vault.Attachment, _ mode: Vault.AttachMode) {
        self.lastLogged = self.shell.vault.log.newest
        let isOurs = self.record.role == .standalone || !attachment.isReplaced
        let here =
            attachment.position
            ?? Position(
                epoch: self.record.epoch,
                txid: self.lastLogged?.txid.next ?? .zero,
                digest: attachment.scannedDigest
            )
        if !isOurs { self.reportForeignVault() }
        self.tell(.vaultFound(self.normalized(here), isOurs: isOurs))
        guard isOurs else { return }
        if self.captureEpoch == nil {
            guard self.resumeCapture(mode) else { return }
        }
        self.reportGap(attachment)
    }

    func reportForeignVault() {
        self.shell.log.emit(
            .vaultReplaced,
            level: .critical,
            "\(self.shell.configuration.vaultPath) is not the vault that this node served; it is "
                + "not opened before an operator says so",
            ["last": self.lastLogged.map { "\($0)" } ?? "unknown"]
        )
    }

    /// A node that does not serve any more waits for no vault: it takes the primary's, or keeps
    /// whatever comes from being written to.
    func stopWaitingForVault(as role: Role) {
        switch (self.vault, role) {
        case (.waiting, .secondary), (.attaching, .secondary):
            guard self.isVaultMissing else { return }
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
    func keepLog(of old: NodeRecord, becoming role: Role) throws {
        guard role == .secondary, old.role == .primary || old.role == .standalone,
            self.failover?.isVaultMissing == true, let peer = self.failover?.link.peer,
            let newest = self.shell.vault.log.newest
        else { return }
        let fork = old.lineage.fork(from: peer.lineage) ?? peer.position
        guard newest.txid > fork.txid else { return }
        let folder = try self.shell.vault.keepLog()
        let count = newest.txid.distance(from: fork.txid)
        self.shell.log.emit(
            .divergenceArchived,
            level: .critical,
            "\(StatusText.counted(count, "transaction")) of the vault that is gone had not reached "
                + "\(self.peerName); their pages are kept in \(folder)",
            ["after": "\(fork)", "through": "\(newest)"]
        )
        self.keptLogs = self.shell.vault.keptLogs
    }

    /// The logs of lost vaults that nobody has removed.
    var keptLogReservations: [PairFacts.Reservation] {
        self.keptLogs.map { folder in
            .init(
                "commits of a lost vault that no copy holds are kept, as pages, in \(folder)",
                next: "rm -r \(folder), when they are of no more use"
            )
        }
    }

    /// What an operator can do about a vault that this node should serve and does not have.
    var vaultLoss: PairFacts.Reservation? {
        let (path, peer) = (self.shell.configuration.vaultPath, self.peerName)
        guard let failover = self.failover else { return nil }
        if self.record.role == .secondary, failover.peerHasLostVault, self.isPeerHeard {
            return .init(
                "\(peer), the primary, has lost its vault; what may be the last copy is here",
                next: "pairctl promote, if the vault cannot be brought back on \(peer)"
            )
        }
        if self.record.role == .secondary, self.peerHasFailed {
            return .init(
                "\(peer), the primary, has failed and serves nothing",
                next: "on \(peer): pairctl status; to take over here before the timeout: "
                    + "pairctl promote"
            )
        }
        guard self.lacksVault, failover.gate != .open else { return nil }
        guard self.record.role == .primary else {
            guard self.record.role == .standalone else { return nil }
            let other =
                self.record.peer == nil
                ? "" : "; to take \(peer)'s copy instead, on \(peer): pairctl enable-ha"
            return .init(
                "\(path), which this node served, is gone",
                next: "put it back, or let the application create it in WAL mode" + other
            )
        }
        let takeOver = "to let \(peer) take over with its copy, on \(peer): pairctl promote"
        let waits =
            self.record.right == .leased && self.record.policy.failover != .manual
            ? "; \(peer), which hears no heartbeat, promotes itself after "
                + Measure.text(self.record.policy.timeout)
            : ""
        if failover.isVaultMissing {
            return .init(
                "\(path), which this node served, is gone; what may be the last copy is on "
                    + "\(peer)\(waits)",
                next: "put it back; \(takeOver)"
            )
        }
        return .init(
            "\(path) is not the vault that this node served, and is not opened\(waits)",
            next: "\(takeOver); to serve what lies here: pairctl promote --force --confirm "
                + "\(peer) --reason TEXT"
        )
    }

    // MARK: Of a copy

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

    /// Once a second: whether the copy in custody is still what applications find at its path.
    func lookAtFiles(_ now: Instant) {
        guard self.hasStandingCopy, now - self.filesSeenAt >= Self.filesInterval else { return }
        self.filesSeenAt = now
        let shell = self.shell
        self.beside {
            do throws(VaultError) {
                try shell.vault.checkFiles()
            } catch {
                shell.post(.copyMissed)
            }
        }
    }

    /// What lay in the copy's place, and could not be used, has been taken away.
    func goOnWithoutCopy() {
        self.vault = .untouched
        self.attachTrouble = nil
        self.isSurveying = false
        self.isMarked = false
        self.restPosition = nil
        if self.failover == nil {
            self.startMachine(position: nil)
        } else {
            self.tell(.vaultLost)
        }
    }

    /// Notices when the copy is not there any more: the primary has all that was in it, so it is taken
    /// anew.
    func lookForCopy() {
        guard self.hasStandingCopy else { return }
        do throws(VaultError) {
            return try self.shell.vault.checkFiles()
        } catch {
            self.shell.log.emit(
                .vaultReplaced,
                level: .critical,
                "\(error); a whole copy is taken anew from \(self.peerName)"
            )
        }
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
