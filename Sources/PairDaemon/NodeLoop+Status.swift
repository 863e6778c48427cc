import FoundationEssentials
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
            role: record.role,
            state: self.state,
            gate: self.gate,
            names: PairFacts.Names(
                local: self.localName,
                peer: record.peer == nil ? nil : self.peerName
            ),
            silence: self.silence(values, now),
            timeout: self.record.policy.timeout,
            equalSince: self.equalAt.map { now - $0 },
            unacknowledgedFor: values.durable.since.map { now - $0 } ?? .zero,
            isBehind: values.durable.since == nil && values.durable.transactions > 0,
            peerGate: self.peerGate,
            troubles: self.troubles,
            reservations: self.reservations + self.tailReservations,
            notes: self.policyNotes,
            isDistrusted: self.isDistrusted,
            vaultLoss: self.vaultLoss,
            mayPromotePeer: record.role == .primary && record.right == .leased,
            isBeingEnabled: record.operation?.verb == .enableHA
                || self.controlLink != nil
                    && self.failover?.link.peer?.operation?.verb == .enableHA
        )
    }

    private var peerGate: GateState? {
        guard self.isPeerHeard else { return nil }
        // Neither makes statements: the newest one is from before.
        if self.peerHasFailed || self.presence?.state == .starting { return .closed }
        return self.failover?.link.peer.map { $0.gateIsOpen ? .open : .closed }
            ?? self.presence?.gate
    }

    /// What counts as silence: of a secondary the heartbeats that are missing, else everything.
    private func silence(_ values: LiveFigures.Values, _ now: Instant) -> Duration? {
        guard self.record.peer != nil else { return nil }
        if let failover = self.failover, case .secondary = failover.state {
            return failover.silence
        }
        return now - (values.lastHeard ?? self.startedAt)
    }

    /// Why a pair that is in sync is not protected all the same.
    private var reservations: [PairFacts.Reservation] {
        let record = self.record
        var found: [PairFacts.Reservation] = []
        let isPair = record.role == .primary || record.role == .secondary
        if let suspension = self.failover?.suspension, let until = self.suspendedUntil, isPair {
            found.append(
                .init(
                    "automatic failover is suspended by \(suspension.by) until "
                        + "\(until.minute) UTC",
                    next: "pairctl resume"
                )
            )
        } else if isPair, self.vaultLoss == nil, record.policy.failover != .manual,
            self.failover?.secondaryIsArmed != true
        {
            found.append(
                .init(
                    record.role == .primary && record.right == .leased
                        ? "the secondary was armed, and has not said since that it still is: it may "
                            + "promote itself, or not"
                        : "the secondary is not armed yet: it would not promote itself",
                    next: "pairctl status --watch"
                )
            )
        }
        if isPair, let damage { found.append(self.advice(on: damage)) }
        if let shortage = self.diskShortage { found.append(.init(shortage)) }
        if let overwritten { found.append(overwritten) }
        if record.role == .primary {
            found += self.peerTroubles.map {
                .init("\(self.peerName) says: \($0)", next: "on \(self.peerName): pairctl status")
            }
        }
        return found
    }

    /// The archives that nobody has disposed of: they wait for an operator, not for the pair.
    private var tailReservations: [PairFacts.Reservation] {
        self.tailReports.map { .init($0.story, next: "pairctl tail list") }
            + self.keptLogReservations
    }

    /// What is odd about the timeout and the policy that are in force.
    private var policyNotes: [String] {
        let (record, configuration) = (self.record, self.shell.configuration)
        guard record.role == .primary || record.role == .secondary else {
            return [self.surplusOfPeer].compactMap { $0 }
        }
        var notes: [String] = []
        if let reason = self.calledOffReason {
            let isRepeated = record.operation?.verb == .enableHA
            notes.append(
                isRepeated
                    ? reason + "; it is tried again; to end that: pairctl disable-ha" : reason
            )
        }
        if record.policy.failover != .manual, self.timersInForce.heartbeatsThatMayBeLost < 2 {
            notes.append(
                "failover.timeout \(Measure.text(record.policy.timeout)) is tight: of two heartbeats "
                    + "that are lost in a row the second is one too many"
            )
        }
        guard record.role == .secondary else { return notes }
        let isLab = configuration.lab != nil
        let chosen = [
            (
                isLab ? "lab.timeout" : "failover.timeout",
                Measure.text(configuration.timers.timeout),
                Measure.text(record.policy.timeout)
            ),
            (
                "failover.policy", configuration.failover.policy.rawValue,
                record.policy.failover.rawValue
            ),
        ]
        for (key, own, inForce) in chosen where own != inForce {
            notes.append(
                "\(key) is \(own) in this node's file, and \(inForce) on \(self.peerName): the "
                    + "primary's counts, so write \(inForce) here too"
            )
        }
        return notes
    }

    /// Why the first `enable-ha` would be refused here, of a node that has no role yet.
    ///
    /// A look of its own: what the peer is told of the vault is not to be older because of a status.
    private var vaultNotes: [String] {
        switch self.state {
        case .unpaired, .paired: break
        default: return []
        }
        switch self.shell.vault.content {
        case .withTables, .withoutTables: return []
        case .unusable(let reason): return [reason]
        case .missing:
            return [
                "there is no vault at \(self.shell.configuration.vaultPath), so HA cannot be "
                    + "switched on from this node; the application creates it, in WAL mode"
            ]
        }
    }

    /// The configured ones with the pair's timeout.
    private var timersInForce: Timers {
        let (configured, timeout) = (self.shell.timers, self.record.policy.timeout)
        return configured.isLab
            ? Timers(labHeartbeat: configured.heartbeat, timeout: timeout)
            : Timers(timeout: timeout)
    }

    /// Protected, or kept from it by nothing but an undisposed tail: what `--wait` waits for.
    var isWhole: Bool {
        var facts = self.facts
        facts.reservations = self.reservations
        return facts.judgement.verdict == .protected
    }

    /// When the suspension ends that this node knows of, its own or the secondary's.
    var suspendedUntil: WallTime? {
        self.failover?.suspension.map {
            WallTime(secondsSince1970: WallClock.seconds + $0.remaining.components.seconds)
        }
    }

    var judgement: PairFacts.Judgement { self.facts.judgement }

    /// Once a tick: finds out whether both copies are known to be equal now.
    func checkEquality(_ now: Instant) {
        let values = self.shell.figures.values
        let isEqual: Bool
        switch self.record.role {
        case .primary:
            guard self.logLink != nil, self.isPeerHeard, let applied = values.progress?.applied
            else { return }
            isEqual = self.shell.vault.log.position(at: applied.txid)?.digest == applied.digest
            if !isEqual { self.equalAt = nil }
        case .secondary:
            guard self.logLink != nil, self.log.isStreaming, self.isPeerHeard,
                let primary = values.primaryPosition
            else { return }
            let applied = self.shell.vault.applied
            // Every segment's digest was compared before it could be read; at rest the primary's
            // own word is compared as well.
            isEqual = primary.txid != applied?.txid || primary.digest == applied?.digest
        case .standalone, .none: return
        }
        if isEqual {
            self.equalAt = now
            self.equalWall = WallClock.now
        }
    }

    /// Once a tick: says when the secondary falls behind for long, and when it is back.
    func checkStall(_ now: Instant) {
        let since = self.shell.figures.values.durable.since
        let isStalled = since.map { now - $0 > PairFacts.freshness } ?? false
        guard self.record.role == .primary, isStalled != self.stallReported else { return }
        self.stallReported = isStalled
        if isStalled {
            self.shell.log.emit(
                .replStalled,
                level: .warning,
                "\(self.peerName) acknowledges nothing"
            )
        } else {
            self.shell.log.emit(.replRecovered)
        }
    }

    /// Lets the health listener tell the whole status, as of this tick.
    func showStatus() {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            let data = try encoder.encode(self.report)
            self.shell.view.show(statusJSON: String(decoding: data, as: UTF8.self))
        } catch {
            self.shell.report(error, during: .state)
        }
    }

    var report: StatusReport {
        let record = self.record
        var facts = self.facts
        facts.notes += self.vaultNotes
        let judgement = facts.judgement
        let timers = self.shell.timers
        let values = self.shell.figures.values
        let now = self.shell.now
        let lineage = self.changes(last: 5)
        return StatusReport(
            generatedAt: WallClock.now,
            verdict: judgement.verdict,
            reasons: judgement.reasons,
            next: judgement.next,
            lab: timers.isLab,
            pair: StatusReport.Pair(
                id: record.peer?.pair,
                name: self.shell.configuration.pairName,
                epoch: record.epoch,
                policy: record.policy.failover
            ),
            local: self.localNode,
            peer: self.peerNode(now, values),
            replication: self.replication(values, now),
            failover: self.failoverReport,
            seed: values.copy.map {
                StatusReport.Seed(
                    doneBytes: $0.doneBytes,
                    totalBytes: $0.totalBytes,
                    elapsed: now - $0.began
                )
            },
            operation: record.operation.map {
                StatusReport.Operation(
                    id: $0.id,
                    verb: $0.verb.typed,
                    step: $0.stepText,
                    since: WallTime(secondsSince1970: $0.since)
                )
            },
            tails: self.tailReports,
            lineage: lineage,
            lastChange: lineage.last.map { StatusReport.LastChange($0) }
        )
    }

    /// Whose number this is, in the pair that there is or was.
    func nodeName(_ bit: NodeBit) -> String {
        let record = self.record
        // Without a peer a node that serves alone still knows its number: it took the newest epoch.
        let alone = record.role == .standalone ? record.lineage.entries.last?.owner : nil
        guard let own = record.peer?.bit ?? alone else { return "a node of a former pair" }
        if own == bit { return self.localName }
        return record.peer == nil ? "the former peer" : self.peerName
    }

    private var localNode: StatusReport.Node {
        let record = self.record
        return StatusReport.Node(
            name: self.localName,
            id: record.identity.node,
            model: record.identity.model,
            version: Release.version,
            role: record.role,
            state: self.state,
            gate: self.gate,
            right: record.role == .primary ? record.right : nil,
            position: self.position,
            bootID: Hex.string(self.shell.bootID),
            longestWriteHold: self.shell.vault.longestWriteHold
        )
    }

    /// Where the peer is by the log, which knows sooner than the peer's word of every second.
    private func peerPosition(_ values: LiveFigures.Values) -> Position? {
        guard self.logLink != nil else { return nil }
        switch self.record.role {
        case .primary: return values.progress?.applied.map { self.normalized($0) }
        case .secondary:
            guard self.log.isStreaming, let primary = values.primaryPosition else { return nil }
            // What is applied here was committed there first.
            guard let own = self.position, own.txid > primary.txid else {
                return self.normalized(primary)
            }
            return own
        case .standalone, .none: return nil
        }
    }

    private func peerNode(_ now: Instant, _ values: LiveFigures.Values) -> StatusReport.Peer? {
        guard let peer = self.record.peer else { return nil }
        // What a silent peer was is no news of what it is.
        let presence = self.isPeerHeard ? self.presence : nil
        return StatusReport.Peer(
            node: StatusReport.Node(
                name: peer.name,
                id: peer.node,
                model: peer.model,
                version: presence?.version,
                role: presence?.role,
                state: presence?.state,
                gate: presence?.gate,
                right: presence?.role == .primary ? presence?.right : nil,
                position: presence.flatMap { self.peerPosition(values) ?? $0.position },
                bootID: presence.map { Hex.string($0.bootID) },
                longestWriteHold: presence?.role == .primary ? presence?.longestWriteHold : nil
            ),
            address: self.controlLink?.remoteAddress ?? peer.address,
            lastHeard: values.lastHeard.map { now - $0 }
        )
    }

    private func replication(
        _ values: LiveFigures.Values,
        _ now: Instant
    ) -> StatusReport.Replication {
        let verify = self.lastVerification
        switch self.record.role {
        case .primary:
            return StatusReport.Replication(
                lagTransactions: values.applied.transactions,
                lagBytes: values.applied.byteCount,
                lag: values.applied.since.map { now - $0 }
                    ?? (values.applied.transactions == 0 ? .zero : nil),
                unprotectedTransactions: values.durable.transactions,
                unprotectedBytes: values.durable.byteCount,
                digestEqualAt: self.equalWall,
                lastVerifyAt: verify?.at,
                lastVerifyDifferences: verify?.differences
            )
        case .secondary:
            let lag = values.primaryPosition.map {
                $0.txid.distance(from: self.shell.vault.applied?.txid ?? .zero)
            }
            return StatusReport.Replication(lagTransactions: lag, digestEqualAt: self.equalWall)
        case .standalone, .none: return StatusReport.Replication()
        }
    }

    private var failoverReport: StatusReport.Failover {
        let timers = self.shell.timers
        let record = self.record
        let conditions = self.failover?.conditions ?? []
        // Time that must still pass is no obstacle, unless it is all that is left.
        let isSilent = conditions.contains { $0.name == .silence && $0.isMet }
        let unmet = conditions.filter { condition in
            !condition.isMet && condition.name != .silence
                && (condition.name != .listened || isSilent)
        }
        let isSecondary = record.role == .secondary
        let isArmed = isSecondary && record.arming.isArmed
        let left = record.policy.timeout - (self.failover?.silence ?? .zero)
        return StatusReport.Failover(
            timeout: record.policy.timeout,
            heartbeat: timers.heartbeat,
            untilPromotion: isArmed ? max(.zero, left) : nil,
            conditions: isSecondary
                ? conditions.map { .init(name: $0.name.rawValue, met: $0.isMet) } : [],
            blockers: isSecondary
                ? unmet.map { condition in
                    let reason =
                        condition.name == .vaultFit
                        ? self.unfitness.map { " (\($0))" } ?? "" : ""
                    return "not met: \(condition.name.rawValue)\(reason)"
                }
                : self.reservations.map(\.reason).filter {
                    $0.contains("armed") || $0.contains("suspended")
                },
            suspendedUntil: self.suspendedUntil
        )
    }
}

extension NodeRecord.Operation.Verb {
    /// As an operator types it.
    var typed: String {
        switch self {
        case .enableHA: "enable-ha"
        case .disableHA: "disable-ha"
        case .switchover: "switchover"
        case .promote: "promote"
        }
    }
}
