import PairCore

/// Wherever the persisted role is not to serve, the marker is set: a reboot must find it there.
struct MarkerAgreesWithRole: Checker {
    static let watched: Set<Observation.Kind> = [.persisted, .wrote]

    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        switch observation {
        case .persisted(let bit, let record):
            return Failover.needsMarker(record)
                && !simulation.nodes[Int(bit.rawValue)].vault.isMarked
                ? "node \(bit.rawValue) persists \(record.role.rawValue) without the marker" : nil
        case .wrote(let bit, let transaction):
            return Failover.needsMarker(simulation.nodes[Int(bit.rawValue)].record)
                ? "node \(bit.rawValue) commits \(transaction.position) as secondary" : nil
        case .gateOpened, .promoted, .sent, .destroyed, .handled, .settled: return nil
        }
    }
}
