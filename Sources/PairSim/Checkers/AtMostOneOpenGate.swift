import PairCore

/// Never two open gates, but where the policy says so in advance.
///
/// `strict`: never, unless a person vouched wrongly that a node is down. `available`: only after a
/// timeout promotion that found the other primary's lease over or its daemon gone, and only until
/// the two have met. `manual`: only after a forced promotion.
struct AtMostOneOpenGate: Checker {
    static let watched: Set<Observation.Kind> = [
        .promoted, .persisted, .gateOpened, .wrote, .handled,
    ]

    /// Two primaries that the policy allows, until one of them has given in.
    private var isExcused = false

    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        switch observation {
        case .promoted(let bit, let cause):
            return self.judge(bit, cause, simulation)
        case .persisted:
            if !simulation.nodes[0].claimsToServe || !simulation.nodes[1].claimsToServe {
                self.isExcused = false
            }
            return nil
        case .gateOpened, .wrote, .handled:
            guard !self.isExcused, simulation.nodes[0].acceptsWrites,
                simulation.nodes[1].acceptsWrites, simulation.nodes[0].claimsToServe,
                simulation.nodes[1].claimsToServe
            else { return nil }
            return "both gates are open, and nothing excuses it"
        case .sent, .destroyed, .settled: return nil
        }
    }

    private mutating func judge(
        _ bit: NodeBit,
        _ cause: EpochCause,
        _ simulation: borrowing Simulation
    ) -> String? {
        let other = simulation.nodes[Int(bit.other.rawValue)]
        guard other.claimsToServe else { return nil }
        switch (cause, simulation.scenario.policy) {
        case (.forced, _):
            self.isExcused = true
        case (.failover, _) where simulation.lastForced != nil:
            // A person vouched that this node was down, and it was not.
            self.isExcused = true
        case (.failover, .available):
            self.isExcused = true
            guard other.isRunning, other.acceptsWrites, let machine = other.daemon?.failover,
                case .primary(let primary) = machine.state
            else { return nil }
            if machine.record.right == .solo { return "the peer holds the right alone" }
            // The machine reads its clock once a tick, and is not told of quiet ones at once.
            let quiet = Int64(other.ticksUntil(simulation.now)) + 1
            let now = machine.clock.longest + .seconds(quiet)
            if let lease = primary.lease, lease.end > now, simulation.lastForced == nil {
                return "the peer's lease has not ended: \(lease.end) at \(now)"
            }
        case (.failover, _), (.enable, _), (.switchover, _), (.gap, _), (.replaced, _),
            (.resolution, _), (.disable, _):
            break
        }
        return nil
    }
}
