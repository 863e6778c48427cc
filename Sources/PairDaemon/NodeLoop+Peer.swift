import Logging
import PairCore
import PairNet
import PairStore
import PairWire

// The peer: its connections, what it says of itself, and the log's two ends.
extension NodeLoop {
    func linkUp(_ purpose: ConnectionPurpose, _ connection: PeerConnection) {
        self.markHeard()
        switch purpose {
        case .control:
            self.controlLink = connection
            self.shell.log.emit(.peerUp)
            self.sayPresence()
            self.orderPeer()
        case .log:
            self.shell.router.clear()
            self.logLink = connection
            self.logLinkLostAt = nil
            self.shell.log.emit(.replConnected)
            self.startSource()
            self.follow()
        case .pair, .heartbeat: break
        }
    }

    func linkDown(_ connection: PeerConnection, _ reason: String) {
        switch connection.purpose {
        case .control:
            guard self.controlLink == connection else { return }
            self.controlLink = nil
            self.shell.log.emit(.peerDown, level: .warning, reason)
            self.endForwards("the connection to the peer was lost: \(reason)")
        case .log:
            guard self.logLink == connection else { return }
            self.logLink = nil
            self.logLinkLostAt = self.shell.now
            self.shell.router.clear()
            self.shell.figures.update { $0.copy = nil }
            self.shell.log.emit(.replLost, level: .warning, reason)
            self.failVerification("the log connection was lost: \(reason)")
            if case .secondary(var secondary) = self.standing, secondary.following != .seeding {
                // Streaming until shown otherwise: `state` turns to suspect by the clock.
                if secondary.following != .streaming { secondary.following = .nothing }
                self.standing = .secondary(secondary)
            }
        case .pair, .heartbeat: break
        }
    }

    func hear(_ message: ControlMessage) {
        self.markHeard()
        switch message {
        case .presence(let presence): self.takePresence(presence)
        case .enableProposal(let proposal): self.consider(proposal)
        case .enableOrder(let order): self.obey(order)
        case .enableAnswer(let answer): self.takeAnswer(answer)
        case .forward(let id, let request): self.carryOutForPeer(id, request)
        case .forwarded(let id, let line, let isLast):
            self.takeForwarded(id, line, isLast: isLast)
        }
    }

    func say(_ message: ControlMessage) {
        self.controlLink?.send(type: message.kind.rawValue, payload: message.payload)
    }

    func markHeard() {
        let now = self.shell.now
        self.shell.figures.update { $0.lastHeard = now }
    }

    func sayPresence() {
        self.lastPresenceAt = self.shell.now
        guard self.controlLink != nil else { return }
        let record = self.record
        let vault = self.shell.vault
        self.say(
            .presence(
                Presence(
                    node: record.identity.node, name: record.identity.name,
                    model: record.identity.model, version: Version.current,
                    bootID: self.shell.bootID, role: record.role, state: self.state,
                    gate: self.gate, right: record.right, epoch: record.epoch,
                    lineage: record.lineage, position: self.position, vault: record.peer?.vault,
                    content: self.content, longestWriteHold: vault.longestWriteHold,
                    policy: record.policy, reasons: self.troubles)))
    }

    /// What lies at the vault's path; while it is attached nobody may open the file to look.
    var content: VaultContent {
        switch self.standing {
        case .primary, .secondary: self.shell.vault.content
        case .unmanaged, .attaching, .failed:
            Vault.inspect(path: self.shell.configuration.vaultPath)
        }
    }

    /// The newest captured position of a primary, the applied one of a secondary.
    var position: Position? {
        switch self.standing {
        case .primary: self.shell.vault.captured
        case .secondary: self.shell.vault.applied
        case .unmanaged, .attaching, .failed: nil
        }
    }

    private func takePresence(_ presence: Presence) {
        guard presence.node == self.record.peer?.node else {
            self.shell.log.emit(
                .peerRejected, level: .warning, "a presence names another node",
                ["node": "\(presence.node)"])
            return
        }
        self.presence = presence
        if presence.model != self.record.peer?.model || presence.name != self.record.peer?.name {
            self.remember {
                $0.peer?.model = presence.model
                $0.peer?.name = presence.name
            }
        }
    }

    /// Persists a change that nothing waits for; a failure is told, the old record stays.
    func remember(_ change: (inout NodeRecord) -> Void) {
        do {
            try self.shell.keeper.update(change)
        } catch {
            self.shell.log.emit(.storageError, level: .error, "\(error)")
        }
    }

    // MARK: The log's ends

    /// As primary: serves whoever is connected.
    func startSource() {
        guard case .primary = self.standing, let connection = self.logLink,
            let vaultID = self.record.peer?.vault, let pageSize = self.shell.vault.pageSize,
            self.shell.router.source == nil
        else { return }
        let shell = self.shell
        let marker = IdentityMarker()
        let id = ObjectIdentifier(marker)
        let source = LogSource(
            terms: LogSource.Terms(
                vault: shell.vault, vaultID: vaultID, lineage: self.record.lineage,
                pageSize: pageSize, copyRate: shell.configuration.maxRate),
            connection: connection,
            report: { report in
                withExtendedLifetime(marker) {}
                if case .progress(let progress) = report { shell.figures.take(progress) }
                shell.post(.source(id, report))
            })
        self.logEnd = marker
        shell.router.become(.source(source), on: connection)
    }

    /// As secondary: asks the connected primary for what is missing here.
    func follow() {
        guard case .secondary(var secondary) = self.standing, let connection = self.logLink,
            self.shell.router.sink == nil
        else { return }
        let shell = self.shell
        let marker = IdentityMarker()
        let id = ObjectIdentifier(marker)
        let sink = LogSink(
            vault: shell.vault, connection: connection,
            accept: { plan in try Self.accept(plan, shell) },
            report: { report in
                withExtendedLifetime(marker) {}
                switch report {
                case .applied(let position):
                    shell.figures.update { $0.position = position }
                    return
                case .tick(let position):
                    let now = shell.now
                    shell.figures.update {
                        $0.primaryPosition = position
                        $0.lastHeard = now
                    }
                    return
                case .copying(let done, let total):
                    shell.figures.update {
                        $0.copy?.doneBytes = done
                        $0.copy?.totalBytes = total
                    }
                    return
                case .planned, .copied, .failed: break
                }
                shell.post(.sink(id, report))
            })
        self.logEnd = marker
        secondary.following = .nothing
        self.standing = .secondary(secondary)
        shell.router.become(.sink(sink), on: connection)
        let record = self.record
        sink.begin(
            LogMessage.Request(
                vault: record.peer?.vault, lineage: record.lineage,
                position: record.isSeeding ? nil : shell.vault.applied, content: self.content,
                scannedDigest: record.isSeeding ? nil : shell.vault.scannedDigest))
    }

    /// Makes durable what a plan means before the vault is touched.
    private static func accept(_ plan: LogMessage.Plan, _ shell: NodeShell) throws {
        try shell.keeper.update { record in
            guard plan.lineage.epoch >= record.epoch else { return }
            record.epoch = plan.lineage.epoch
            record.lineage = plan.lineage
            record.peer?.vault = plan.vault
            if plan.way == .seed { record.isSeeding = true }
        }
    }

    func take(_ report: LogSource.Report, from id: ObjectIdentifier) {
        guard id == self.logEnd.map({ ObjectIdentifier($0) }) else { return }
        self.markHeard()
        switch report {
        case .planned(let plan): self.beginCopy(plan)
        case .progress: break
        case .copying(let done, let total):
            self.shell.figures.update {
                $0.copy?.doneBytes = done
                $0.copy?.totalBytes = total
            }
        case .copied(let position):
            self.shell.figures.update { $0.copy = nil }
            self.shell.log.emit(.seedDone, "the secondary's copy is whole", ["at": "\(position)"])
        case .markHashes(let mark, let first, let hashes): self.takeHashes(mark, first, hashes)
        case .markResult(let result): self.takeResult(result)
        case .failed(let reason):
            self.shell.figures.update { $0.copy = nil }
            self.sourceTrouble = reason
            self.shell.log.emit(.replLost, level: .warning, reason)
        }
    }

    func take(_ report: LogSink.Report, from id: ObjectIdentifier) {
        guard id == self.logEnd.map({ ObjectIdentifier($0) }),
            case .secondary(var secondary) = self.standing
        else { return }
        self.markHeard()
        switch report {
        case .planned(let plan):
            self.beginCopy(plan)
            secondary.trouble = nil
            secondary.following =
                switch plan.way {
                case .stream: .streaming
                case .seed: .seeding
                case .delta, .refuse: .catchingUp
                }
        case .copied(let position):
            self.shell.figures.update { $0.copy = nil }
            self.remember { $0.isSeeding = false }
            secondary.following = .streaming
            self.shell.log.emit(.seedDone, "the copy is whole and verified", ["at": "\(position)"])
        case .failed(let reason):
            let wasCopying = self.shell.figures.values.copy != nil
            self.shell.figures.update { $0.copy = nil }
            secondary.following = .nothing
            secondary.trouble = reason
            self.shell.log.emit(wasCopying ? .seedFailed : .replLost, level: .warning, reason)
        case .applied, .copying, .tick: break
        }
        self.standing = .secondary(secondary)
    }

    private func beginCopy(_ plan: LogMessage.Plan) {
        self.sourceTrouble = nil
        let now = self.shell.now
        switch plan.way {
        case .delta, .seed:
            let total = UInt64(plan.pageCount) * UInt64(plan.pageSize.byteCount)
            self.shell.figures.update {
                $0.copy = LiveFigures.Values.Copy(
                    isSeed: plan.way == .seed, doneBytes: 0,
                    totalBytes: plan.way == .seed ? total : 0, began: now)
            }
            self.shell.log.emit(
                .seedStart,
                plan.way == .seed ? "a whole copy begins" : "only differing pages are copied",
                ["pages": "\(plan.pageCount)", "at": "\(plan.position)"])
        case .stream(let position):
            self.shell.log.emit(.replRecovered, "the log is followed", ["after": "\(position)"])
        case .refuse: break
        }
    }
}

/// Stands for one end of the log, so that a report of an earlier one is recognised.
final class IdentityMarker: Sendable {}
