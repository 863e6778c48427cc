import PairCore
import Synchronization

/// Tells the checkpointing thread when there is something to do.
final class CheckpointPacer: Sendable {
    private let state = Monitor(State())

    private struct State {
        var commits = 0
        var isMarkerWaiting = false
        var isStopped = false
    }

    /// What there is to do.
    enum Call {
        /// A batch has been applied since the last call.
        case commits
        /// The marker has to get into the file.
        case marker
        /// Nothing has happened for a while.
        case quiet
        case stop
    }

    func noteCommit() { self.state.update { $0.commits += 1 } }

    func noteMarker() { self.state.update { $0.isMarkerWaiting = true } }

    func stop() { self.state.update { $0.isStopped = true } }

    func next(quietAfter timeout: Duration) -> Call {
        self.state.wait(atMost: timeout) { state -> Call? in
            if state.isStopped { return .stop }
            if state.isMarkerWaiting {
                state.isMarkerWaiting = false
                return .marker
            }
            guard state.commits > 0 else { return nil }
            state.commits = 0
            return .commits
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

    private static let quiet = Duration.milliseconds(500)
    /// How long applying waits for readers to leave the WAL, once per ``softFrames``.
    private static let patience = Duration.milliseconds(30)

    /// Copies frames into the file from a thread of its own, so that no batch waits for its syncs.
    func startCheckpointing() {
        let pacer = self.pacer
        StoreThread.start("pair-apply-ckpt") { [weak self] in
            while true {
                let call = pacer.next(quietAfter: Self.quiet)
                if case .stop = call { return }
                guard let self else { return }
                self.checkpoint(on: call)
            }
        }
    }

    private func checkpoint(on call: CheckpointPacer.Call) {
        let pending = self.state.withLock { $0.failure == nil ? $0.appender.pendingFrames : 0 }
        switch call {
        case .commits where pending < self.softFrames: return
        case .commits, .marker, .quiet: break
        case .stop: return
        }
        guard pending > 0 else { return }
        do throws(VaultError) {
            try self.checkpoint()
            let length = self.state.withLock { $0.appender.published.maxFrame }
            if length >= self.hardFrames { try self.restartWAL() }
        } catch {
            self.state.withLock { state in
                if error.isOfTheDisk { state.failure = state.failure ?? error }
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
        guard try self.vault.files.tryCheckpointLock() else { return false }
        return try state.appender.restart()
    }
}
