import PairCore

/// A secondary that said "I restarted my full timer" does not promote itself before that is over.
///
/// In real time, and for the newest heartbeat that it answered for the first time; a clock may be
/// fast by the error of its rate.
struct KeepsItsPromise: Checker {
    static let watched: Set<Observation.Kind> = [.sent, .promoted]

    private var answered: [UInt64] = [0, 0]
    private var promises: [Promise?] = [nil, nil]

    private struct Promise {
        var at: SimTime
        var timeout: Duration
    }

    mutating func check(
        _ observation: Observation,
        in simulation: borrowing Simulation
    ) -> String? {
        switch observation {
        case .sent(let bit, .heartbeat(let heartbeat)):
            let index = Int(bit.rawValue)
            guard heartbeat.kind == .acknowledgement,
                heartbeat.acknowledged > self.answered[index]
            else { return nil }
            self.answered[index] = heartbeat.acknowledged
            self.promises[index] = Promise(
                at: simulation.now,
                timeout: heartbeat.policy.timeout
            )
            return nil
        case .promoted(let bit, .failover):
            guard let promise = self.promises[Int(bit.rawValue)] else { return nil }
            let timeout = Int64(promise.timeout / .microseconds(1))
            let least = timeout - timeout / 1_000_000 * 500
            let silence = simulation.now - promise.at
            return silence < least - .seconds(2)
                ? "node \(bit.rawValue) promoted itself \(silence.clockText) after its promise"
                : nil
        case .persisted, .gateOpened, .promoted, .wrote, .sent(_, .statement), .destroyed,
            .handled, .settled:
            return nil
        }
    }
}
