package import PairCore

/// Builds one segment: pages and ends of commits go in, checked bytes come out.
///
/// The caller asks ``hasRoom`` before each page. When there is none, it either finishes the segment
/// at the last end of a commit and starts another one, or, inside a commit that alone is too big,
/// ends it with ``finishOpenPart()`` and carries on with a builder of the next part.
package struct SegmentBuilder: Sendable {
    private var writer: ByteWriterAtOffsets
    private var header: SegmentHeader
    private var lastRecordOffset: Int?
    private var commitCount: UInt64 = 0
    private var pagesAfter: UInt32 = 0
    private var hasOpenCommit = false

    /// With a `partIndex` above 0 the segment continues a transaction.
    package init(
        kind: SegmentHeader.Kind = .transactions,
        pageSize: PageSize,
        epoch: Epoch,
        first: TXID,
        digestBefore: VaultDigest,
        commitTimeMicroseconds: Int64,
        partIndex: UInt32 = 0
    ) {
        self.header = SegmentHeader(
            kind: kind,
            part: partIndex == 0 ? .whole : .closing(index: partIndex),
            pageSize: pageSize,
            epoch: epoch,
            first: first,
            last: first,
            pagesAfter: 0,
            recordCount: 0,
            payloadByteCount: 0,
            commitTimeMicroseconds: commitTimeMicroseconds,
            digestBefore: digestBefore,
            digestAfter: .empty
        )
        self.writer = ByteWriterAtOffsets()
    }

    /// Whether one more page fits, whatever it contains.
    package var hasRoom: Bool { self.hasRoom(forPages: 1) }

    /// Whether `count` more pages fit, whatever they contain.
    package func hasRoom(forPages count: Int) -> Bool {
        let each = SegmentHeader.recordHeaderByteCount + self.header.pageSize.byteCount
        let (needed, overflow) = count.multipliedReportingOverflow(by: each)
        return !overflow
            && needed <= SegmentHeader.longestPayloadByteCount - self.header.payloadByteCount
    }

    package var isEmpty: Bool { self.header.recordCount == 0 && self.commitCount == 0 }

    /// How many commits have been ended in this segment.
    package var endedCommitCount: UInt64 { self.commitCount }

    /// Adds a page's image to the commit that is being written.
    ///
    /// `image` is one page long; page 1 comes with byte 18 = 2, whatever the file says.
    package mutating func append(_ page: PageNumber, _ image: UnsafeRawBufferPointer) {
        precondition(image.count == self.header.pageSize.byteCount, "\(image.count)-byte page")
        precondition(self.hasRoom, "no room for page \(page.rawValue)")
        let isZero = Self.isZero(image)
        self.lastRecordOffset = self.writer.bytes.count
        self.writer.u32(page.rawValue)
        self.writer.u32(isZero ? 1 : 0)
        self.writer.u32(0)
        self.writer.u32(isZero ? 0 : UInt32(image.count))
        if !isZero { self.writer.append(image) }
        self.header.recordCount += 1
        self.header.payloadByteCount = self.writer.bytes.count - SegmentHeader.byteCount
        self.hasOpenCommit = true
    }

    /// Ends a commit after the pages appended since the last one.
    ///
    /// A commit that changed no page stands alone in its segment: end it at once, then finish.
    package mutating func endCommit(pagesAfter: UInt32) {
        precondition(pagesAfter > 0, "a vault without pages")
        if let offset = self.lastRecordOffset, self.hasOpenCommit {
            self.writer.setCommit(at: offset, pagesAfter: pagesAfter)
        } else {
            precondition(self.isEmpty, "a commit without pages beside others")
        }
        self.hasOpenCommit = false
        self.commitCount += 1
        self.pagesAfter = pagesAfter
    }

    /// The segment's bytes; the last thing appended was the end of a commit.
    package consuming func finish(digestAfter: VaultDigest) -> [UInt8] {
        precondition(self.commitCount > 0 && !self.hasOpenCommit, "a segment inside a commit")
        self.header.last = TXID(self.header.first.rawValue + self.commitCount - 1)
        self.header.pagesAfter = self.pagesAfter
        self.header.digestAfter = digestAfter
        return self.seal()
    }

    /// The bytes of a part after which more parts of the same commit follow.
    package consuming func finishOpenPart() -> [UInt8] {
        precondition(self.commitCount == 0 && self.hasOpenCommit, "a part without pages")
        self.header.part = .open(index: self.header.partIndex)
        return self.seal()
    }

    private consuming func seal() -> [UInt8] {
        var encoded = ByteWriter(reserving: SegmentHeader.byteCount)
        self.header.encode(into: &encoded)
        self.writer.replaceHeader(encoded.bytes)
        self.writer.u32(CRC32C.checksum(self.writer.bytes))
        self.writer.u32(0)
        return self.writer.bytes
    }

    private static func isZero(_ image: UnsafeRawBufferPointer) -> Bool {
        // Page sizes are powers of two from 512 on, so whole words cover the page.
        for offset in stride(from: 0, to: image.count, by: 8)
        where image.loadUnaligned(fromByteOffset: offset, as: UInt64.self) != 0 {
            return false
        }
        return true
    }
}

/// Bytes to which records are appended and whose header is filled in at the end.
private struct ByteWriterAtOffsets {
    private(set) var bytes: [UInt8]

    init() {
        self.bytes = []
        self.bytes.reserveCapacity(32 << 10)
        self.bytes.append(contentsOf: repeatElement(0, count: SegmentHeader.byteCount))
    }

    mutating func u32(_ value: UInt32) {
        withUnsafeBytes(of: value.littleEndian) { self.bytes.append(contentsOf: $0) }
    }

    mutating func append(_ image: UnsafeRawBufferPointer) { self.bytes.append(contentsOf: image) }

    /// Marks the record at `offset` as the last one of a commit.
    mutating func setCommit(at offset: Int, pagesAfter: UInt32) {
        self.bytes[offset + 5] = 1
        self.bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: pagesAfter.littleEndian, toByteOffset: offset + 8, as: UInt32.self)
        }
    }

    mutating func replaceHeader(_ header: [UInt8]) {
        self.bytes.replaceSubrange(0..<SegmentHeader.byteCount, with: header)
    }
}
