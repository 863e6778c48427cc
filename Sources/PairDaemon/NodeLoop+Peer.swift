import Logging
import PairCore
import PairNet
import PairStore
import PairWire

// The peer: its connections, and what it says of itself.
extension NodeLoop {
    func linkUp(_ connection: PeerConnection) {
        self.markHeard()
        self.isDistrusted = false
        switch connection.purpose {
        case .control:
            self.controlLink = connection
            self.shell.log.emit(.peerUp, "", ["address": connection.remoteAddress])
            self.sayPresence()
            self.tell(.connected)
        case .heartbeat: self.heartbeatLink = connection
        case .log:
            self.logLink = connection
            self.shell.log.emit(.replConnected)
            self.startSource()
            self.startSink()
        case .pair: break
        }
    }

    func linkDown(_ connection: PeerConnection, _ reason: String) {
        switch connection.purpose {
        case .control:
            guard self.controlLink == connection else { return }
            self.controlLink = nil
            self.shell.log.emit(.peerDown, level: .warning, "", ["reason": reason])
            self.endForwards("the connection to the peer was lost: \(reason)")
        case .heartbeat:
            if self.heartbeatLink == connection { self.heartbeatLink = nil }
        case .log:
            self.shell.router.forget(connection)
            guard self.logLink == connection else { return }
            self.logLink = nil
            self.endLog()
            if case .archive = self.log.wish {
                // The peer may have no place for it yet.
                self.log.notBefore =
                    self.shell.now + min(.seconds(1), self.shell.timers.connectionLoss)
            }
            self.shell.log.emit(.replLost, level: .warning, "", ["reason": reason])
            self.tell(.logInterrupted)
            self.rememberFollower()
        case .pair: break
        }
    }

    func hear(_ message: ControlMessage) {
        self.markHeard()
        switch message {
        case .presence(let presence): self.takePresence(presence)
        // Checked and decoded on its way here.
        case .statement: break
        case .forward(let id, let request): self.carryOutForPeer(id, request)
        case .forwarded(let id, let line, let isLast):
            self.takeForwarded(id, line, isLast: isLast)
        }
    }

    func say(_ message: ControlMessage) {
        self.controlLink?.send(type: message.kind.rawValue, payload: message.payload)
    }

    /// The peer is connected, and has said something not long ago: what it said may be told as present.
    var isPeerHeard: Bool {
        guard self.controlLink != nil, let lastHeard = self.shell.figures.values.lastHeard else {
            return false
        }
        // It says what it is every second.
        return self.shell.now - lastHeard <= max(.seconds(3), self.shell.timers.connectionLoss)
    }

    /// The peer says that it is of no use before its next start.
    var peerHasFailed: Bool { self.isPeerHeard && self.presence?.state == .failed }

    func markHeard() {
        let now = self.shell.now
        self.shell.figures.update { $0.lastHeard = now }
    }

    /// Signed words of the peer are not believed.
    func reportRejected(_ reason: String) {
        self.shell.metrics.count(.heartbeatsRejected, reason)
        self.shell.log.emit(.heartbeatRejected, level: .warning, "", ["reason": reason])
    }

    /// Only said, never acted on: the trust of this node is its own operator's to end.
    func reportDistrust() {
        guard !self.isDistrusted, self.controlLink == nil, self.record.peer != nil else { return }
        self.isDistrusted = true
        self.shell.log.emit(
            .peerRejected,
            level: .warning,
            "\(self.peerName) no longer trusts this node"
        )
    }

    /// What the peer says is wrong with it, beside what both nodes know.
    var peerTroubles: [String] {
        guard self.isPeerHeard else { return [] }
        return self.presence?.reasons.filter { !$0.hasPrefix(Self.calledOffMark) } ?? []
    }

    func sayPresence() {
        self.lastPresenceAt = self.shell.now
        guard self.controlLink != nil else { return }
        let record = self.record
        self.say(
            .presence(
                Presence(
                    node: record.identity.node,
                    name: record.identity.name,
                    model: record.identity.model,
                    version: Release.version,
                    bootID: self.shell.bootID,
                    role: record.role,
                    state: self.state,
                    gate: self.gate,
                    right: record.right,
                    epoch: record.epoch,
                    lineage: record.lineage,
                    position: self.position,
                    content: self.content,
                    longestWriteHold: self.shell.vault.longestWriteHold ?? .zero,
                    policy: record.policy,
                    reasons: self.troubles
                        + [self.diskShortage, self.ownCalledOffReason].compactMap { $0 }
                )
            )
        )
    }

    /// What lies at the vault's path.
    var content: VaultContent {
        guard let attachment = self.attachment else {
            if self.isVaultMissing { return .missing }
            // While it is being attached, or cannot be, a look could wait for the same lock.
            switch self.vault {
            case .waiting(_, _, let reason): return .unusable(reason)
            case .attaching: return self.contentSeen?.0 ?? .unusable("it is being opened")
            case .untouched, .attached: break
            }
            // A look opens the database; between two looks an operator may well wait.
            if let (content, at) = self.contentSeen, self.shell.now - at < .seconds(1) {
                return content
            }
            let content = self.shell.vault.content
            self.contentSeen = (content, self.shell.now)
            return content
        }
        return attachment.hasTables || self.captureEpoch != nil
            ? .withTables(attachment.pageSize) : .withoutTables(attachment.pageSize)
    }

    /// The newest captured position of a primary, the applied one of a secondary.
    var position: Position? { self.knownPosition ?? self.restPosition.map { self.normalized($0) } }

    private func takePresence(_ presence: Presence) {
        guard presence.node == self.record.peer?.node else {
            self.shell.log.emit(
                .peerRejected,
                level: .warning,
                "",
                ["reason": "a presence names another node", "node": "\(presence.node)"]
            )
            return
        }
        self.presence = presence
    }
}
