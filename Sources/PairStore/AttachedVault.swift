import Glibc
import PairCore
import Synchronization

/// A vault in our custody: its files, the locks that keep others from checkpointing it, and the
/// connections through which we do.
final class AttachedVault: Sendable {
    let files: VaultFiles
    let pageSize: PageSize
    let gate: Gate
    /// Has read once and stays open, so that SQLite keeps its own locks on our side.
    private let anchor: SQLiteConnection
    private let idle = Mutex<[SQLiteConnection]>([])
    /// Whoever checkpoints or recovers holds it: both pass the checkpoint lock around.
    private let checkpointing = Mutex(OwnTrace())
    private let tampering = Mutex(false)
    /// A connection of ours may have let somebody else checkpoint for a moment.
    private let hasLentCheckpointLock = Atomic(false)

    /// - Parameter anchor: a connection that has read the vault.
    init(
        _ files: VaultFiles,
        pageSize: PageSize,
        anchor: SQLiteConnection
    ) {
        self.files = files
        self.pageSize = pageSize
        self.anchor = anchor
        self.gate = Gate.of(files)
    }

    /// Takes the locks that make the WAL ours: no other daemon, no last close, no checkpoint.
    ///
    /// - Throws: `.otherDaemon`, `.checkpointLockHeld` when a checkpoint lasts longer than
    ///   `timeout`, `.system`.
    func takeCustody(atMost timeout: Duration) throws(VaultError) {
        try self.files.claim()
        guard try self.files.tryLock(.sharedRange, .shared) else {
            let holder = try self.files.holder(of: .sharedRange, .shared)
            throw .lockedExclusively(path: self.files.path, pid: holder?.pid)
        }
        guard try self.files.tryLock(.deadMansSwitch, .shared) else {
            let holder = try self.files.holder(of: .deadMansSwitch, .shared)
            throw .lockedExclusively(path: self.files.path, pid: holder?.pid)
        }
        let deadline = ContinuousClock.now + timeout
        while try !self.files.tryCheckpointLock() {
            guard ContinuousClock.now < deadline else {
                throw .checkpointLockHeld(
                    path: self.files.path,
                    pid: self.files.checkpointLockHolder()?.pid
                )
            }
            StoreThread.pause(.milliseconds(1))
        }
    }

    /// Gives everything back but the descriptors, which live as long as the process.
    ///
    /// - Parameter keepsGate: a gate that is closed, or about to close, is left so, and with it the
    ///   locks that keep others from making a new wal-index under it.
    func releaseCustody(keepsGate: Bool = false) throws(VaultError) {
        try self.files.releaseCheckpointLock()
        try self.files.unlock(.readers(0...4))
        try self.files.releaseClaim()
        if !keepsGate { try Self.openGate(of: self.files) }
    }

    /// Lets go of the gate and of what stays with it.
    ///
    /// Not of files that nobody finds any more: whoever still has them open would write for nobody.
    static func openGate(
        of files: VaultFiles,
        evenDisplaced: Bool = false
    ) throws(VaultError) {
        guard evenDisplaced || !files.isDatabaseDisplaced else { return }
        try Gate.of(files).open()
        try files.unlock(.deadMansSwitch)
        try files.unlock(.sharedRange)
    }

    /// A connection without a transaction, of our own or a new one.
    func borrowConnection() throws(VaultError) -> SQLiteConnection {
        if let connection = self.idle.withLock({ $0.popLast() }) { return connection }
        let connection = try SQLiteConnection(path: self.files.path)
        if self.files.index.header() == nil {
            self.hasLentCheckpointLock.store(true, ordering: .relaxed)
        }
        // A connection that has never read does not know of the WAL, and checkpoints nothing.
        try connection.touch()
        // Nothing, unless it had to recover: that releases the lock of the whole process.
        _ = try self.files.tryCheckpointLock()
        return connection
    }

    func giveBack(_ connection: SQLiteConnection) { self.idle.withLock { $0.append(connection) } }

    /// Runs `body` while nobody else in this process passes the checkpoint lock around.
    func whileCheckpointing<Answer: Sendable>(
        _ body: () throws(VaultError) -> Answer
    ) throws(VaultError) -> Answer {
        try self.checkpointing.withLock { own throws(VaultError) in
            self.compare(&own)
            defer { own.trace = self.hasCheckpointLock ? FileTrace(self.files.database) : nil }
            return try body()
        }
    }

    /// Somebody has written to the database without SQLite, and without us.
    ///
    /// Nobody but whoever holds the checkpoint lock writes to a database in WAL mode. While a checkpoint
    /// of ours is under way the answer is that of before.
    var isTamperedWith: Bool {
        let isNew = self.checkpointing.withLockIfAvailable { own in
            self.compare(&own)
            return own.isTampered
        }
        return self.tampering.withLock { known in
            known = isNew ?? known
            return known
        }
    }

    /// Whoever else has it writes to the database with good right.
    private var hasCheckpointLock: Bool {
        do throws(VaultError) {
            return try self.files.tryCheckpointLock()
        } catch {
            return false
        }
    }

    private func compare(_ own: inout OwnTrace) {
        let wasLent = self.hasLentCheckpointLock.exchange(false, ordering: .relaxed)
        guard self.hasCheckpointLock, !wasLent, let trace = own.trace else {
            own.trace = self.hasCheckpointLock ? FileTrace(self.files.database) : nil
            return
        }
        if trace != FileTrace(self.files.database) { own.isTampered = true }
    }

    /// How the database was left by whoever had the right to write to it.
    struct OwnTrace {
        var trace: FileTrace?
        var isTampered = false
    }

    // MARK: The guard

    /// Keeps everybody from restarting the WAL, without limiting backfill: a read lock whose mark
    /// nobody uses.
    ///
    /// - Returns: `false` when readers sit on the slot.
    func tryGuard() throws(VaultError) -> Bool {
        guard try self.files.tryLock(.readers(4...4), .exclusive) else { return false }
        self.files.index.setReadMark(4, WALIndex.unusedMark)
        return try self.files.tryLock(.readers(4...4), .shared)
    }

    func dropGuard() throws(VaultError) { try self.files.unlock(.readers(4...4)) }

    // MARK: Recovery

    /// Lets SQLite rebuild a wal-index whose writer died between the two copies of its header.
    ///
    /// Nobody can recover while we hold the checkpoint lock, but a connection in our own process
    /// can. What applications commit meanwhile stays in the WAL: custody is back before anybody can
    /// have restarted it, and the guard stands in between.
    func recover() throws(VaultError) {
        try self.whileCheckpointing { () throws(VaultError) in
            let isGuarded = try self.tryGuard()
            let result: Result<Void, VaultError>
            do throws(VaultError) {
                let fresh = try SQLiteConnection(path: self.files.path)
                try self.gate.withLockReleased { () throws(VaultError) in try fresh.touch() }
                result = .success(())
            } catch {
                result = .failure(error)
            }
            try self.retakeCheckpointLock()
            if isGuarded { try self.dropGuard() }
            try result.get()
            guard self.files.index.header() != nil else {
                throw .headerDamaged(path: self.files.shmPath)
            }
        }
    }

    /// Sets back the number of copied frames, where a writer died in a restart before it did.
    ///
    /// That number speaks of the WAL's last generation then, and SQLite takes as many frames of the
    /// new one for copied: it reads what is committed there from the database, where it is not. A
    /// header that is whole is never recovered as long as anybody has the vault open, and we have.
    ///
    /// - Parameter header: the newest; says that there are fewer frames than are copied.
    /// - Returns: whether it was so.
    func mendRestart(_ header: WALIndex.Header) throws(VaultError) -> Bool {
        let (files, index) = (self.files, self.files.index)
        // A writer who lives is about to set it back himself.
        guard try files.holder(of: .write, .exclusive) == nil, index.header() == header,
            index.backfilledFrames > header.maxFrame
        else { return false }
        var isMended = false
        _ = try self.gate.withLockBorrowed { () throws(VaultError) in
            guard let now = index.header(), index.backfilledFrames > now.maxFrame else { return }
            index.setBackfillAttempted(0)
            index.backfilledFrames = 0
            isMended = true
        }
        return isMended
    }

    /// Takes the checkpoint lock back after a call of SQLite's has released it.
    ///
    /// Called while no read lock but the guard is held by this thread: whoever was faster may wait
    /// for readers.
    func retakeCheckpointLock() throws(VaultError) {
        if try self.files.tryCheckpointLock() { return }
        try self.files.waitForCheckpointLock()
    }
}
