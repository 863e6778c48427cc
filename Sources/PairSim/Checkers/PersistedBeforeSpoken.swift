import PairCore

/// What a message says of its sender is on the sender's disk before it is sent, and a gate opens only
/// under an epoch that is.
struct PersistedBeforeSpoken: Checker {
    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        switch observation {
        case .sent(let bit, .statement(let statement)):
            let record = simulation.nodes[Int(bit.rawValue)].record
            guard statement.epoch == record.epoch, statement.role == record.role,
                statement.right == record.right, statement.arming == record.arming,
                statement.relinquish == record.relinquish, statement.lineage == record.lineage
            else { return "node \(bit.rawValue) says what is not durable" }
            return nil
        case .sent(let bit, .heartbeat(let heartbeat)):
            let record = simulation.nodes[Int(bit.rawValue)].record
            guard heartbeat.epoch == record.epoch, heartbeat.isArmed == record.arming.isArmed,
                heartbeat.number.incarnation == record.incarnation
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
