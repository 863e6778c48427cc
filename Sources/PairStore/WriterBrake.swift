import PairCore

/// Holds the writers back while a pass copies the WAL into the database, should it get too long.
///
/// A pass syncs twice, and on a disk that is busy each sync takes its time. An application that does
/// not sync itself would write a hundred megabytes meanwhile. So a thread of its own looks at the
/// WAL while the pass waits, and takes WRITE at the limit: the application waits for the disk, as it
/// would in a sync of its own.
///
/// Not for as long as the disk pleases: five times a second it lets go for 20 ms at least, so that
/// whoever polls for WRITE, in SQLite at most every 100 ms, finds it free before he gives up.
final class WriterBrake: Sendable {
    private let vault: AttachedVault
    private let report: @Sendable (CaptureEvent) -> Void
    private let state = Monitor(State())
    /// Frames in the WAL from which on nobody may add more before the pass has ended.
    private let limit: UInt32
    /// Frames that end the writers' turn once it has lasted.
    private let turn: UInt32

    private struct State {
        /// A pass is under way.
        var isOn = false
        var isHolding = false
        var mustStop = false
        var hasEnded = false

        var isNeeded: Bool { self.isOn && !self.mustStop }
    }

    /// - Parameter frameByteCount: what a page needs in the WAL.
    init(
        _ vault: AttachedVault,
        frameByteCount: Int,
        report: @escaping @Sendable (CaptureEvent) -> Void
    ) {
        self.vault = vault
        self.report = report
        self.limit = UInt32((40 << 20) / frameByteCount)
        self.turn = UInt32((1 << 20) / frameByteCount)
    }

    func start() { StoreThread.start("pair-brake") { self.run() } }

    /// Returns once the thread has ended.
    func stop() {
        self.state.update { $0.mustStop = true }
        _ = self.state.wait { $0.hasEnded ? true : nil }
    }

    /// Runs a pass; WRITE is not held any more when it returns.
    func during<Answer>(
        _ pass: () throws(VaultError) -> Answer
    ) throws(VaultError) -> Answer {
        self.state.update { $0.isOn = true }
        defer {
            self.state.update { $0.isOn = false }
            _ = self.state.wait { $0.isHolding ? nil : true }
        }
        return try pass()
    }

    private func run() {
        while self.state.wait(until: { $0.mustStop ? false : $0.isOn ? true : nil }) == true {
            do throws(VaultError) {
                // Most passes have ended before the first look.
                while !self.isOver(after: self.rhythm) {
                    guard self.frames >= self.limit else { continue }
                    try self.hold()
                    self.giveTurn()
                }
            } catch {
                self.report(.checkpointFailed(error))
                _ = self.isOver(after: .seconds(1))
            }
        }
        self.state.update { $0.hasEnded = true }
    }

    private let rhythm = Duration.milliseconds(10)
    private let longestHold = Duration.milliseconds(180)
    private let shortestTurn = Duration.milliseconds(20)
    private let longestTurn = Duration.milliseconds(120)

    /// Waits that long, or until the pass has ended.
    private func isOver(after pause: Duration) -> Bool {
        self.state.wait(atMost: pause) { $0.isNeeded ? nil : true } ?? false
    }

    private var frames: UInt32 { self.vault.files.index.header()?.maxFrame ?? 0 }

    private func hold() throws(VaultError) {
        let isWanted = self.state.update { state in
            state.isHolding = state.isNeeded
            return state.isHolding
        }
        guard isWanted else { return }
        defer { self.state.update { $0.isHolding = false } }
        // Not waiting for the lock: a transaction may go on for longer than the pass.
        _ = try self.vault.gate.withLockBorrowed(atMost: .milliseconds(20)) {
            let end = ContinuousClock.now + self.longestHold
            while ContinuousClock.now < end, !self.vault.gate.isClosing {
                if self.isOver(after: .milliseconds(5)) { return }
            }
        }
    }

    private func giveTurn() {
        let before = self.frames
        let (least, end) = (self.shortestTurn, ContinuousClock.now + self.longestTurn)
        guard !self.isOver(after: least) else { return }
        while ContinuousClock.now < end, self.frames < before + self.turn {
            if self.isOver(after: .milliseconds(1)) { return }
        }
    }
}
