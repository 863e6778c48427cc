import PairCore

/// `/primary` answers 200 only where a commit is possible.
struct GateMatchesHealth: Checker {
    static let watched: Set<Observation.Kind> = [.handled]

    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        guard case .handled(let bit) = observation else { return nil }
        let node = simulation.nodes[Int(bit.rawValue)]
        guard node.isRunning, let daemon = node.daemon else { return nil }
        if daemon.isServing, !node.acceptsWrites {
            return "node \(bit.rawValue) says 200 with a closed gate"
        }
        if daemon.gate == .closed, node.vault.isOpen {
            return "node \(bit.rawValue) believes its open gate closed"
        }
        if daemon.gate == .open, !node.vault.isOpen || node.vault.isMarked {
            return "node \(bit.rawValue) believes its closed gate open"
        }
        return nil
    }
}
