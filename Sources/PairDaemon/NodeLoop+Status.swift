import Logging
import PairCore
import PairNet
import PairStore
import PairWire

// What the node tells operators, from what it knows at this moment.
extension NodeLoop {
    var facts: PairFacts {
        let now = self.shell.now
        let values = self.shell.figures.values
        let record = self.record
        return PairFacts(
            role: record.role, state: self.state, gate: self.gate,
            names: PairFacts.Names(local: self.localName, peer: record.peer?.name),
            silence: record.peer == nil ? nil : now - (values.lastHeard ?? self.startedAt),
            timeout: self.shell.timers.timeout, equalSince: self.equalAt.map { now - $0 },
            unacknowledgedFor: values.durable.since.map { now - $0 } ?? .zero,
            peerGate: self.controlLink == nil ? nil : self.presence?.gate,
            troubles: self.troubles + (self.sourceTrouble.map { [$0] } ?? []),
            lastVerifyFailed: (self.lastVerification?.differences ?? 0) > 0)
    }

    var judgement: PairFacts.Judgement { self.facts.judgement }

    /// Once a tick: are both copies known to be equal now?
    func checkEquality(_ now: Instant) {
        let values = self.shell.figures.values
        let isEqual: Bool
        switch self.standing {
        case .primary:
            guard self.logLink != nil, let applied = values.progress?.applied else { return }
            isEqual = self.shell.vault.log.position(at: applied.txid)?.digest == applied.digest
            if !isEqual { self.equalAt = nil }
        case .secondary(let secondary):
            guard self.logLink != nil, secondary.following == .streaming,
                let primary = values.primaryPosition
            else { return }
            let applied = self.shell.vault.applied
            // Every segment's digest was compared before it could be read; at rest the primary's
            // own word is compared as well.
            isEqual = primary.txid != applied?.txid || primary.digest == applied?.digest
        case .unmanaged, .attaching, .failed: return
        }
        if isEqual {
            self.equalAt = now
            self.equalWall = WallTime(secondsSince1970: WallClock.seconds)
        }
    }

    /// Once a tick: says when the secondary falls behind for long, and when it is back.
    func checkStall(_ now: Instant) {
        let since = self.shell.figures.values.durable.since
        let isStalled = since.map { now - $0 > PairFacts.freshness } ?? false
        guard case .primary = self.standing, isStalled != self.stallReported else { return }
        self.stallReported = isStalled
        if isStalled {
            self.shell.log.emit(
                .replStalled, level: .warning, "\(self.peerName) acknowledges nothing")
        } else {
            self.shell.log.emit(.replRecovered)
        }
    }

    var report: StatusReport {
        let record = self.record
        let judgement = self.judgement
        let timers = self.shell.timers
        let values = self.shell.figures.values
        let now = self.shell.now
        let names = Dictionary(
            uniqueKeysWithValues: record.peer.map {
                [($0.bit, self.localName), ($0.bit.other, $0.name)]
            } ?? [])
        let lineage = record.lineage.entries.suffix(5).map {
            StatusReport.Change($0, ownerName: names[$0.owner] ?? "node \($0.owner.rawValue)")
        }
        return StatusReport(
            generatedAt: WallTime(secondsSince1970: WallClock.seconds),
            verdict: judgement.verdict, reasons: judgement.reasons, next: judgement.next,
            lab: timers.isLab,
            pair: StatusReport.Pair(
                id: record.peer?.pair, name: self.shell.configuration.pairName,
                epoch: record.epoch, policy: record.policy.failover),
            local: self.localNode, peer: self.peerNode(now, values.lastHeard),
            replication: self.replication(values, now),
            failover: StatusReport.Failover(
                timeout: timers.timeout, heartbeat: timers.heartbeat,
                blockers: ["automatic failover is not part of this version"]),
            seed: values.copy.map {
                StatusReport.Seed(
                    doneBytes: $0.doneBytes, totalBytes: $0.totalBytes, elapsed: now - $0.began)
            },
            operation: record.operation.map {
                StatusReport.Operation(
                    id: $0.id, verb: "enable-ha",
                    step: $0.step < 2 ? "asking the peer" : "ordering the peer",
                    since: WallTime(secondsSince1970: $0.since))
            },
            tails: [], lineage: lineage,
            lastChange: record.lineage.entries.last.map {
                StatusReport.LastChange(
                    at: WallTime(secondsSince1970: $0.wallSeconds), from: nil,
                    to: names[$0.owner] ?? "node \($0.owner.rawValue)", cause: $0.cause)
            })
    }

    private var localNode: StatusReport.Node {
        let record = self.record
        return StatusReport.Node(
            name: self.localName, id: record.identity.node, model: record.identity.model,
            version: Release.version, role: record.role, state: self.state, gate: self.gate,
            right: record.role == .primary ? record.right : nil, position: self.position,
            bootID: Hex.string(self.shell.bootID),
            longestWriteHold: self.shell.vault.longestWriteHold)
    }

    private func peerNode(_ now: Instant, _ lastHeard: Instant?) -> StatusReport.Peer? {
        guard let peer = self.record.peer else { return nil }
        let presence = self.presence
        return StatusReport.Peer(
            node: StatusReport.Node(
                name: peer.name, id: peer.node, model: peer.model, version: presence?.version,
                role: presence?.role, state: presence?.state, gate: presence?.gate,
                right: presence?.role == .primary ? presence?.right : nil,
                position: presence?.position, bootID: presence.map { Hex.string($0.bootID) },
                longestWriteHold: presence?.longestWriteHold),
            address: self.controlLink?.remoteAddress ?? peer.address,
            lastHeard: lastHeard.map { now - $0 })
    }

    private func replication(_ values: LiveFigures.Values, _ now: Instant) -> StatusReport.Replication {
        let verify = self.lastVerification
        switch self.standing {
        case .primary:
            return StatusReport.Replication(
                lagTransactions: values.applied.transactions, lagBytes: values.applied.byteCount,
                lag: values.applied.since.map { now - $0 } ?? .zero,
                unprotectedTransactions: values.durable.transactions,
                unprotectedBytes: values.durable.byteCount, digestEqualAt: self.equalWall,
                lastVerifyAt: verify?.at, lastVerifyDifferences: verify?.differences)
        case .secondary:
            let lag = values.primaryPosition.map {
                $0.txid.distance(from: self.shell.vault.applied?.txid ?? .zero)
            }
            return StatusReport.Replication(lagTransactions: lag, digestEqualAt: self.equalWall)
        case .unmanaged, .attaching, .failed: return StatusReport.Replication()
        }
    }
}
