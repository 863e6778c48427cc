import PairCore
import Synchronization

/// Tells the checkpointing thread when there is something to do.
final class CheckpointPacer: Sendable {
    private let state = Monitor(State())

    private struct State {
        var isDue = false
        var isStopped = false
        var hasEnded = false
    }

    /// What there is to do.
    enum Call {
        /// So many frames wait that a pass is worth its syncs.
        case due
        /// Nothing was due for a while.
        case quiet
        case stop
    }

    func noteDue() { self.state.update { $0.isDue = true } }

    func stop() { self.state.update { $0.isStopped = true } }

    /// Takes note that the thread has looked for the last time.
    func noteEnd() { self.state.update { $0.hasEnded = true } }

    /// Waits for the thread's end; not to be called on it.
    func waitForEnd() { _ = self.state.wait { $0.hasEnded ? true : nil } }

    func next(quietAfter timeout: Duration) -> Call {
        self.state.wait(atMost: timeout) { state -> Call? in
            if state.isStopped { return .stop }
            guard state.isDue else { return nil }
            state.isDue = false
            return .due
        } ?? .quiet
    }
}

extension Applier {
    /// Frames that may wait before a checkpoint is worth its syncs.
    private var softFrames: UInt32 { self.frames(1_000) }
    /// Frames at which applying waits for the checkpoint, so that the WAL can start anew.
    private var hardFrames: UInt32 { self.frames(8_000) }

    /// As many frames as `count` pages of 4 KiB fill, but not more.
    private func frames(_ count: Int) -> UInt32 {
        UInt32(min(count, count * 4_096 / self.vault.pageSize.byteCount))
    }

    private static let quiet = Duration.seconds(2)
    /// How long applying waits for readers to leave the WAL, once per ``softFrames``.
    private static let patience = Duration.milliseconds(30)

    /// Copies frames into the file from a thread of its own, so that no batch waits for its syncs.
    func startCheckpointing() {
        let pacer = self.pacer
        StoreThread.start("pair-apply-ckpt") { [weak self] in
            while true {
                let call = pacer.next(quietAfter: Self.quiet)
                if case .stop = call { break }
                guard let self else { break }
                self.checkpointIfNeeded()
            }
            pacer.noteEnd()
        }
    }

    /// Wakes the checkpointing thread when enough frames have come since its last pass.
    ///
    /// Not earlier: a pass that readers hold up costs as much as one that succeeds.
    func noteCommit(_ state: State) {
        guard state.appender.published.maxFrame >= state.checkpointedFrame + self.softFrames else {
            return
        }
        self.pacer.noteDue()
    }

    private func checkpointIfNeeded() {
        let pending = self.state.withLock { state in
            state.checkpointedFrame = state.appender.published.maxFrame
            return state.failure == nil ? state.appender.pendingFrames : 0
        }
        guard pending > 0 else { return }
        do throws(VaultError) {
            try self.checkpoint()
            let length = self.state.withLock { $0.appender.published.maxFrame }
            if length >= self.hardFrames { try self.restartWAL() }
        } catch {
            // A full disk, or locks of others: the next pass tries again, and the WAL waits.
            guard !error.isPassing else { return }
            self.state.withLock { state in
                state.failure = state.failure ?? error
                self.show(state)
            }
        }
    }

    /// One pass, while batches go on; copies as much as the readers allow.
    func checkpoint() throws(VaultError) {
        let connection = try self.vault.borrowConnection()
        defer { self.vault.giveBack(connection) }
        // A connection that has never read does nothing for a vault that is marked.
        try connection.touch()
        try self.vault.whileCheckpointing { () throws(VaultError) in
            _ = try connection.checkpointPassively()
            // If somebody else was faster, the next pass asks again; meanwhile he cannot start the
            // WAL anew, because WRITE is ours.
            _ = try self.vault.files.tryCheckpointLock()
        }
    }

    /// Makes batches wait, copies the rest, and starts the WAL anew if the readers leave it in time.
    private func restartWAL() throws(VaultError) {
        try self.exclusively { state throws(VaultError) in
            guard state.parts == nil, state.copy == nil else { return }
            if state.appender.pendingFrames > 0 { try self.checkpoint() }
            let deadline = ContinuousClock.now + Self.patience
            while try !self.tryRestart(&state) {
                guard state.appender.pendingFrames == 0, ContinuousClock.now < deadline else {
                    return
                }
                StoreThread.pause(.milliseconds(1))
            }
        }
    }

    /// Starts the WAL anew if all of it is in the file and no reader needs it.
    @discardableResult
    func tryRestart(_ state: inout State) throws(VaultError) -> Bool {
        guard state.parts == nil, state.copy == nil, state.appender.pendingFrames == 0,
            state.appender.published.maxFrame > 0
        else { return false }
        guard try self.vault.files.tryCheckpointLock(), try state.appender.restart() else {
            return false
        }
        state.checkpointedFrame = 0
        return true
    }
}

extension VaultError {
    /// Whether a checkpoint that failed like this may succeed later.
    fileprivate var isPassing: Bool {
        let (busy, locked, full): (Int32, Int32, Int32) = (5, 6, 13)
        return self.isSQLite(busy) || self.isSQLite(locked) || self.isSQLite(full)
    }
}
