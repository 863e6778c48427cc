import PairLab

/// What two daemons cost that have nothing to do: their guards included.
struct IdleCase {
    let bench: Bench

    func run() async throws -> [Figure] {
        try await BenchPair.use(self.bench) { pair in
            try await pair.level()
            var shares: [LabNode: [Double]] = [:]
            var written: [LabNode: [Double]] = [:]
            var resident: [LabNode: [Double]] = [:]
            // One length of time in as many pieces as there are rounds.
            let length = self.bench.length(.seconds(6))
            for _ in 0..<self.bench.rounds {
                let before = LabNode.allCases.map { Usage(of: $0, in: pair) }
                let start = Monotonic.now
                try await Task.sleep(for: length)
                let nanoseconds = Double(Monotonic.now - start)
                for (node, before) in zip(LabNode.allCases, before) {
                    let after = Usage(of: node, in: pair)
                    let spent = Double(after.processor) - Double(before.processor)
                    shares[node, default: []].append(100 * spent / nanoseconds)
                    written[node, default: []].append(Double(after.written - before.written))
                    resident[node, default: []].append(Double(after.resident) / 1_048_576)
                }
            }
            let pages = Double(fileSize(pair.vault)) / 4096
            return LabNode.allCases.flatMap { node in
                let role = node == .one ? "primary" : "secondary"
                return [
                    Figure(
                        "\(role)'s share of a core",
                        "%",
                        shares[node, default: [0]],
                        target: .atMost(0.1)
                    ),
                    Figure(
                        "\(role) writes to its disk",
                        "bytes",
                        written[node, default: [0]],
                        target: .atMost(0)
                    ),
                    Figure(
                        "\(role)'s resident memory",
                        "MiB",
                        resident[node, default: [0]],
                        target: .atMost(40 + 40 * pages / 1_048_576)
                    ),
                ]
            }
        }
    }

    private struct Usage {
        var processor: UInt64 = 0
        var written = 0
        var resident = 0

        init(of node: LabNode, in pair: BenchPair) {
            for process in pair.daemons(of: node) {
                self.processor += ProcessorTime.of(process: process)
                self.written += ProcFolder.writtenBytes(of: process)
                self.resident += ProcFolder.residentBytes(of: process)
            }
        }
    }
}
