package import PairCore

/// A run as text: one line for each event that changed or caused something.
package enum Transcript {
    static func line(
        _ bit: NodeBit,
        _ event: Failover.Event,
        _ before: NodeState,
        _ after: NodeState,
        _ effects: [Failover.Effect]
    ) -> String {
        let change =
            before == after ? after.rawValue : "\(before.rawValue) -> \(after.rawValue)"
        let answers = effects.map(\.name).joined(separator: ", ")
        return "node \(bit.rawValue) [\(change)] \(event.name): \(answers)"
    }
}

extension Failover.Event {
    /// The event in a few words.
    package var name: String {
        switch self {
        case .started: "started"
        case .tick(let tick): "tick \(tick.longest / .seconds(1))s"
        case .received(.heartbeat(let heartbeat), _):
            "\(heartbeat.kind) \(heartbeat.number.n & 0xFFFF_FFFF) epoch \(heartbeat.epoch)"
                + (heartbeat.isArmed ? " armed \(heartbeat.armGeneration)" : "")
        case .received(.statement(let statement), _):
            "statement \(statement.number.n & 0xFFFF_FFFF) \(statement.role.rawValue) "
                + "\(statement.state.rawValue) epoch \(statement.epoch) at \(statement.position)"
        case .positionChanged(let position): "position \(position)"
        case .gateClosed(let position): "gate closed at \(position)"
        case .peerApplied(let position, let inSync):
            "peer applied \(position)\(inSync ? " in sync" : "")"
        case .connected: "connected"
        case .logInterrupted: "log interrupted"
        case .logResumed: "log resumed"
        case .logLost: "log lost"
        case .located(_, let finding): "located \(finding)"
        case .vaultChecked(let check): "vault checked \(check)"
        case .reachProbed(let answered): "reach \(answered)"
        case .tailSealed(let tail): "tail sealed \(tail.id)"
        case .tailCopied(let id): "tail copied \(id)"
        case .rolledBack(let position): "rolled back to \(position)"
        case .copied(let position, _): "copied to \(position)"
        case .continuityLost(let position, let isReplaced):
            "continuity lost after \(position)\(isReplaced ? ", the vault replaced" : "")"
        case .vaultFound(let position, let isOurs, _):
            "a vault found at \(position)\(isOurs ? "" : ", not the one that was served")"
        case .vaultSuspected: "a vault suspected"
        case .vaultLost: "the vault lost"
        case .operatorAsked(let request): "asked \(request.verb)"
        case .configured(let configuration): "configured \(configuration.policy.timeout)"
        case .storageFailed: "storage failed"
        }
    }
}

extension Failover.Effect {
    /// The effect in a few words.
    package var name: String {
        switch self {
        case .persist(let record):
            "persist \(record.role.rawValue) \(record.epoch) \(record.right.rawValue)"
                + (record.arming.isArmed ? " armed \(record.arming.generation)" : "")
                + (record.relinquish == nil ? "" : " relinquished")
                + (record.isSeeding ? " seeding" : "")
        case .openGate(let epoch): "OPEN under \(epoch)"
        case .closeGate: "close"
        case .setMarker: "set marker"
        case .clearMarker: "clear marker"
        case .send(.heartbeat(let heartbeat)): "\(heartbeat.kind)"
        case .send(.statement(let statement)):
            statement.isProbe
                ? "probe"
                : "statement"
                    + (statement.offer.map { " offering \($0.rejoin)" } ?? "")
        case .checkVault: "check vault"
        case .probeReach: "probe reach"
        case .locate: "locate"
        case .serveLog(let epoch): "serve log \(epoch)"
        case .followLog(let epoch): "follow log \(epoch)"
        case .stopLog: "stop log"
        case .sealTail(let fork): "seal tail after \(fork?.description ?? "nothing shared")"
        case .copyTail: "copy tail"
        case .undo(let position): "undo to \(position)"
        case .takeCopy(let epoch): "take copy of \(epoch)"
        case .reply(_, let reply): "reply \(reply)"
        case .report(let report): "report \(report.name)"
        }
    }
}

extension Failover.Report {
    /// The report without its details, for counting.
    package var name: String {
        switch self {
        case .promoted(_, let cause): "promoted by \(cause.rawValue)"
        case .demoted: "demoted"
        case .fenced: "fenced"
        case .alone: "alone"
        case .armed: "armed"
        case .disarmed: "disarmed"
        case .heartbeatRejected: "heartbeat rejected"
        case .stalePrimarySeen: "stale primary seen"
        case .refusedEpoch: "refused epoch"
        case .switchoverStarted: "switchover started"
        case .switchoverAborted(let obstacle): "switchover aborted, \(obstacle.rawValue)"
        case .inDoubt: "in doubt"
        case .divergence: "divergence"
        case .rolledBack: "rolled back"
        case .haDisabled: "HA disabled"
        case .haEnabled: "HA enabled"
        case .suspended: "suspended"
        case .resumed: "resumed"
        case .failed: "failed"
        }
    }
}
