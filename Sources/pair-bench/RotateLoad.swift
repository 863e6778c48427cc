import Glibc
import Histogram
import Synchronization

/// The workload *rotate*: one UPDATE of a 512-byte secret and one audit INSERT per commit.
struct RotateLoad: Sendable {
    enum Synchronous: String, Sendable, CaseIterable {
        case full = "FULL"
        case normal = "NORMAL"
    }

    var path: String
    var synchronous: Synchronous
    /// How long it writes; ``commits`` may end it before.
    var duration: Duration
    var commits = Int.max
    /// Commits per second; `nil` as fast as SQLite is.
    var rate: Int?
    /// Remembers when each commit was written and committed, for the lag.
    var remembersInstants = false

    /// What came of it; times in nanoseconds.
    struct Result: Sendable {
        var commits = 0
        var elapsedSeconds = 0.0
        /// What the thread has spent of a core, in nanoseconds.
        var processorTime: UInt64 = 0
        /// BEGIN to the return of COMMIT.
        var latencies = Histogram<UInt32>(
            highestTrackableValue: 60_000_000_000,
            numberOfSignificantValueDigits: .three
        )
        /// Between the returns of two successive COMMITs.
        var longestGap: UInt64 = 0
        var largestWALBytes = 0
        /// The audit row of the first commit; each commit takes the next.
        var firstID: Int64 = 0
        /// When a commit's transaction began: what its audit row says.
        var written: [UInt64] = []
        /// When its COMMIT returned.
        var committed: [UInt64] = []

        var rate: Double { Double(self.commits) / self.elapsedSeconds }

        func microseconds(atPercentile percentile: Double) -> Double {
            Double(self.latencies.valueAtPercentile(percentile)) / 1_000
        }
    }

    /// Runs it on a thread of its own.
    func run() async throws -> Result { try await onOwnThread { try self.write() } }

    /// The WAL's size is looked at this often: the look must not be a part of what is measured.
    private static let commitsPerLook = 16

    private func write() throws -> Result {
        let database = try Database(self.path)
        try database.execute("PRAGMA synchronous = \(self.synchronous.rawValue)")
        let begin = try database.prepare("BEGIN IMMEDIATE")
        let update = try database.prepare("UPDATE secret SET value = ?, rotated = ? WHERE id = ?")
        let insert = try database.prepare("INSERT INTO audit VALUES (?, ?, ?, 'rotated')")
        let commit = try database.prepare("COMMIT")
        let newest = try database.prepare("SELECT max(id) FROM audit").row(columns: 1)?.first ?? 0
        let secret = UnsafeMutableBufferPointer<UInt64>.allocate(
            capacity: RotateVault.secretByteCount / 8
        )
        defer { secret.deallocate() }
        var random = SplitMix(seed: UInt64(newest))

        var result = Result()
        result.firstID = newest + 1
        let processorStart = ProcessorTime.ofThisThread
        let start = Monotonic.now
        let end = start + self.duration.nanoseconds
        var last = start
        while last < end, result.commits < self.commits {
            if let rate = self.rate {
                Monotonic.sleep(
                    until: start + UInt64(result.commits) * 1_000_000_000 / UInt64(rate)
                )
            }
            for index in secret.indices { secret[index] = random.next() }
            let row = Int64(random.next() % UInt64(RotateVault.secrets)) + 1
            let written = Monotonic.now
            try begin.run()
            update.bind(UnsafeRawBufferPointer(secret), at: 1)
            update.bind(Int64(written), at: 2)
            update.bind(row, at: 3)
            try update.run()
            insert.bind(result.firstID + Int64(result.commits), at: 1)
            insert.bind(Int64(written), at: 2)
            insert.bind(row, at: 3)
            try insert.run()
            try commit.run()
            let committed = Monotonic.now

            result.latencies.record(committed - written)
            // What a paced load waits is not a gap; its first commit has none before it.
            if self.rate == nil, result.commits > 0 {
                result.longestGap = max(result.longestGap, committed - last)
            }
            if self.remembersInstants {
                result.written.append(written)
                result.committed.append(committed)
            }
            if result.commits % Self.commitsPerLook == 0 {
                result.largestWALBytes = max(result.largestWALBytes, fileSize(self.path + "-wal"))
            }
            result.commits += 1
            last = committed
        }
        result.elapsedSeconds = Monotonic.seconds(since: start)
        result.processorTime = ProcessorTime.ofThisThread - processorStart
        return result
    }
}

/// A generator that can be repeated (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators).
struct SplitMix {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// 0 when there is no such file.
func fileSize(_ path: String) -> Int {
    var information = stat()
    return stat(path, &information) == 0 ? Int(information.st_size) : 0
}
