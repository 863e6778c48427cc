import PairCore

/// `/primary` answers 200 only where a commit is possible.
struct GateMatchesHealth: Checker {
    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        guard case .handled(let bit) = observation else { return nil }
        let node = simulation.nodes[Int(bit.rawValue)]
        guard node.isRunning, let failover = node.failover else { return nil }
        let now = Instant(sinceStart: .microseconds(simulation.now))
        if failover.isServing(at: now), !node.acceptsWrites {
            return "node \(bit.rawValue) says 200 with a closed gate"
        }
        if failover.gate == .closed, node.vault.isOpen {
            return "node \(bit.rawValue) believes its open gate closed"
        }
        if failover.gate == .open, !node.vault.isOpen || node.vault.isMarked {
            return "node \(bit.rawValue) believes its closed gate open"
        }
        return nil
    }
}
