import FoundationEssentials
import Glibc
import PairLab

/// A secondary's way back when the primary's log no longer reaches to where it was: some pages,
/// spread over the vault, have changed meanwhile.
///
/// The primary lets go of its log once a minute, so there is one round only.
struct DeltaCase {
    let bench: Bench

    private static let changedPages = 100
    private static let retention = 64 << 20

    func run() async throws -> [Figure] {
        try await BenchPair.use(
            self.bench,
            configuration: "replication: { log_retention: { size: 64MiB, age: 60s } }",
            prepare: { pair in
                try RotateVault.make(at: pair.vault, ballastBytes: self.bench.largeVaultBytes)
            }
        ) { pair in
            let pages = fileSize(pair.vault) / 4096
            try await pair.level()
            try await pair.lab.kill(.two)
            try await onOwnThread { try Self.outgrowLog(pair.vault) }
            let log = pair.lab.folder.stateDirectory(.one) + "/log"
            let first = try Self.oldestFile(in: log)
            try await eventually("the primary lets go of its log", within: .seconds(90)) {
                try Self.oldestFile(in: log) != first
            }
            guard let primary = pair.lab[.one].pid else {
                throw BenchError.unavailable("the primary's daemon has gone")
            }
            let sentBefore = ProcFolder.callWrittenBytes(of: primary)
            let start = Monotonic.now
            try await pair.start(.two)
            try await pair.level()
            let seconds = Monotonic.seconds(since: start)
            let sent = ProcFolder.callWrittenBytes(of: primary) - sentBefore
            let mebibytes = Double(pages) * 4096 / 1_048_576
            let excess = Double(sent) / 4096 - Double(Self.changedPages)
            return [
                Figure("vault", "MiB", [mebibytes]),
                Figure("start to level, \(Self.changedPages) pages changed", "s", [seconds]),
                Figure("the same as a scan", "MiB/s", [mebibytes / seconds]),
                Figure("sent by the primary", "KiB", [Double(sent) / 1024]),
                Figure(
                    "sent beyond the changed pages, by page of the vault",
                    "bytes",
                    [excess * 4096 / Double(pages)],
                    target: .atMost(16)
                ),
            ]
        }
    }

    /// Changes the same pages again and again, until two files of the log are full.
    private static func outgrowLog(_ vault: String) throws(BenchError) {
        let rounds = 3 * self.retention / (self.changedPages * 4096)
        for _ in 0..<rounds { try RotateVault.scatter(self.changedPages, at: vault) }
    }

    /// Files of the log are named by their number, in 16 hexadecimal digits.
    private static func oldestFile(in log: String) throws -> String? {
        try FileManager.default.contentsOfDirectory(atPath: log)
            .filter { $0.count == 16 && $0.allSatisfy(\.isHexDigit) }.min()
    }
}
