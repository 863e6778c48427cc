import PairCore

extension Failover.Event {
    /// The case's name, for log lines.
    var name: String { String("\(self)".prefix { $0 != "(" }) }
}

extension Failover.Effect {
    /// The case's name, for log lines.
    var name: String { String("\(self)".prefix { $0 != "(" }) }
}

extension Failover {
    /// What a primary hands over for.
    var handingOver: NodeRecord.Operation? {
        guard case .primary(let primary) = self.state, case .handingOver(let step) = primary.stage
        else { return nil }
        return step.operation
    }

    /// Whether a tail is to be sealed now.
    var isSealing: Bool {
        guard case .secondary(let secondary) = self.state,
            case .rejoining(let rejoining) = secondary.stage
        else { return false }
        return rejoining.step == .sealing
    }

    /// Where the tail that is to be sealed begins.
    var sealingFork: Position? {
        guard case .secondary(let secondary) = self.state,
            case .rejoining(let rejoining) = secondary.stage
        else { return nil }
        return rejoining.offer.fork
    }

    /// The history that a secondary is about to make its own.
    var primaryLineage: Lineage? {
        guard case .secondary(let secondary) = self.state,
            case .rejoining(let rejoining) = secondary.stage
        else { return nil }
        return rejoining.lineage
    }
}
