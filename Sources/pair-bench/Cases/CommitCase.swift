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
        var levelSeconds: [Double] = []
        // Both vaults' pages into the caches, and both WALs to their usual length.
        for withDaemon in [false, true] {
            _ = try await pair.load(withDaemon: withDaemon, synchronous, for: .milliseconds(300))
                .run()
        }
        try await pair.level()
        for _ in 0..<self.bench.rounds {
            for side in [\Comparison.without, \Comparison.with] {
                let withDaemon = side == \Comparison.with
                let load = pair.load(
                    withDaemon: withDaemon,
                    synchronous,
                    for: self.bench.length(.seconds(2))
                )
                let result = try await load.run()
                rate[keyPath: side].append(result.rate)
                middle[keyPath: side].append(result.microseconds(atPercentile: 50))
                tail[keyPath: side].append(result.microseconds(atPercentile: 99))
                guard withDaemon else { continue }
                let end = Monotonic.now
                try await pair.level()
                levelSeconds.append(Monotonic.seconds(since: end))
            }
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
