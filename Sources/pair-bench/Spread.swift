/// One value for each round: their median, and how far they lie apart.
struct Spread: Hashable, Sendable {
    /// In the order of the rounds.
    let rounds: [Double]

    /// - Precondition: there is at least one round.
    init(_ rounds: [Double]) {
        precondition(!rounds.isEmpty, "a figure without a round")
        self.rounds = rounds
    }

    var least: Double { self.rounds.min() ?? 0 }
    var most: Double { self.rounds.max() ?? 0 }

    /// Of an even number of rounds, the mean of the two in the middle.
    var median: Double {
        let sorted = self.rounds.sorted()
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2)
            ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}

/// The same figure with `paird` and without, round by round in one run.
struct Comparison {
    var without: [Double] = []
    var with: [Double] = []

    mutating func add(_ value: Double, withDaemon: Bool) {
        if withDaemon { self.with.append(value) } else { self.without.append(value) }
    }

    /// Each round's own ratio: what the machine did to both does not show.
    var ratio: Spread {
        Spread(zip(self.with, self.without).map { $1 == 0 ? 0 : $0 / $1 })
    }
}
