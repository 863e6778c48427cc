import PairCore

/// A write that was acknowledged is in a vault or in an archive, at all times.
///
/// When transactions leave a vault, each is in the peer's vault or in archives on *both* nodes, so
/// that the loss of either node destroys nothing. At the end each is in the survivor or in an archive.
struct NoWriteLostUnrecorded: Checker {
    static let watched: Set<Observation.Kind> = [.destroyed, .settled]

    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        switch observation {
        case .destroyed(let bit, let transactions):
            guard !transactions.isEmpty else { return nil }
            let other = simulation.nodes[Int(bit.other.rawValue)]
            let kept = Set(other.vault.history.map(\.write))
            for transaction in transactions where !kept.contains(transaction.write) {
                let isArchived = simulation.nodes.allSatisfy { node in
                    node.archives.values.contains { archive in
                        archive.contains { $0.write == transaction.write }
                    }
                }
                if !isArchived {
                    return "write \(transaction.write) at \(transaction.position) is gone "
                        + "from node \(bit.rawValue)"
                }
            }
            return nil
        case .settled:
            var kept: Set<UInt64> = []
            // While HA is off, what the parked node holds stays in its closed vault.
            let isPair = !simulation.nodes.contains { $0.record.role == .none }
            let serving = simulation.nodes.filter { $0.acceptsWrites }
            for node in serving.isEmpty || !isPair ? simulation.nodes : serving {
                kept.formUnion(node.vault.history.map(\.write))
            }
            for node in simulation.nodes {
                for archive in node.archives.values { kept.formUnion(archive.map(\.write)) }
            }
            let lost = simulation.acknowledged.filter { !kept.contains($0) }
            return lost.isEmpty ? nil : "\(lost.count) writes are nowhere, the first is \(lost[0])"
        case .persisted, .gateOpened, .promoted, .wrote, .sent, .handled: return nil
        }
    }
}
