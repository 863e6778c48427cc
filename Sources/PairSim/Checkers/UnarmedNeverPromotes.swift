import PairCore

/// Only an armed, whole, willing secondary promotes itself.
struct UnarmedNeverPromotes: Checker {
    static let watched: Set<Observation.Kind> = [.persisted, .promoted]

    private var before: [NodeRecord?] = [nil, nil]

    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        switch observation {
        case .persisted(let bit, let record):
            let index = Int(bit.rawValue)
            if record.role == .primary, self.before[index]?.role == .primary { return nil }
            if record.role != .primary { self.before[index] = record }
            return nil
        case .promoted(let bit, .failover):
            let index = Int(bit.rawValue)
            guard let record = self.before[index] else { return "it was never secondary" }
            guard record.role == .secondary, record.arming.isArmed, !record.isSeeding,
                record.suspension == nil
            else { return "node \(bit.rawValue) promoted itself without the right to" }
            return nil
        case .promoted, .gateOpened, .wrote, .sent, .destroyed, .handled,
            .settled:
            return nil
        }
    }
}
