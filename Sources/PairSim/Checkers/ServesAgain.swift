import PairCore

/// Once the faults stop, one node serves and the other follows it, armed and in sync.
struct ServesAgain: Checker {
    static let watched: Set<Observation.Kind> = [.settled]

    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        guard case .settled = observation else { return nil }
        let serving = simulation.nodes.filter { $0.acceptsWrites && $0.claimsToServe }
        let words = simulation.nodes.map { node in
            "\(node.record.role.rawValue) \(node.daemon?.failover.nodeState.rawValue ?? "down") "
                + "epoch \(node.record.epoch) at \(node.vault.position)"
        }
        guard serving.count == 1, let primary = serving.first else {
            return "\(serving.count) open gates at the end: \(words)"
        }
        guard primary.record.role == .primary else {
            return "HA could not be switched on again: \(words)"
        }
        let secondary = simulation.nodes[Int(primary.bit.other.rawValue)]
        guard secondary.record.role == .secondary,
            secondary.vault.holds(primary.vault.position)
                || primary.vault.holds(secondary.vault.position)
        else { return "the pair is not whole at the end: \(words)" }
        guard simulation.scenario.policy == .manual || secondary.record.arming.isArmed else {
            return "the secondary is not armed at the end: \(words)"
        }
        let policies = [primary, secondary].map { $0.record.policy }
        guard policies[0] == policies[1] else {
            return "the nodes do not go by the same timeout at the end: \(policies)"
        }
        return nil
    }
}
