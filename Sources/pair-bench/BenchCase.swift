import ArgumentParser

/// What can be measured.
enum BenchCase: String, CaseIterable, ExpressibleByArgument, Sendable {
    case commit
    case lag
    case stall
    case wal
    case seed
    case delta
    case catchup
    case idle

    var summary: String {
        switch self {
        case .commit: "what applications pay for each commit, with paird and without"
        case .lag: "from a commit to where a reader on the secondary sees it"
        case .stall: "the longest that a writer waits at full load"
        case .wal: "how large the WAL grows at full load"
        case .seed: "a secondary's first copy, from enable-ha to streaming"
        case .delta: "a secondary's way back when the log is gone"
        case .catchup: "a secondary's way back within the log"
        case .idle: "what two daemons cost that have nothing to do"
        }
    }

    func run(_ bench: Bench) async throws -> [Figure] {
        switch self {
        case .commit: try await CommitCase(bench: bench).run()
        case .lag: try await LagCase(bench: bench).run()
        case .stall: try await StallCase(bench: bench).run()
        case .wal: try await WALCase(bench: bench).run()
        case .seed: try await SeedCase(bench: bench).run()
        case .delta: try await DeltaCase(bench: bench).run()
        case .catchup: try await CatchUpCase(bench: bench).run()
        case .idle: try await IdleCase(bench: bench).run()
        }
    }
}
