package import PairCore

/// The 24 bytes before each page of a WAL.
package struct WALFrame: Hashable, Sendable {
    package static let headerByteCount = 24

    package var page: PageNumber
    /// The vault's page count after the commit that this frame closes; 0 inside a commit.
    package var pagesAfterCommit: UInt32
    package var salts: UInt64
    /// Over the WAL from its header to the end of this frame.
    package var checksum: WALChecksum

    package init(
        page: PageNumber,
        pagesAfterCommit: UInt32,
        salts: UInt64,
        checksum: WALChecksum
    ) {
        self.page = page
        self.pagesAfterCommit = pagesAfterCommit
        self.salts = salts
        self.checksum = checksum
    }

    package var isCommit: Bool { self.pagesAfterCommit != 0 }

    /// Reads the header of a frame, which proves nothing.
    ///
    /// `bytes` has at least 24.
    package init(header bytes: UnsafeRawBufferPointer) {
        self.page = PageNumber(bytes.bigEndianWord(at: 0))
        self.pagesAfterCommit = bytes.bigEndianWord(at: 4)
        self.salts = UInt64(bytes.bigEndianWord(at: 8)) << 32 | UInt64(bytes.bigEndianWord(at: 12))
        self.checksum = WALChecksum(bytes.bigEndianWord(at: 16), bytes.bigEndianWord(at: 20))
    }

    /// Reads the frame that follows `anchor` and proves that it does.
    ///
    /// - Parameters:
    ///   - bytes: the frame's header and page.
    ///   - anchor: what is proven so far; moved past this frame on success.
    ///   - isBigEndian: how the file's magic says that checksums read words.
    /// - Throws: ``WALError`` when salts or the running checksum say that the frame is not the one
    ///   after `anchor`.
    package init(
        following anchor: inout WALAnchor,
        _ bytes: UnsafeRawBufferPointer,
        isBigEndian: Bool
    ) throws(WALError) {
        self.init(header: bytes)
        let number = anchor.frame + 1
        guard self.salts == anchor.salts else {
            throw .frameSalts(frame: number, found: self.salts, expected: anchor.salts)
        }
        guard self.page.rawValue != 0 else { throw .noPage(frame: number) }
        var checksum = anchor.checksum
        checksum.add(UnsafeRawBufferPointer(rebasing: bytes[..<8]), isBigEndian: isBigEndian)
        checksum.add(
            UnsafeRawBufferPointer(rebasing: bytes[Self.headerByteCount...]),
            isBigEndian: isBigEndian
        )
        guard checksum == self.checksum else { throw .frameChecksum(frame: number) }
        anchor.frame = number
        anchor.checksum = checksum
    }

    /// Fills in the header of the frame after `anchor`, whose page is in `bytes` already, and moves
    /// `anchor` past it.
    package static func write(
        _ page: PageNumber,
        pagesAfterCommit: UInt32,
        into bytes: UnsafeMutableRawBufferPointer,
        following anchor: inout WALAnchor,
        isBigEndian: Bool
    ) {
        bytes.storeBigEndian(page.rawValue, at: 0)
        bytes.storeBigEndian(pagesAfterCommit, at: 4)
        bytes.storeBigEndian(UInt32(truncatingIfNeeded: anchor.salts >> 32), at: 8)
        bytes.storeBigEndian(UInt32(truncatingIfNeeded: anchor.salts), at: 12)
        var checksum = anchor.checksum
        checksum.add(UnsafeRawBufferPointer(rebasing: bytes[..<8]), isBigEndian: isBigEndian)
        checksum.add(
            UnsafeRawBufferPointer(rebasing: bytes[Self.headerByteCount...]),
            isBigEndian: isBigEndian
        )
        bytes.storeBigEndian(checksum.first, at: 16)
        bytes.storeBigEndian(checksum.second, at: 20)
        anchor.frame += 1
        anchor.checksum = checksum
    }

    /// Where `frame` (from 1) starts in the file.
    package static func byteOffset(of frame: UInt32, pageSize: PageSize) -> Int {
        WALHeader.byteCount + (Int(frame) - 1) * (Self.headerByteCount + pageSize.byteCount)
    }
}
