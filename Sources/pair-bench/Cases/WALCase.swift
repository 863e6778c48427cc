/// How large the WAL grows at full load with nobody reading; `paird` must not keep SQLite from
/// starting it anew.
struct WALCase {
    let bench: Bench

    func run() async throws -> [Figure] {
        try await BenchPair.use(self.bench) { pair in
            var size = Comparison()
            try await pair.interleave { withDaemon in
                let load = pair.load(
                    withDaemon: withDaemon,
                    .normal,
                    for: self.bench.length(.seconds(3))
                )
                let bytes = try await load.run().largestWALBytes
                size.add(Double(bytes) / 1_048_576, withDaemon: withDaemon)
            }
            return [
                Figure("largest WAL alone", "MiB", size.without),
                Figure("largest WAL with paird", "MiB", size.with, target: .atMost(64)),
            ]
        }
    }
}
