import Glibc
import PairCore
import PairWAL

/// Copies frames of the WAL into the database, in the place of SQLite's checkpoint.
///
/// SQLite's own lets go of the checkpoint lock when it ends, and whoever checkpoints in a loop gets
/// hold of it there, sooner or later while he also keeps writers waiting. This one leaves the lock
/// where it is. The steps are those of `walCheckpoint` in SQLite's `wal.c`:
///
/// 1. Reader slots whose mark lies before the target are moved or, where somebody reads, limit it.
/// 2. Slot 0 is locked, against readers of the bare database.
/// 3. The WAL is synced, then the newest frame of each page is written to its place.
/// 4. With nothing left the database is cut to its size and synced.
/// 5. The number of copied frames is published. Only now may a writer restart the WAL.
///
/// The checkpoint lock is held throughout, so nobody else changes that number, and as long as it is
/// less than the header's `mxFrame` no writer can restart the WAL under us.
struct Backfill {
    let files: VaultFiles
    let pageSize: PageSize

    struct Outcome: Hashable {
        /// Frames that are in the database now.
        var frames: UInt32
        /// A reader of an older state stands in the way of more.
        var isLimited: Bool
    }

    /// Copies what is captured.
    ///
    /// - Parameter captured: ends a commit; beyond it nothing is copied.
    /// - Returns: `nil` when nothing was done, because the wal-index was in motion or somebody else
    ///   checkpoints.
    func run(through captured: WALAnchor) throws(VaultError) -> Outcome? {
        let index = self.files.index
        // Ours already, unless a recovery within this process has released it.
        guard try self.files.tryCheckpointLock() else { return nil }
        guard let header = index.header(), header.salts == captured.salts else { return nil }
        let done = index.backfilledFrames
        // A restart writes the header before it sets the number back.
        guard index.header()?.salts == header.salts else { return nil }
        let wanted = min(captured.frame, header.maxFrame)
        guard done < wanted else { return Outcome(frames: done, isLimited: false) }
        let target = try self.moveReaders(to: wanted)
        let isLimited = target < wanted
        guard done < target, try self.files.tryLock(.readers(0...0), .exclusive) else {
            return Outcome(frames: done, isLimited: true)
        }
        let result: Result<Void, VaultError>
        do throws(VaultError) {
            try self.copy(after: done, through: target, header)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try self.files.unlock(.readers(0...0))
        try result.get()
        return Outcome(frames: target, isLimited: isLimited)
    }

    /// Moves the slots of readers that have left to the newest state.
    ///
    /// - Returns: the newest frame that no reader needs the database to be older than.
    private func moveReaders(to wanted: UInt32) throws(VaultError) -> UInt32 {
        var target = wanted
        for slot in 1...4 {
            let mark = self.files.index.readMark(slot)
            guard mark < target else { continue }
            if try self.files.tryLock(.readers(slot...slot), .exclusive) {
                self.files.index.setReadMark(slot, slot == 1 ? target : WALIndex.unusedMark)
                try self.files.unlock(.readers(slot...slot))
            } else {
                target = mark
            }
        }
        return target
    }

    private func copy(
        after done: UInt32,
        through target: UInt32,
        _ header: WALIndex.Header
    ) throws(VaultError) {
        self.files.index.setBackfillAttempted(target)
        try self.files.syncWAL()
        // A page with a newer frame in the WAL is read from there by everybody who comes.
        var newest: [UInt32: UInt32] = [:]
        for frame in done + 1...header.maxFrame {
            newest[self.files.index.page(of: frame).rawValue] = frame
        }
        let image = UnsafeMutableRawBufferPointer.allocate(
            byteCount: self.pageSize.byteCount,
            alignment: 4_096
        )
        defer { image.deallocate() }
        for (page, frame) in newest.sorted(by: { $0.key < $1.key })
        where frame <= target && page <= header.pageCount {
            let offset =
                WALFrame.byteOffset(of: frame, pageSize: self.pageSize) + WALFrame.headerByteCount
            guard try self.files.readWAL(image, at: offset) == image.count else {
                throw .system(errno: EIO, call: "read", path: self.files.walPath)
            }
            try self.files.writeDatabase(
                UnsafeRawBufferPointer(image),
                at: (Int(page) - 1) * self.pageSize.byteCount
            )
        }
        if target == self.files.index.header()?.maxFrame {
            do throws(VaultError) {
                try self.files.finishDatabase(
                    byteCount: Int(header.pageCount) * self.pageSize.byteCount
                )
            } catch {
                // What a failed sync was for may be gone, and the next one would succeed without it:
                // the pages of earlier passes too are copied anew.
                self.files.index.backfilledFrames = 0
                throw error
            }
        }
        self.files.index.backfilledFrames = target
    }
}
