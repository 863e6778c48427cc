import Logging
import PairCore
import PairNet
import PairStore
import PairWAL
import PairWire

// Opening the vault, serving it, and following the primary.
extension NodeLoop {
    /// Opens the vault beside the loop; the answer is an `attached` event.
    func attach(_ mode: Vault.AttachMode) {
        let reason: String? =
            if case .attaching(let attaching) = self.standing { attaching.reason } else { nil }
        self.standing = .attaching(
            Standing.Attaching(
                mode: mode, isUnderWay: true, nextTry: self.shell.now, reason: reason))
        let shell = self.shell
        self.beside {
            do throws(VaultError) {
                shell.post(.attached(.success(try shell.vault.attach(mode))))
            } catch {
                shell.post(.attached(.failure(error)))
            }
        }
    }

    /// Closes the vault to applications if there is one, and otherwise waits for the copy.
    func attachAsSecondary() {
        switch Vault.inspect(path: self.shell.configuration.vaultPath) {
        case .missing, .withoutTables:
            self.standing = .secondary(Standing.Secondary(following: .nothing))
            self.follow()
        case .withTables, .unusable: self.attach(.closed(marked: true))
        }
    }

    func finishAttaching(_ result: Result<Vault.Attachment, VaultError>) {
        guard case .attaching(var attaching) = self.standing else { return }
        switch result {
        case .success(let attachment):
            if attaching.mode == .open {
                self.serve(attachment)
            } else {
                self.standing = .secondary(Standing.Secondary(following: .nothing))
                self.follow()
            }
        case .failure(let error):
            let reason = "\(error)"
            if attaching.reason != reason {
                self.shell.log.emit(.storageError, level: .error, reason)
            }
            attaching.isUnderWay = false
            attaching.reason = reason
            attaching.nextTry = self.shell.now + .seconds(1)
            self.standing = .attaching(attaching)
            self.failEnabling("\(reason)")
        }
    }

    /// Captures from the vault's present state on; the gate is open from here.
    private func serve(_ attachment: Vault.Attachment) {
        do {
            if attachment.wasMarked { self.shell.log.emit(.markerCleared, level: .notice) }
            let (epoch, base) = try self.base(for: attachment)
            let shell = self.shell
            shell.figures.reset()
            shell.figures.update {
                $0.durable = Backlog(acknowledged: base.txid)
                $0.applied = Backlog(acknowledged: base.txid)
            }
            try shell.vault.startCapture(
                epoch: epoch, at: base,
                deliver: { segment in
                    let now = shell.now
                    let last = segment.header.last
                    shell.figures.update {
                        $0.durable.append(last, byteCount: segment.bytes.count, at: now)
                        $0.applied.append(last, byteCount: segment.bytes.count, at: now)
                    }
                    shell.router.source?.deliver(segment)
                },
                report: { shell.post(.capture($0)) })
            self.standing = .primary
            self.orderPeer()
            self.startSource()
        } catch {
            self.shell.log.emit(.storageError, level: .error, "\(error)")
            self.standing = .failed("\(error)")
        }
    }

    /// The position that the vault's present state has, under an epoch that is durable.
    ///
    /// A new epoch is taken for the first enable-ha, and when continuity with what was recorded
    /// cannot be proven (a gap): then the next transaction is unlike any that the peer may have.
    private func base(for attachment: Vault.Attachment) throws -> (Epoch, Position) {
        let record = self.record
        if let epoch = self.enabling?.proposal.epoch {
            let base = Position(
                epoch: epoch, txid: attachment.position?.txid ?? TXID(1),
                digest: attachment.scannedDigest)
            try self.persistPrimary(epoch: epoch, fork: base, cause: .enable)
            return (epoch, base)
        }
        if let position = attachment.position { return (record.epoch, position) }
        let last = self.shell.vault.log.newest ?? .start
        let next = last.txid.next
        guard let peer = record.peer else {
            return (
                record.epoch,
                Position(epoch: record.epoch, txid: next, digest: attachment.scannedDigest)
            )
        }
        let epoch = max(record.epoch, record.lineage.epoch).next(ownedBy: peer.bit)
        try self.persistPrimary(epoch: epoch, fork: last, cause: .gap)
        let base = Position(epoch: epoch, txid: next, digest: attachment.scannedDigest)
        self.shell.log.emit(
            .vaultHealed, level: .notice,
            "the vault changed in a way the log does not show; a new epoch begins",
            ["after": "\(last)", "at": "\(base)"])
        return (epoch, base)
    }

    private func persistPrimary(epoch: Epoch, fork: Position, cause: EpochCause) throws {
        let wall = WallClock.seconds
        let enabling = self.enabling
        try self.shell.keeper.update { record in
            guard let bit = record.peer?.bit else { return }
            record.role = .primary
            record.right = .solo
            record.epoch = epoch
            record.peer?.wasEnabled = true
            if let enabling {
                record.peer?.vault = enabling.proposal.vault
                record.operation?.step = Self.orderStep(enabling.proposal)
            }
            record.lineage.append(
                LineageEntry(
                    epoch: epoch, owner: bit, fork: fork, cause: cause, wallSeconds: wall))
        }
    }

    func take(_ event: CaptureEvent) {
        switch event {
        case .stopped(let error):
            let isReplaced = if case .replaced = error { true } else { false }
            self.shell.log.emit(
                isReplaced ? .vaultReplaced : .storageError, level: .critical, "\(error)")
            // Nothing more is shipped from this attachment; the next one finds what can be proven.
            self.shell.router.clear()
            self.logLink?.close()
            self.attach(.open)
        case .recovered(let after):
            self.shell.log.emit(
                .vaultHealed, level: .notice, "a writer died while it published a commit",
                ["after": "\(after)"])
        case .logFailed(let error):
            self.shell.metrics.count("storage_errors_total", labels: #"op="log""#)
            self.shell.log.emit(.storageError, level: .error, "\(error)")
        case .checkpointFailed(let error):
            self.shell.metrics.count("storage_errors_total", labels: #"op="checkpoint""#)
            self.shell.log.emit(.storageError, level: .error, "\(error)")
        case .walPinned(let frames):
            self.shell.log.emit(
                .storageError, level: .warning, "somebody reads an old state and pins the WAL",
                ["frames": "\(frames)"])
        }
    }

    /// What is wrong with the vault or the log, in the operator's words.
    var troubles: [String] {
        switch self.standing {
        case .attaching(let attaching): attaching.reason.map { [$0] } ?? []
        case .failed(let reason): [reason]
        case .secondary(let secondary): secondary.trouble.map { [$0] } ?? []
        case .unmanaged, .primary: []
        }
    }

    var gate: GateState {
        switch self.standing {
        case .unmanaged: .unmanaged
        case .primary: .open
        // Until the vault is in custody, applications may write, but nobody is sent here yet.
        case .attaching(let attaching) where attaching.mode == .open: .unmanaged
        case .attaching, .secondary, .failed: .closed
        }
    }

    var state: NodeState {
        let record = self.record
        switch self.standing {
        case .failed: return .failed
        case .unmanaged: return record.peer == nil ? .unpaired : .paired
        case .attaching: return .starting
        case .primary: return self.isPeerLost ? .alone : .streaming
        case .secondary(let secondary):
            switch secondary.following {
            case .seeding: return .seeding
            case .catchingUp: return .catchingUp
            case .streaming: return self.isLogLost ? .suspect : .streaming
            case .nothing where record.isSeeding: return .seeding
            case .nothing: return .lookingForPeer
            }
        }
    }

    private var isPeerLost: Bool {
        guard self.controlLink == nil, self.logLink == nil else { return false }
        let since = self.shell.figures.values.lastHeard ?? self.startedAt
        return self.shell.now - since > self.shell.timers.connectionLoss
    }

    private var isLogLost: Bool {
        guard let lost = self.logLinkLostAt, self.logLink == nil else { return false }
        return self.shell.now - lost > self.shell.timers.connectionLoss
    }
}
