import Glibc
import PairCore
import PairWAL

/// Writes commits to the end of the vault's own WAL, in the place of SQLite's writer.
///
/// One commit at a time, in five steps: ``begin()``, ``append(_:_:)`` for each page,
/// ``seal(pagesAfter:)``, ``sync()``, ``publish()``. Until the last one nobody sees any of it: the
/// frames lie beyond the header's `mxFrame`, where readers do not look, and recovery adopts them
/// only when the last one, which closes the commit, is whole. A commit that is not to be is
/// forgotten by beginning another.
///
/// WRITE is held for as long as this is used, and no other writer comes in between, so the header that
/// was published last is known without reading it again.
struct WALAppender {
    private let files: VaultFiles
    private let pageSize: PageSize
    private(set) var published: WALIndex.Header
    /// After the frames whose headers are filled in.
    private var anchor = WALAnchor.none
    private var isBigEndian = false
    /// Frames that are not in the file yet; the last one's header may be empty.
    private var buffer: [UInt8] = []
    private var bufferOffset = 0
    /// Of the frame that waits to learn whether it closes the commit.
    private var openPage: PageNumber?
    /// The pages of the frames after the published ones.
    private var pages: [PageNumber] = []
    private var sealedPageCount: UInt32?

    private static let bufferByteCount = 1 << 20
    /// A longer WAL file is given back to the file system when the WAL starts anew.
    private static let longestIdleWALByteCount = 64 << 20

    private var frameByteCount: Int { WALFrame.headerByteCount + self.pageSize.byteCount }

    /// - Throws: `.headerDamaged` when the wal-index is torn, which a connection must mend first.
    init(_ files: VaultFiles, pageSize: PageSize) throws(VaultError) {
        guard let header = files.index.header() else {
            throw .headerDamaged(path: files.shmPath)
        }
        self.files = files
        self.pageSize = pageSize
        self.published = header
        // What a writer that died has entered beyond the header's end.
        try files.index.reserve(upTo: max(1, header.maxFrame))
        files.index.clean(after: header.maxFrame)
    }

    /// How many frames wait to be copied into the database file.
    var pendingFrames: UInt32 {
        let backfilled = self.files.index.backfilledFrames
        return self.published.maxFrame > backfilled ? self.published.maxFrame - backfilled : 0
    }

    /// Where the WAL will stand once the sealed commit is published.
    var sealedAnchor: WALAnchor { self.anchor }

    /// Starts a commit, and forgets one that was not published.
    mutating func begin() throws(VaultError) {
        self.pages.removeAll(keepingCapacity: true)
        self.buffer.removeAll(keepingCapacity: true)
        self.openPage = nil
        self.sealedPageCount = nil
        guard self.published.maxFrame == 0 else {
            self.anchor = self.published.anchor
            self.isBigEndian = self.published.hasBigEndianChecksums
            self.bufferOffset = WALFrame.byteOffset(
                of: self.published.maxFrame + 1,
                pageSize: self.pageSize
            )
            return
        }
        // The first frame of a generation. New salts, whatever the header says: frames of a commit
        // that was never published may lie in the file under the old ones.
        self.isBigEndian = false
        let header = WALHeader(
            hasBigEndianChecksums: self.isBigEndian,
            pageSize: self.pageSize,
            checkpointSequence: 0,
            salts: Self.salts(after: self.published.salts)
        )
        let written: Result<Void, VaultError> = header.encoded.withUnsafeBytes { bytes in
            Self.catching { () throws(VaultError) in try self.files.writeWAL(bytes, at: 0) }
        }
        try written.get()
        // Before any frame: old frames must never be found behind a header that is new on disk only.
        try self.files.syncWAL()
        self.anchor = WALAnchor(startOf: header)
        self.bufferOffset = WALHeader.byteCount
    }

    /// Adds a page to the commit.
    mutating func append(
        _ page: PageNumber,
        _ image: UnsafeRawBufferPointer
    ) throws(VaultError) {
        precondition(image.count == self.pageSize.byteCount, "\(image.count)-byte page")
        self.fillInHeader(pagesAfterCommit: 0)
        if self.buffer.count + self.frameByteCount > Self.bufferByteCount { try self.flush() }
        self.buffer.append(contentsOf: repeatElement(0, count: WALFrame.headerByteCount))
        self.buffer.append(contentsOf: image)
        self.openPage = page
        self.pages.append(page)
    }

    var isEmpty: Bool { self.pages.isEmpty }

    /// Makes the page that was appended last the end of the commit.
    mutating func seal(pagesAfter: UInt32) {
        precondition(self.openPage != nil && pagesAfter > 0, "a commit without pages")
        self.fillInHeader(pagesAfterCommit: pagesAfter)
        self.sealedPageCount = pagesAfter
    }

    /// Makes the sealed commit durable; from here on recovery adopts it.
    mutating func sync() throws(VaultError) {
        try self.flush()
        try self.files.syncWAL()
    }

    /// Makes the sealed commit the state that readers see.
    mutating func publish() throws(VaultError) {
        guard let pageCount = self.sealedPageCount, self.buffer.isEmpty else {
            preconditionFailure("published before sealed and synced")
        }
        let old = self.published.maxFrame
        try self.files.index.reserve(upTo: old + UInt32(self.pages.count))
        for (index, page) in self.pages.enumerated() {
            let frame = old + 1 + UInt32(index)
            guard self.files.index.enter(page, frame: frame, afterPublished: old) else {
                throw .headerDamaged(path: self.files.shmPath)
            }
        }
        self.published = WALIndex.Header(
            changeCounter: self.published.changeCounter &+ 1,
            hasBigEndianChecksums: self.isBigEndian,
            pageSize: self.pageSize,
            maxFrame: self.anchor.frame,
            pageCount: pageCount,
            salts: self.anchor.salts,
            checksum: self.anchor.checksum
        )
        self.files.index.publish(self.published)
        self.pages.removeAll(keepingCapacity: true)
        self.sealedPageCount = nil
    }

    /// Starts the WAL anew if all of it is in the database file and no reader needs it.
    ///
    /// Only between commits, with the checkpoint lock held and no checkpoint of ours under way: one
    /// that has looked at the old header would otherwise take the new frames for copied.
    ///
    /// - Returns: `false` when a reader is still on it.
    mutating func restart() throws(VaultError) -> Bool {
        guard self.published.maxFrame > 0,
            self.files.index.backfilledFrames == self.published.maxFrame
        else { return false }
        guard try self.files.tryLock(.readers(1...4), .exclusive) else { return false }
        self.published.maxFrame = 0
        self.published.salts = Self.salts(after: self.published.salts)
        self.published.changeCounter &+= 1
        self.files.index.publish(self.published)
        self.files.index.backfilledFrames = 0
        self.files.index.setBackfillAttempted(0)
        self.files.index.setReadMark(1, 0)
        for slot in 2...4 { self.files.index.setReadMark(slot, WALIndex.unusedMark) }
        if try self.files.walByteCount() > Self.longestIdleWALByteCount {
            // Readers are on the database file alone; a failure only leaves the file long.
            _ = ftruncate(self.files.wal, 0)
        }
        try self.files.unlock(.readers(1...4))
        return true
    }

    // MARK: frames

    private mutating func fillInHeader(pagesAfterCommit: UInt32) {
        guard let page = self.openPage else { return }
        let start = self.buffer.count - self.frameByteCount
        let isBigEndian = self.isBigEndian
        var anchor = self.anchor
        self.buffer.withUnsafeMutableBytes { bytes in
            WALFrame.write(
                page,
                pagesAfterCommit: pagesAfterCommit,
                into: UnsafeMutableRawBufferPointer(rebasing: bytes[start...]),
                following: &anchor,
                isBigEndian: isBigEndian
            )
        }
        self.anchor = anchor
        self.openPage = nil
    }

    private mutating func flush() throws(VaultError) {
        guard !self.buffer.isEmpty else { return }
        let offset = self.bufferOffset
        let files = self.files
        let written: Result<Void, VaultError> = self.buffer.withUnsafeBytes { bytes in
            Self.catching { () throws(VaultError) in try files.writeWAL(bytes, at: offset) }
        }
        try written.get()
        self.bufferOffset += self.buffer.count
        self.buffer.removeAll(keepingCapacity: true)
    }

    private static func catching(
        _ body: () throws(VaultError) -> Void
    ) -> Result<Void, VaultError> {
        do throws(VaultError) {
            return .success(try body())
        } catch {
            return .failure(error)
        }
    }

    /// The first salt counts, the second is random, as SQLite does it.
    private static func salts(after old: UInt64) -> UInt64 {
        let first = UInt32(truncatingIfNeeded: old >> 32) &+ 1
        return UInt64(first) << 32 | UInt64(UInt32.random(in: .min ... .max))
    }
}
