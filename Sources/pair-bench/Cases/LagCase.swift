import Histogram
import Synchronization

/// From a commit to where a reader on the secondary sees it, at 1,000 commits a second.
///
/// The control runs read the primary's own kind of vault without `paird` in the same way: what the
/// reader's polling costs is in both.
struct LagCase {
    let bench: Bench

    private static let rate = 1_000

    func run() async throws -> [Figure] {
        try await BenchPair.use(self.bench) { pair in
            var visible = (with: Series(), without: Series())
            var rates: [Double] = []
            var syncs: [Double] = []
            try await pair.interleave { withDaemon in
                var load = pair.load(
                    withDaemon: withDaemon,
                    .full,
                    for: self.bench.length(.seconds(4))
                )
                load.rate = Self.rate
                load.remembersInstants = true
                let round = try await Self.round(
                    load,
                    readingFrom: withDaemon ? pair.copy : pair.control
                )
                if withDaemon {
                    let folder = pair.folder
                    syncs.append(try await onOwnThread { try Disk.syncMilliseconds(in: folder) })
                    visible.with.append(round)
                    rates.append(round.rate)
                } else {
                    visible.without.append(round)
                }
            }
            let (with, without) = visible
            return [
                Figure("fdatasync of this disk p50", "ms", syncs),
                Figure("load", "commits/s", rates, target: .atLeast(0.95 * Double(Self.rate))),
                Figure("commit to readable p50", "ms", with.committed50, target: .atMost(0.5)),
                Figure("commit to readable p99", "ms", with.committed99, target: .atMost(5)),
                Figure("commit to readable, longest", "ms", with.longest),
                Figure("written to readable p50 (commit included)", "ms", with.written50),
                Figure("written to readable p99", "ms", with.written99),
                Figure("the same vault, written to readable p50", "ms", without.written50),
                Figure("the same vault, written to readable p99", "ms", without.written99),
            ]
        }
    }

    /// What one round saw, in milliseconds.
    private struct Round {
        var rate: Double
        var written: Histogram<UInt32>
        var committed: Histogram<UInt32>
    }

    private struct Series {
        var committed50: [Double] = []
        var committed99: [Double] = []
        var longest: [Double] = []
        var written50: [Double] = []
        var written99: [Double] = []

        mutating func append(_ round: Round) {
            func milliseconds(_ value: UInt64) -> Double { Double(value) / 1e6 }
            self.committed50.append(milliseconds(round.committed.valueAtPercentile(50)))
            self.committed99.append(milliseconds(round.committed.valueAtPercentile(99)))
            self.longest.append(milliseconds(round.committed.max))
            self.written50.append(milliseconds(round.written.valueAtPercentile(50)))
            self.written99.append(milliseconds(round.written.valueAtPercentile(99)))
        }
    }

    private static func round(_ load: RotateLoad, readingFrom path: String) async throws -> Round {
        let reader = try NewestReader(path)
        async let sightings = onOwnThread { try reader.run() }
        let result: RotateLoad.Result
        do {
            result = try await load.run()
            reader.finish(at: result.firstID + Int64(result.commits) - 1)
        } catch {
            reader.finish(at: 0)
            throw error
        }
        return try Self.join(result, await sightings)
    }

    /// A commit is readable from the first look that saw it or a later one.
    private static func join(
        _ load: RotateLoad.Result,
        _ sightings: [NewestReader.Sighting]
    ) throws -> Round {
        func histogram() -> Histogram<UInt32> {
            Histogram(
                highestTrackableValue: 60_000_000_000,
                numberOfSignificantValueDigits: .three
            )
        }
        var round = Round(rate: load.rate, written: histogram(), committed: histogram())
        var next = 0
        for index in 0..<load.commits {
            let id = load.firstID + Int64(index)
            while next < sightings.count, sightings[next].id < id { next += 1 }
            guard next < sightings.count else {
                throw BenchError.timedOut("the reader saw commit \(index + 1) of \(load.commits)")
            }
            let seen = sightings[next].instant
            round.written.record(seen - min(seen, load.written[index]))
            // The reader of the same vault can be faster than COMMIT returns.
            round.committed.record(seen - min(seen, load.committed[index]))
        }
        return round
    }
}

/// Asks for the newest audit row again and again, as an application that watches a vault.
private final class NewestReader: Sendable {
    struct Sighting: Sendable {
        var id: Int64
        var instant: UInt64
    }

    private let path: String
    /// The last row that will come, where it stops; 0 is at once.
    private let last = Atomic<Int64>(.max)

    /// Between two looks: short against what is measured, long enough to leave the core to others.
    private static let pause: UInt64 = 50_000
    private static let patience = 20.0

    init(_ path: String) throws {
        self.path = path
    }

    func finish(at id: Int64) { self.last.store(id, ordering: .relaxed) }

    func run() throws -> [Sighting] {
        let database = try Database(self.path, .read)
        let newest = try database.prepare("SELECT max(id) FROM audit")
        var sightings: [Sighting] = []
        var seen: Int64 = 0
        var lastNews = Monotonic.now
        while seen < self.last.load(ordering: .relaxed) {
            let id = try newest.row(columns: 1)?.first ?? 0
            let now = Monotonic.now
            if id != seen {
                sightings.append(Sighting(id: id, instant: now))
                (seen, lastNews) = (id, now)
            } else if Monotonic.seconds(since: lastNews) > Self.patience {
                // What it has not seen is found missing when the two records are joined.
                break
            }
            Monotonic.sleep(until: now + Self.pause)
        }
        return sightings
    }
}
