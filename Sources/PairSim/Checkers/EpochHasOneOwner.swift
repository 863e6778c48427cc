import PairCore

/// An epoch belongs to one node for ever, and a node's epoch never falls.
struct EpochHasOneOwner: Checker {
    static let watched: Set<Observation.Kind> = [.persisted]

    private var owners: [Epoch: (owner: NodeBit, fork: Position)] = [:]
    private var newest: [Epoch] = [.none, .none]

    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        guard case .persisted(let bit, let record) = observation else { return nil }
        let index = Int(bit.rawValue)
        guard record.epoch >= self.newest[index] else {
            return "node \(bit.rawValue) falls from epoch \(self.newest[index]) to \(record.epoch)"
        }
        guard record.epoch > self.newest[index] else { return nil }
        self.newest[index] = record.epoch
        for entry in record.lineage.entries {
            if let known = self.owners[entry.epoch] {
                if known.owner != entry.owner || known.fork != entry.fork {
                    return "epoch \(entry.epoch) has two origins"
                }
            } else {
                self.owners[entry.epoch] = (entry.owner, entry.fork)
            }
        }
        return nil
    }
}
