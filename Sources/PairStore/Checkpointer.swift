import PairCore
import PairWAL

/// Keeps the WAL short, on a thread of its own: copies it into the database, so that it can restart.
///
/// The application's own checkpoints find the checkpoint lock taken and do nothing, so this is the
/// only one. It copies only what is captured (``Backfill``), and a writer restarts the WAL once all
/// of it is copied. So nothing is dropped that has not been captured.
///
/// Passes alone cannot finish while a writer commits faster than they copy, and one that waits for a
/// slow disk has a brake (``WriterBrake``). Then, in this order:
///
/// 1. At twice the soft limit the application's own checkpoint is let in for a moment. It runs in the
///    writer's thread, which cannot commit meanwhile, and fails nobody (``swing()``).
/// 2. At the hard limit writers are stopped until everything is captured and copied
///    (``stopWriters()``). That bounds the WAL whatever others do, also where capture is starved of
///    the processor: the application waits for it then. Only readers that stay can pin the WAL.
final class Checkpointer: Sendable {
    private let vault: AttachedVault
    private let capture: WALCapture
    private let report: @Sendable (CaptureEvent) -> Void
    private let state = Monitor(State())
    /// Frames in the WAL from which on it should restart.
    private let softLimit: UInt32
    /// Frames in the WAL from which on it must.
    private let hardLimit: UInt32
    /// Frames that only readers of an old state can keep in the WAL, which is said.
    private let pinnedLimit: UInt32
    private let backfill: Backfill
    private let brake: WriterBrake

    private struct State {
        /// The generation that ``nextAttempt`` speaks of.
        var salts: UInt64 = 0
        var isDue = false
        var isIdle = false
        /// No attempt before the WAL has this many frames.
        var nextAttempt: UInt32 = 0
        /// Readers stand in the way of stopping the writers with any success.
        var noStopBefore = ContinuousClock.now
        /// Nor while the WAL has fewer frames, whichever comes first.
        var noStopBelow: UInt32 = 0
        /// Somebody checkpoints in a way that the guard turns into a long wait.
        var noSwingBefore = ContinuousClock.now
        /// A swing has the guard, or has left it because capture was behind.
        var isGuarded = false
        /// How long the WAL was when that was last said.
        var reportedFrames: UInt32 = 0
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
        self.hardLimit = UInt32((24 << 20) / frameByteCount)
        self.pinnedLimit = UInt32((64 << 20) / frameByteCount)
        self.backfill = Backfill(files: vault.files, pageSize: vault.pageSize)
        self.brake = WriterBrake(vault, frameByteCount: frameByteCount, report: report)
    }

    func start() {
        self.brake.start()
        StoreThread.start("pair-checkpoint") { self.run() }
    }

    /// Returns once its threads have ended.
    func stop() {
        self.state.update { $0.mustStop = true }
        _ = self.state.wait { $0.hasEnded ? true : nil }
        self.brake.stop()
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
            // A capture that is starved says nothing for long while the WAL grows.
            let isLong = self.hasFrames(self.softLimit) && self.backlog != 0
            let pause: Duration = isLong ? self.rhythm : self.longestRest
            let mustStop = self.state.wait(atMost: pause) { state -> Bool? in
                if state.mustStop { return true }
                guard state.isDue || state.isIdle else { return nil }
                state.isDue = false
                state.isIdle = false
                return false
            }
            if mustStop == true { break }
            if mustStop == nil, !self.hasFrames(self.hardLimit) || self.backlog == 0 { continue }
            do throws(VaultError) {
                try self.vault.whileCheckpointing { () throws(VaultError) in
                    try self.checkpoint()
                }
            } catch {
                self.report(.checkpointFailed(error))
                // A disk that is full or fails will not be better the next instant.
                _ = self.state.wait(atMost: .seconds(1)) { $0.mustStop ? true : nil }
            }
            self.planNextAttempt()
        }
        self.state.update { $0.hasEnded = true }
    }

    /// Between two looks of this thread's own while the WAL is not short.
    private let rhythm = Duration.milliseconds(20)
    /// Between two looks at a short one: capture may stand still before it has said anything.
    private let longestRest = Duration.milliseconds(100)

    /// Without a restart of the WAL, another attempt is worth it only after more frames.
    private func planNextAttempt() {
        let header = self.vault.files.index.header()
        self.state.update { state in
            state.salts = header?.salts ?? 0
            state.nextAttempt = (header?.maxFrame ?? 0) + self.softLimit / 2
            state.isDue = false
        }
        guard let frames = header?.maxFrame else { return }
        let isNews = self.state.update { state in
            if frames <= self.pinnedLimit { state.reportedFrames = 0 }
            guard frames > self.pinnedLimit, frames > 2 * state.reportedFrames else {
                return false
            }
            state.reportedFrames = frames
            return true
        }
        if isNews { self.report(.walPinned(frames: frames)) }
    }

    private var backlog: UInt32? {
        guard let header = self.vault.files.index.header() else { return nil }
        let backfilled = self.vault.files.index.backfilledFrames
        return header.maxFrame > backfilled ? header.maxFrame - backfilled : 0
    }

    private func checkpoint() throws(VaultError) {
        if self.state.read({ $0.isGuarded }), try self.vault.files.tryCheckpointLock() {
            _ = try self.dropGuard(onceCapturedWithin: .zero)
        }
        var outcome: Backfill.Outcome?
        for _ in 0..<6 {
            guard let before = self.backlog, before > 0 else { return }
            let pass = try self.brake.during { () throws(VaultError) in
                try self.backfill.run(through: self.captured)
            }
            guard let pass else { continue }
            outcome = pass
            // A pass that leaves half of what it found will not catch up with the writer.
            guard let after = self.backlog, after <= before / 2 else { break }
        }
        guard self.backlog != 0, self.hasFrames(2 * self.softLimit) else { return }
        // Where no pass could be made a reader may stand in the way as well.
        if outcome?.isLimited ?? true, try self.isPinned() { return }
        if !self.hasFrames(self.hardLimit), try self.swing() { return }
        guard self.hasFrames(self.hardLimit) else { return }
        try self.stopWriters()
    }

    /// Up to where capture has got.
    private var captured: WALAnchor { self.capture.progress.read { $0.anchor } }

    /// How many frames capture is behind.
    private var uncaptured: UInt32 {
        let captured = self.captured
        guard let header = self.vault.files.index.header(), header.salts == captured.salts,
            header.maxFrame > captured.frame
        else { return 0 }
        return header.maxFrame - captured.frame
    }

    /// Whether a reader sits on the state that everything is backfilled to, so that nothing can be
    /// done before it leaves.
    private func isPinned() throws(VaultError) -> Bool {
        let index = self.vault.files.index
        let backfilled = index.backfilledFrames
        // The mark of slot 0 is always 0: its readers read the bare database.
        for slot in 0...4 where index.readMark(slot) <= backfilled {
            if try self.vault.files.holder(of: .readers(slot...slot), .exclusive) != nil {
                return true
            }
        }
        return false
    }

    private func hasFrames(_ count: UInt32) -> Bool {
        self.vault.files.index.header().map { $0.maxFrame >= count } ?? false
    }

    /// Drops the guard, with the checkpoint lock held, once what is backfilled is captured.
    ///
    /// - Returns: `false` when capture has ended or needs longer; the guard then stays, to be safe.
    private func dropGuard(onceCapturedWithin timeout: Duration) throws(VaultError) -> Bool {
        guard let header = self.vault.files.index.header(),
            self.capture.waitForFrame(
                self.vault.files.index.backfilledFrames,
                salts: header.salts,
                atMost: timeout
            )
        else { return false }
        try self.dropGuard()
        return true
    }

    private func dropGuard() throws(VaultError) {
        try self.vault.dropGuard()
        self.state.update { $0.isGuarded = false }
    }

    private func tryGuard() throws(VaultError) -> Bool {
        guard try self.vault.tryGuard() else { return false }
        self.state.update { $0.isGuarded = true }
        return true
    }

    // MARK: At the hard limit

    /// Lets the application checkpoint, under the guard, and the WAL restart right after it.
    ///
    /// Its checkpoints, each with its syncs, also slow a writer down that is faster than this
    /// node's disk can follow, so that the capture catches up.
    ///
    /// - Returns: whether the log has restarted or will with the next commit.
    private func swing() throws(VaultError) -> Bool {
        // What is not captured cannot be dropped; while a copy for nothing goes on the WAL grows.
        guard self.uncaptured < self.softLimit / 2,
            ContinuousClock.now > self.state.read({ $0.noSwingBefore }),
            try self.tryGuard()
        else { return false }
        let deadline = ContinuousClock.now + .seconds(2)
        while ContinuousClock.now < deadline, self.uncaptured < self.softLimit,
            !self.hasFrames(self.hardLimit)
        {
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
            try self.dropGuard()
            if self.waitForRestart(of: header) { return true }
            guard try self.tryGuard() else { return false }
        }
        if !self.hasFrames(self.hardLimit),
            try self.dropGuard(onceCapturedWithin: .milliseconds(100))
        {
            return false
        }
        try self.stopWriters()
        return false
    }

    /// Releases the checkpoint lock until somebody has used it, and takes it back.
    ///
    /// - Returns: `false` when there is no use in trying again soon: nobody checkpoints, or somebody
    ///   does who waits for all readers to leave, and lets nobody commit meanwhile. The guard may be
    ///   gone then.
    private func letApplicationCheckpoint() throws(VaultError) -> Bool {
        let files = self.vault.files
        let before = files.index.backfilledFrames
        try files.releaseCheckpointLock()
        let released = ContinuousClock.now
        var isUsed = true
        while isUsed, files.checkpointLockHolder() == nil, files.index.backfilledFrames == before {
            StoreThread.pause(.microseconds(20))
            isUsed = released.duration(to: .now) < .milliseconds(20)
        }
        // Never waiting in the kernel: whoever was faster may wait for the guard.
        var isFrozen = false
        var pause = Duration.microseconds(20)
        while try !files.tryCheckpointLock() {
            if self.hasFrames(self.hardLimit) {
                try self.retakeWithWritersStopped(&isFrozen)
                return false
            }
            try self.makeWay(&isFrozen)
            if released.duration(to: .now) > .milliseconds(500), try self.isWaitingForReaders() {
                self.state.update { $0.noSwingBefore = .now + .seconds(60) }
                pause = .milliseconds(1)
            }
            StoreThread.pause(pause)
        }
        if isFrozen { try files.unlock(.readers(0...0)) }
        return isUsed && !isFrozen
    }

    /// Whether somebody checkpoints and keeps all writers out meanwhile.
    private func isWaitingForReaders() throws(VaultError) -> Bool {
        guard let holder = self.vault.files.checkpointLockHolder() else { return false }
        return try self.vault.files.holder(of: .write, .exclusive) == holder
    }

    /// Keeps out of the way of somebody who checkpoints and waits for all readers to leave the WAL.
    ///
    /// The guard is one of them, and writers would wait for him as long as he waits for it. Once he
    /// has copied everything, and all of it is captured, slot 0 does as well: while it is held
    /// nobody can copy, and what is not copied cannot be dropped. For the next who copies the guard
    /// has to be back.
    ///
    /// - Parameter isFrozen: slot 0 is held, and the guard is not.
    private func makeWay(_ isFrozen: inout Bool) throws(VaultError) {
        let (files, index) = (self.vault.files, self.vault.files.index)
        let isCopied = index.header()?.maxFrame == index.backfilledFrames
        guard isCopied != isFrozen else { return }
        if isFrozen {
            guard try self.tryGuard() else { return }
            try files.unlock(.readers(0...0))
            isFrozen = false
            return
        }
        guard try self.isWaitingForReaders(), try files.tryLock(.readers(0...0), .shared) else {
            return
        }
        if let header = index.header(),
            self.capture.waitForFrame(index.backfilledFrames, salts: header.salts, atMost: .zero)
        {
            try self.dropGuard()
            isFrozen = true
        } else {
            try files.unlock(.readers(0...0))
        }
    }

    /// Takes the checkpoint lock back from somebody who lets writers go on meanwhile.
    ///
    /// Against the order of locks, so with patience and not for ever: whoever checkpoints may be
    /// waiting for WRITE, and gives up when its own timeout ends.
    private func retakeWithWritersStopped(_ isFrozen: inout Bool) throws(VaultError) {
        self.state.update { $0.noSwingBefore = ContinuousClock.now + .seconds(60) }
        let files = self.vault.files
        var isOurs = false
        while !isOurs {
            try self.makeWay(&isFrozen)
            // Not waiting for the lock: whoever has it may be waiting for the guard.
            let wasStopped = try self.vault.gate.withLockBorrowed(atMost: .milliseconds(20)) {
                () throws(VaultError) in
                let began = ContinuousClock.now
                let insistence = self.insistence
                while began.duration(to: .now) < self.patience {
                    isOurs = try files.tryCheckpointLock()
                    if isOurs { return }
                    // He copies under slot 0; without it he is waiting for WRITE.
                    let isCopying = try files.holder(of: .readers(0...0), .shared) != nil
                    if !isCopying, began.duration(to: .now) > insistence { return }
                    StoreThread.pause(.microseconds(100))
                }
            }
            if !isOurs, !wasStopped { isOurs = try files.tryCheckpointLock() }
            // Whoever polls for WRITE gets turns, the application included; a few, because at full
            // speed it adds 100 MB a second.
            if !isOurs { StoreThread.pause(.milliseconds(wasStopped ? 10 : 1)) }
        }
        if isFrozen { try files.unlock(.readers(0...0)) }
    }

    /// How long whoever waits for WRITE with the checkpoint lock in his hands has to do without: the more
    /// writers have added in between, the nearer it is to where he gives up by himself.
    private var insistence: Duration {
        if self.hasFrames(self.hardLimit / 6 * 13) { return self.patience }
        return .milliseconds(self.hasFrames(self.hardLimit / 6 * 10) ? 500 : 50)
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

    /// Stops the writers until everything is captured and copied, and nobody reads from the WAL.
    ///
    /// The first writer after that restarts the WAL. A guard that a swing has left is dropped.
    private func stopWriters() throws(VaultError) {
        let mayStop = self.state.read { state in
            ContinuousClock.now > state.noStopBefore || self.hasFrames(state.noStopBelow)
        }
        guard mayStop else { return }
        /// Since when everything that readers allow is copied.
        var copied: ContinuousClock.Instant?
        var isEmptied = false
        _ = try self.vault.gate.withLockBorrowed { () throws(VaultError) in
            guard let header = self.vault.files.index.header(),
                self.capture.waitForFrame(
                    header.maxFrame,
                    salts: header.salts,
                    atMost: self.patience
                )
            else { return }
            try self.dropGuard()
            while copied.map({ $0.duration(to: .now) < self.patienceWithReaders }) ?? true {
                let outcome = try self.backfill.run(through: header.anchor)
                if outcome?.frames == header.maxFrame, try self.hasNoReaders() {
                    isEmptied = true
                    return
                }
                copied = copied ?? .now
                StoreThread.pause(.microseconds(200))
            }
        }
        guard !isEmptied else { return }
        // A reader that stays: to stop the writers again and again would only make them wait. For
        // capture they do wait, but everybody who polls for WRITE gets it in between. A longer pause
        // is time in which the WAL grows, and the reader may only have lost the processor: 8 MiB.
        let pause = copied.map { $0.duration(to: .now) * 4 } ?? .milliseconds(200)
        let frames = self.vault.files.index.header()?.maxFrame ?? 0
        self.state.update { state in
            state.noStopBefore = ContinuousClock.now + pause
            state.noStopBelow = copied == nil ? .max : frames + 2 * self.softLimit
        }
    }

    /// How long writers wait for a capture that is behind by the hard limit; far more than it needs.
    private let patience = Duration.seconds(2)
    /// How long they wait for readers to leave the WAL.
    private let patienceWithReaders = Duration.milliseconds(50)

    /// Whether the next writer may restart the WAL.
    private func hasNoReaders() throws(VaultError) -> Bool {
        try self.vault.files.holder(of: .readers(1...4), .exclusive) == nil
    }
}
