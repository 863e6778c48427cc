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
    package var skipsQuietTicks = true
    #if PLANTED_BUGS
        package var planted: PlantedBug?
    #endif

    /// Half of all seeds are short with dense faults, half are long; one in three has no operator.
    package init(seed: UInt64) {
        var chance = Generator(seed: seed ^ 0x5EED)
        self.seed = seed
        self.policy = [.available, .available, .strict, .strict, .manual][Int(chance.next() % 5)]
        self.timeout = chance.once(in: 3) ? .seconds(300) : .seconds(840)
        let isShort = chance.once(in: 2)
        self.duration = isShort ? .hours(2) : .hours(24)
        self.faultInterval = isShort ? .minutes(4) : .minutes(50)
        self.verbInterval =
            chance.once(in: 3) ? nil : isShort ? .minutes(7) : .minutes(90)
        self.writeInterval = isShort ? .seconds(10) : .seconds(100)
        self.crashOnceInEffects = isShort ? 300 : 1500
        self.allowsForce = chance.once(in: 8)
        self.hasReach = chance.once(in: 4)
    }
}
