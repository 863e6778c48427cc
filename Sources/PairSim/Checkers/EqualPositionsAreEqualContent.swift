import PairCore

/// One (epoch, TXID) never has two contents, on whichever node and at whatever time.
struct EqualPositionsAreEqualContent: Checker {
    static let watched: Set<Observation.Kind> = [.wrote]

    private struct Key: Hashable {
        var epoch: Epoch
        var txid: TXID
    }

    private var contents: [Key: VaultDigest] = [:]

    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        guard case .wrote(_, let transaction) = observation else { return nil }
        let position = transaction.position
        // Before the first epoch a vault's history is its own.
        guard position.epoch != .none else { return nil }
        let key = Key(epoch: position.epoch, txid: position.txid)
        if let known = self.contents[key], known != position.digest {
            return "\(position) has two contents"
        }
        self.contents[key] = position.digest
        return nil
    }
}
