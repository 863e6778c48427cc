package import PairCore

/// What kind of history a seed becomes.
package struct Scenario: Sendable {
    package var seed: UInt64
    package var policy: FailoverPolicy
    package var timeout: Duration
    /// Faults happen within this; then everything heals.
    package var duration: SimTime
    /// The mean time between two faults.
    package var faultInterval: SimTime
    /// The mean time between two things that an operator does; `nil`: there is none.
    package var verbInterval: SimTime?
    package var writeInterval: SimTime
    /// Once in so many effects the daemon, or the machine, dies before it.
    package var crashOnceInEffects: UInt64
    /// Operators may vouch, wrongly, that the other node is down.
    package var allowsForce: Bool
    package var hasReach: Bool
    /// An operator edits the nodes' files: mostly one at a time, so that they differ for a while.
    package var changesTimeout: Bool
    package var skipsQuietTicks = true
    #if PLANTED_BUGS
        package var planted: PlantedBug?
    #endif

    /// What the history is like.
    package enum Kind: Sendable {
        /// Two hours with a fault every few minutes.
        case dense
        /// A day with a fault now and then.
        case long
        /// An operator who cannot leave the pair alone, and daemons that die in the middle of it.
        case restless
    }

    package let kind: Kind

    /// Two in five seeds are dense, two restless, one is long; one in three has no operator.
    package init(seed: UInt64) {
        var chance = Generator(seed: seed ^ 0x5EED)
        self.seed = seed
        self.kind = [.dense, .dense, .restless, .restless, .long][Int(chance.next() % 5)]
        self.policy = [.available, .available, .strict, .strict, .manual][Int(chance.next() % 5)]
        self.timeout = chance.once(in: 3) ? .seconds(300) : .seconds(840)
        let hasOperator = !chance.once(in: 3)
        switch self.kind {
        case .dense:
            self.duration = .hours(2)
            self.faultInterval = .minutes(4)
            self.verbInterval = hasOperator ? .minutes(7) : nil
            self.writeInterval = .seconds(10)
            self.crashOnceInEffects = 300
        case .long:
            self.duration = .hours(24)
            self.faultInterval = .minutes(50)
            self.verbInterval = hasOperator ? .minutes(90) : nil
            self.writeInterval = .seconds(100)
            self.crashOnceInEffects = 1500
        case .restless:
            self.duration = .hours(2)
            self.faultInterval = .minutes(15)
            self.verbInterval = .seconds(50)
            self.writeInterval = .seconds(5)
            self.crashOnceInEffects = chance.once(in: 2) ? 60 : 400
        }
        self.allowsForce = chance.once(in: 8)
        self.hasReach = chance.once(in: 4)
        self.changesTimeout = chance.once(in: 4)
    }
}
