import PairCore

/// What a message says of its sender is on the sender's disk before it is sent, and a gate opens only
/// under an epoch that is.
struct PersistedBeforeSpoken: Checker {
    static let watched: Set<Observation.Kind> = [.sent, .gateOpened]

    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        switch observation {
        case .sent(let bit, .statement(let statement)):
            let node = simulation.nodes[Int(bit.rawValue)]
            guard statement.epoch == node.record.epoch, statement.role == node.record.role,
                statement.right == node.record.right, statement.arming == node.record.arming,
                statement.relinquish == node.record.relinquish,
                statement.lineage == node.record.lineage
            else { return "node \(bit.rawValue) says what is not durable" }
            return nil
        case .sent(let bit, .heartbeat(let heartbeat)):
            let node = simulation.nodes[Int(bit.rawValue)]
            guard heartbeat.epoch == node.record.epoch,
                heartbeat.isArmed == node.record.arming.isArmed,
                heartbeat.number.incarnation == node.record.incarnation
            else { return "node \(bit.rawValue) beats what is not durable" }
            return nil
        case .gateOpened(let bit, let epoch):
            let node = simulation.nodes[Int(bit.rawValue)]
            guard epoch == node.record.epoch, node.claimsToServe, node.record.relinquish == nil
            else { return "node \(bit.rawValue) opens before its epoch is durable" }
            return nil
        case .persisted, .promoted, .wrote, .destroyed, .handled, .settled: return nil
        }
    }
}
