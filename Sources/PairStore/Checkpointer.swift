import PairCore
import PairWAL

/// Copies the WAL into the database, on a thread of its own, so that the WAL can restart.
///
/// The application's own checkpoints find the checkpoint lock taken and do nothing, so this is the
/// only one. What it backfills is captured already: a read transaction of its own limits the
/// backfill, and stands in the way of a restart, until the capture has reached that snapshot.
///
/// A pass cannot finish while a writer commits faster than it copies. Then the WAL grows to the
/// hard limit, where the application's own checkpoint is let in for a moment: it runs in the
/// writer's thread, which cannot commit meanwhile (``swing()``). An application that never
/// checkpoints is stopped instead, for as long as the copy takes (``checkpointUnderWriteLock()``).
final class Checkpointer: Sendable {
    private let vault: AttachedVault
    private let capture: WALCapture
    private let report: @Sendable (CaptureEvent) -> Void
    private let state = Monitor(State())
    /// Frames in the WAL from which on it should restart.
    private let softLimit: UInt32
    /// Frames in the WAL from which on it must.
    private let hardLimit: UInt32

    private struct State {
        /// The generation that ``nextAttempt`` speaks of.
        var salts: UInt64 = 0
        var isDue = false
        var isIdle = false
        /// No attempt before the WAL has this many frames.
        var nextAttempt: UInt32 = 0
        /// A writer is too fast for passes.
        var noPassBefore = ContinuousClock.now
        /// Somebody checkpoints in a way that the guard turns into a long wait.
        var noSwingBefore = ContinuousClock.now
        var mustStop = false
        var hasEnded = false
    }

    init(
        _ vault: AttachedVault,
        capture: WALCapture,
        report: @escaping @Sendable (CaptureEvent) -> Void
    ) {
        self.vault = vault
        self.capture = capture
        self.report = report
        let frameByteCount = WALFrame.headerByteCount + vault.pageSize.byteCount
        self.softLimit = UInt32((4 << 20) / frameByteCount)
        self.hardLimit = UInt32((32 << 20) / frameByteCount)
    }

    func start() { StoreThread.start("pair-checkpoint") { self.run() } }

    /// Returns once the thread has ended.
    func stop() {
        self.state.update { $0.mustStop = true }
        _ = self.state.wait { $0.hasEnded ? true : nil }
    }

    /// Takes note of what has been captured.
    func note(_ header: WALIndex.Header) {
        guard header.maxFrame >= self.softLimit else { return }
        let isDue = self.state.read { state in
            !state.isDue && (header.salts != state.salts || header.maxFrame >= state.nextAttempt)
        }
        if isDue { self.state.update { $0.isDue = true } }
    }

    /// Takes note that nobody has committed for a while.
    func noteIdle() { self.state.update { $0.isIdle = true } }

    private func run() {
        while true {
            let mustStop = self.state.wait { state -> Bool? in
                if state.mustStop { return true }
                guard state.isDue || state.isIdle else { return nil }
                state.isDue = false
                state.isIdle = false
                return false
            }
            if mustStop != false { break }
            do throws(VaultError) {
                try self.vault.whileCheckpointing { () throws(VaultError) in
                    try self.checkpoint()
                }
            } catch {
                self.report(.checkpointFailed(error))
            }
            self.planNextAttempt()
        }
        self.state.update { $0.hasEnded = true }
    }

    /// Without a restart of the WAL, another attempt is worth it only after more frames.
    private func planNextAttempt() {
        let header = self.vault.files.index.header()
        let backlog = self.backlog ?? 0
        self.state.update { state in
            state.salts = header?.salts ?? 0
            state.nextAttempt = (header?.maxFrame ?? 0) + max(self.softLimit, backlog) / 2
            state.isDue = false
        }
        if let header, backlog > 2 * self.hardLimit {
            self.report(.walPinned(frames: header.maxFrame))
        }
    }

    private var backlog: UInt32? {
        guard let header = self.vault.files.index.header() else { return nil }
        let backfilled = self.vault.files.index.backfilledFrames
        return header.maxFrame > backfilled ? header.maxFrame - backfilled : 0
    }

    private func checkpoint() throws(VaultError) {
        let reader = try self.vault.borrowConnection()
        let worker = try self.vault.borrowConnection()
        defer {
            self.vault.giveBack(reader)
            self.vault.giveBack(worker)
        }
        if ContinuousClock.now > self.state.read({ $0.noPassBefore }) {
            for _ in 0..<6 {
                // With everything backfilled a reader of ours would not stop a restart any more.
                guard let before = self.backlog, before > 0 else { return }
                try self.pass(reader, worker)
                // A pass that leaves half of what it found will not catch up with the writer.
                guard let after = self.backlog, after <= before / 2 else { break }
            }
            guard self.backlog != 0 else { return }
            self.state.update { $0.noPassBefore = .now + .seconds(5) }
        }
        guard self.hasFrames(2 * self.softLimit), try !self.isPinned() else { return }
        if try self.swing() { return }
        guard self.hasFrames(self.hardLimit) else { return }
        try self.checkpointUnderWriteLock(worker)
    }

    /// Whether a reader sits on the state that everything is backfilled to, so that nothing can be
    /// done before it leaves.
    private func isPinned() throws(VaultError) -> Bool {
        let index = self.vault.files.index
        let backfilled = index.backfilledFrames
        for slot in 1...4 where index.readMark(slot) <= backfilled {
            if try self.vault.files.holder(of: .readers(slot...slot), .exclusive) != nil {
                return true
            }
        }
        return false
    }

    private func hasFrames(_ count: UInt32) -> Bool {
        self.vault.files.index.header().map { $0.maxFrame >= count } ?? false
    }

    // MARK: One pass

    private func pass(
        _ reader: SQLiteConnection,
        _ worker: SQLiteConnection
    ) throws(VaultError) {
        try reader.beginReading()
        var isReading = true
        defer { if isReading { reader.endReading() } }
        guard let header = self.vault.files.index.header(),
            self.capture.waitForFrame(header.maxFrame, salts: header.salts, atMost: .seconds(2))
        else { return }
        let result = Result { () throws(VaultError) in try worker.checkpointPassively() }
        if try !self.vault.files.tryCheckpointLock() {
            // Somebody got in between and may be waiting for our reader: the guard takes its place.
            while try !self.vault.tryGuard() {
                if try self.vault.files.tryCheckpointLock() {
                    _ = try result.get()
                    return
                }
                StoreThread.pause(.microseconds(100))
            }
            reader.endReading()
            isReading = false
            try self.vault.files.waitForCheckpointLock()
            try self.dropGuardOnceCaptured()
        }
        _ = try result.get()
    }

    /// Drops the guard, with the checkpoint lock held, once what is backfilled is captured.
    ///
    /// - Throws: `.timedOut` when the capture has ended; the guard then stays, to be safe.
    private func dropGuardOnceCaptured() throws(VaultError) {
        guard let header = self.vault.files.index.header(),
            self.capture.waitForFrame(
                self.vault.files.index.backfilledFrames,
                salts: header.salts,
                atMost: .seconds(30)
            )
        else { throw .timedOut("capturing what another process has checkpointed") }
        try self.vault.dropGuard()
    }

    // MARK: At the hard limit

    /// Lets the application checkpoint, under the guard, and the WAL restart right after it.
    ///
    /// Its checkpoints, each with its syncs, also slow a writer down that is faster than this
    /// node's disk can follow, so that the capture catches up.
    ///
    /// - Returns: whether the log has restarted or will with the next commit.
    private func swing() throws(VaultError) -> Bool {
        guard ContinuousClock.now > self.state.read({ $0.noSwingBefore }),
            try self.vault.tryGuard()
        else { return false }
        let deadline = ContinuousClock.now + .seconds(2)
        while ContinuousClock.now < deadline {
            guard try self.letApplicationCheckpoint() else { break }
            guard let header = self.vault.files.index.header(),
                header.maxFrame == self.vault.files.index.backfilledFrames,
                self.capture.waitForFrame(
                    header.maxFrame,
                    salts: header.salts,
                    atMost: .milliseconds(1)
                ),
                self.vault.files.index.header() == header
            else { continue }
            // Nothing can move the backfill now, so everything that a restart drops is captured.
            try self.vault.dropGuard()
            if self.waitForRestart(of: header) { return true }
            guard try self.vault.tryGuard() else { return false }
        }
        try self.dropGuardOnceCaptured()
        return false
    }

    /// Releases the checkpoint lock until somebody has used it, and takes it back.
    ///
    /// - Returns: `false` when there is no use in trying again soon: nobody checkpoints, or somebody
    ///   does who waits for all readers to leave, the guard included, and lets nobody commit
    ///   meanwhile.
    private func letApplicationCheckpoint() throws(VaultError) -> Bool {
        let files = self.vault.files
        let before = files.index.backfilledFrames
        try files.releaseCheckpointLock()
        let released = ContinuousClock.now
        while files.checkpointLockHolder() == nil, files.index.backfilledFrames == before {
            StoreThread.pause(.microseconds(20))
            if released.duration(to: .now) > .milliseconds(20) {
                try files.waitForCheckpointLock()
                return false
            }
        }
        while try !files.tryCheckpointLock() {
            if let holder = files.checkpointLockHolder(),
                try files.holder(of: .write, .exclusive) == holder,
                released.duration(to: .now) > .milliseconds(500)
            {
                self.state.update { $0.noSwingBefore = .now + .seconds(60) }
                try files.waitForCheckpointLock()
                return false
            }
            StoreThread.pause(.microseconds(20))
        }
        return true
    }

    /// Watches the next commit.
    ///
    /// - Returns: `false` when it went into the old log.
    private func waitForRestart(of header: WALIndex.Header) -> Bool {
        let deadline = ContinuousClock.now + .milliseconds(20)
        while ContinuousClock.now < deadline {
            if let now = self.vault.files.index.header(), now != header {
                return now.salts != header.salts
            }
            StoreThread.pause(.microseconds(50))
        }
        return true
    }

    /// Stops the writers and backfills everything.
    ///
    /// A writer that has just committed frees its read mark a little later than its lock, so the
    /// first attempts are often partial.
    private func checkpointUnderWriteLock(_ worker: SQLiteConnection) throws(VaultError) {
        guard try self.vault.tryGuard() else { return }
        var isGuarded = true
        _ = try self.vault.gate.withLockBorrowed { () throws(VaultError) in
            guard let header = self.vault.files.index.header(),
                self.capture.waitForFrame(
                    header.maxFrame,
                    salts: header.salts,
                    atMost: .milliseconds(100)
                )
            else { return }
            for _ in 0..<25 {
                _ = try worker.checkpointPassively()
                guard try self.vault.files.tryCheckpointLock() else { return }
                if self.vault.files.index.backfilledFrames == header.maxFrame { break }
                StoreThread.pause(.microseconds(200))
            }
            try self.vault.dropGuard()
            isGuarded = false
        }
        if isGuarded {
            try self.vault.retakeCheckpointLock()
            try self.dropGuardOnceCaptured()
        }
    }
}
