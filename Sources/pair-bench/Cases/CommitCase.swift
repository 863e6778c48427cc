/// What applications pay for each commit: the workload *rotate* as fast as SQLite is, on a vault
/// with `paird` and on one without, in turn.
struct CommitCase {
    let bench: Bench

    func run() async throws -> [Figure] {
        try await BenchPair.use(self.bench) { pair in
            var figures: [Figure] = []
            for synchronous in RotateLoad.Synchronous.allCases {
                figures += try await self.measure(pair, synchronous)
            }
            return figures
        }
    }

    /// What a commit costs of the cores: this does not depend on who else uses the machine.
    private struct Work {
        var load: [Double] = []
        var primary: [Double] = []
        var secondary: [Double] = []
    }

    private func measure(
        _ pair: BenchPair,
        _ synchronous: RotateLoad.Synchronous
    ) async throws -> [Figure] {
        var rate = Comparison()
        var middle = Comparison()
        var tail = Comparison()
        var levelSeconds: [Double] = []
        var work = Work()
        // Both vaults' pages into the caches, and both WALs to their usual length.
        for withDaemon in [false, true] {
            let load = pair.load(withDaemon: withDaemon, synchronous, for: .milliseconds(300))
            _ = try await load.run()
        }
        try await pair.level()
        try await pair.interleave { withDaemon in
            let load = pair.load(
                withDaemon: withDaemon,
                synchronous,
                for: self.bench.length(.seconds(2))
            )
            let before = pair.daemonTime()
            let result = try await load.run()
            rate.add(result.rate, withDaemon: withDaemon)
            middle.add(result.microseconds(atPercentile: 50), withDaemon: withDaemon)
            tail.add(result.microseconds(atPercentile: 99), withDaemon: withDaemon)
            guard withDaemon else { return }
            let end = Monotonic.now
            try await pair.level()
            levelSeconds.append(Monotonic.seconds(since: end))
            let after = pair.daemonTime()
            func microseconds(_ time: UInt64) -> Double {
                Double(time) / 1_000 / Double(max(1, result.commits))
            }
            work.load.append(microseconds(result.processorTime))
            work.primary.append(microseconds(after.primary - before.primary))
            work.secondary.append(microseconds(after.secondary - before.secondary))
        }
        let name = synchronous.rawValue
        return [
            Figure("\(name) alone", "commits/s", rate.without),
            Figure("\(name) with paird", "commits/s", rate.with),
            Figure("\(name) rate, with / alone", "ratio", rate.ratio, target: .atLeast(0.95)),
            Figure("\(name) p50 alone", "us", middle.without),
            Figure("\(name) p50, with / alone", "ratio", middle.ratio, target: .atMost(1.10)),
            Figure("\(name) p99 alone", "us", tail.without),
            Figure("\(name) p99, with / alone", "ratio", tail.ratio, target: .atMost(1.25)),
            Figure("\(name) load's end to level", "s", levelSeconds),
            Figure("\(name) load's own CPU", "us/commit", work.load),
            Figure("\(name) primary's CPU", "us/commit", work.primary),
            Figure("\(name) secondary's CPU", "us/commit", work.secondary),
        ]
    }
}
