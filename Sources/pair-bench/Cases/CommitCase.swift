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

    private func measure(
        _ pair: BenchPair,
        _ synchronous: RotateLoad.Synchronous
    ) async throws -> [Figure] {
        var rate = Comparison()
        var middle = Comparison()
        var tail = Comparison()
        // Both vaults' pages into the caches, and both WALs to their usual length.
        for withDaemon in [false, true] {
            let load = pair.load(withDaemon: withDaemon, synchronous, for: .milliseconds(300))
            _ = try await load.run()
        }
        try await pair.level()
        let levelSeconds = try await pair.interleave { withDaemon in
            let load = pair.load(
                withDaemon: withDaemon,
                synchronous,
                for: self.bench.length(.seconds(2))
            )
            let result = try await load.run()
            rate.add(result.rate, withDaemon: withDaemon)
            middle.add(result.microseconds(atPercentile: 50), withDaemon: withDaemon)
            tail.add(result.microseconds(atPercentile: 99), withDaemon: withDaemon)
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
        ]
    }
}
