import PairCore

/// After a persisted RELINQUISH nothing is committed in that epoch, and the gate is closed with the
/// marker, unless the successor has persisted that it will never act on it.
struct RelinquishedIsSilent: Checker {
    static let watched: Set<Observation.Kind> = [.persisted, .wrote, .promoted]

    private var offers: [NodeRecord.Relinquish?] = [nil, nil]

    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        switch observation {
        case .persisted(let bit, let record):
            let index = Int(bit.rawValue)
            let offer = self.offers[index]
            self.offers[index] = record.relinquish
            guard let offer, record.relinquish == nil, record.role == .primary,
                record.epoch.owner == bit, simulation.lastForced == nil
            else { return nil }
            let successor = simulation.nodes[Int(bit.other.rawValue)].record
            return successor.abortedOperations.contains(offer.operation)
                ? nil : "node \(bit.rawValue) takes back an offer that was not called off"
        case .wrote(let bit, let transaction):
            guard let offer = self.offers[Int(bit.rawValue)] else { return nil }
            return "node \(bit.rawValue) commits \(transaction.position) after it relinquished "
                + "at \(offer.position)"
        case .promoted(let bit, .switchover):
            let other = simulation.nodes[Int(bit.other.rawValue)].record
            guard let offer = other.relinquish,
                simulation.nodes[Int(bit.rawValue)].record.lineage.entries.last?.fork
                    != offer.position
            else { return nil }
            return "node \(bit.rawValue) took over at another position than offered"
        case .promoted, .gateOpened, .sent, .destroyed, .handled, .settled: return nil
        }
    }
}
