import PairLab

/// A secondary's way back within the log: its daemon is down during some commits.
struct CatchUpCase {
    let bench: Bench

    private static let commits = 10_000

    func run() async throws -> [Figure] {
        try await BenchPair.use(self.bench) { pair in
            var starts: [Double] = []
            var seconds: [Double] = []
            var rates: [Double] = []
            for _ in 0..<self.bench.rounds {
                try await pair.level()
                try await pair.lab.kill(.two)
                var load = pair.load(withDaemon: true, .normal, for: .seconds(30))
                load.commits = Self.commits
                let written = try await load.run().commits
                let start = Monotonic.now
                try await pair.start(.two)
                starts.append(Monotonic.seconds(since: start))
                try await pair.level()
                let elapsed = Monotonic.seconds(since: start)
                seconds.append(elapsed)
                rates.append(Double(written) / elapsed)
            }
            return [
                Figure("secondary's start to its answer", "s", starts),
                Figure("start to level, \(Self.commits) commits", "s", seconds),
                Figure("the same as a rate", "commits/s", rates),
            ]
        }
    }
}
