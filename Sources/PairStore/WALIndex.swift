import CWALIndex
import Glibc
package import PairCore
package import PairWAL

/// SQLite's wal-index, the shared memory in which writers publish what is committed.
///
/// Mapped once for the life of the process, with address space for ``capacityByteCount``; only what
/// the file backs may be touched. Calls that change it need the WRITE lock.
package struct WALIndex: Sendable {
    /// Indexes 33 million frames.
    package static let capacityByteCount = 256 << 20

    // The mapping is never unmapped, and all accesses to it are atomic, in C.
    private nonisolated(unsafe) let map: UnsafeMutableRawPointer
    private let descriptor: Int32
    private let path: String

    /// - Throws: `.system`.
    package init(mapping descriptor: Int32, path: String) throws(VaultError) {
        let map = mmap(
            nil,
            Self.capacityByteCount,
            PROT_READ | PROT_WRITE,
            MAP_SHARED,
            descriptor,
            0
        )
        guard let map, map != MAP_FAILED else {
            throw .system(errno: errno, call: "mmap", path: path)
        }
        self.map = map
        self.descriptor = descriptor
        self.path = path
    }

    /// What the newest commit published.
    package struct Header: Hashable, Sendable {
        package var changeCounter: UInt32
        package var hasBigEndianChecksums: Bool
        /// `nil` while there is no WAL content.
        package var pageSize: PageSize?
        package var maxFrame: UInt32
        package var pageCount: UInt32
        /// Both salts, the first in the upper half, as the WAL spells them.
        package var salts: UInt64
        package var checksum: WALChecksum

        package init(
            changeCounter: UInt32,
            hasBigEndianChecksums: Bool,
            pageSize: PageSize?,
            maxFrame: UInt32,
            pageCount: UInt32,
            salts: UInt64,
            checksum: WALChecksum
        ) {
            self.changeCounter = changeCounter
            self.hasBigEndianChecksums = hasBigEndianChecksums
            self.pageSize = pageSize
            self.maxFrame = maxFrame
            self.pageCount = pageCount
            self.salts = salts
            self.checksum = checksum
        }

        /// The place in the WAL up to which this header vouches.
        package var anchor: WALAnchor {
            WALAnchor(salts: self.salts, frame: self.maxFrame, checksum: self.checksum)
        }
    }

    /// The header, read twice; `nil` while a writer is between its two copies, or died there.
    package func header() -> Header? {
        var raw = walindex_header()
        guard walindex_read_header(self.map, &raw) == 1 else { return nil }
        let byteCount = raw.page_size == 1 ? 65_536 : Int(raw.page_size)
        return Header(
            changeCounter: raw.change_counter,
            hasBigEndianChecksums: raw.has_big_endian_checksums != 0,
            pageSize: PageSize(byteCount: byteCount),
            maxFrame: raw.max_frame,
            pageCount: raw.page_count,
            salts: UInt64(UInt32(bigEndian: raw.salts.0)) << 32
                | UInt64(UInt32(bigEndian: raw.salts.1)),
            checksum: WALChecksum(raw.frame_checksum.0, raw.frame_checksum.1)
        )
    }

    /// Makes `header` what every reader sees.
    ///
    /// WRITE is held; what it vouches for is written.
    package func publish(_ header: Header) {
        var raw = walindex_header()
        raw.change_counter = header.changeCounter
        raw.has_big_endian_checksums = header.hasBigEndianChecksums ? 1 : 0
        let byteCount = header.pageSize?.byteCount ?? 0
        raw.page_size = byteCount == 65_536 ? 1 : UInt16(byteCount)
        raw.max_frame = header.maxFrame
        raw.page_count = header.pageCount
        raw.salts = (
            UInt32(truncatingIfNeeded: header.salts >> 32).bigEndian,
            UInt32(truncatingIfNeeded: header.salts).bigEndian
        )
        raw.frame_checksum = (header.checksum.first, header.checksum.second)
        walindex_publish_header(self.map, &raw)
    }

    /// How many frames are in the database file already.
    package var backfilledFrames: UInt32 {
        get { walindex_load(self.map, UInt32(WALINDEX_BACKFILL_OFFSET)) }
        nonmutating set {
            walindex_store(self.map, UInt32(WALINDEX_BACKFILL_OFFSET), newValue)
        }
    }

    package func setBackfillAttempted(_ frames: UInt32) {
        walindex_store(self.map, UInt32(WALINDEX_BACKFILL_ATTEMPTED_OFFSET), frames)
    }

    /// The read mark of slot 0…4; ``unusedMark`` when nobody uses it.
    package func readMark(_ slot: Int) -> UInt32 {
        walindex_load(self.map, UInt32(WALINDEX_READ_MARK_OFFSET) + UInt32(4 * slot))
    }

    /// The slot's lock is held exclusively.
    package func setReadMark(_ slot: Int, _ frame: UInt32) {
        walindex_store(
            self.map,
            UInt32(WALINDEX_READ_MARK_OFFSET) + UInt32(4 * slot),
            frame
        )
    }

    package static let unusedMark = UInt32.max

    /// The page that `frame` holds; `frame` is at most the published `maxFrame`.
    package func page(of frame: UInt32) -> PageNumber {
        PageNumber(walindex_page(self.map, frame))
    }

    /// Makes room in the file for the index of frames up to `frame`, with blocks really allocated.
    ///
    /// - Throws: `.system`.
    package func reserve(upTo frame: UInt32) throws(VaultError) {
        let needed = (Int(walindex_block(frame)) + 1) * Int(WALINDEX_BLOCK_BYTES)
        guard needed <= Self.capacityByteCount else {
            throw .system(errno: EFBIG, call: "growing", path: self.path)
        }
        var status = stat()
        guard fstat(self.descriptor, &status) == 0 else {
            throw .system(errno: errno, call: "fstat", path: self.path)
        }
        guard Int(status.st_size) < needed else { return }
        let code = posix_fallocate(self.descriptor, 0, needed)
        guard code == 0 else { throw .system(errno: code, call: "growing", path: self.path) }
    }

    /// Enters `page` as the content of `frame`, in rising order of frames.
    ///
    /// - Parameter published: the `maxFrame` of the header that readers see now.
    /// - Returns: `false` when the table is damaged.
    package func enter(
        _ page: PageNumber,
        frame: UInt32,
        afterPublished published: UInt32
    ) -> Bool {
        walindex_enter(self.map, published, frame, page.rawValue) == 1
    }

    /// Forgets what a dead writer entered after `maxFrame` in that frame's block.
    package func clean(after maxFrame: UInt32) { walindex_clean(self.map, maxFrame) }
}
