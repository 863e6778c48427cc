/// The longest that a writer waits at full load, against what SQLite's own checkpoints make it wait.
struct StallCase {
    let bench: Bench

    func run() async throws -> [Figure] {
        try await BenchPair.use(self.bench) { pair in
            var gap = Comparison()
            try await pair.interleave { withDaemon in
                let load = pair.load(
                    withDaemon: withDaemon,
                    .full,
                    for: self.bench.length(.seconds(4))
                )
                gap.add(Double(try await load.run().longestGap) / 1e6, withDaemon: withDaemon)
            }
            let control = Spread(gap.without)
            return [
                Figure("longest gap between commits alone", "ms", control),
                Figure(
                    "longest gap with paird",
                    "ms",
                    gap.with,
                    target: .atMost(max(50, 1.5 * control.median))
                ),
            ]
        }
    }
}
