package import PairCore

/// One page of a segment, as the record's header describes it.
package struct SegmentRecord: Hashable, Sendable {
    package var page: PageNumber
    /// The page is all zero bytes and no image is stored.
    package var isZero: Bool
    /// The vault's page count after the commit that this record closes; `nil` if it closes none.
    package var pagesAfter: UInt32?
    /// Where the image begins in the segment's bytes.
    package var imageOffset: Int

    package var closesCommit: Bool { self.pagesAfter != nil }
}

/// A segment whose every byte has been checked, readable without copying its pages.
///
/// Its bytes may come from the peer: nothing is used before the checksum, the header and all
/// records have been found in order. What a view cannot know is whether the segment continues the
/// history it is put to, and whether its pages give the header's `digestAfter`.
package struct SegmentView: Sendable {
    package let bytes: [UInt8]
    package let header: SegmentHeader

    package init(_ bytes: [UInt8]) throws(SegmentError) {
        let header = try SegmentHeader(decoding: bytes[...])
        guard bytes.count <= header.segmentByteCount else {
            throw .tooLong(
                expectedByteCount: header.segmentByteCount,
                actualByteCount: bytes.count
            )
        }
        guard bytes.count == header.segmentByteCount else {
            throw .tooShort(
                expectedByteCount: header.segmentByteCount,
                actualByteCount: bytes.count
            )
        }
        let end = bytes.count - SegmentHeader.trailerByteCount
        let (stored, padding) = bytes.withUnsafeBytes { raw in
            (
                UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: end, as: UInt32.self)),
                raw.loadUnaligned(fromByteOffset: end + 4, as: UInt32.self)
            )
        }
        let computed = CRC32C.checksum(bytes[..<end])
        guard stored == computed else { throw .wrongChecksum(expected: computed, actual: stored) }
        guard padding == 0 else { throw .badField(.reserved) }
        try Self.checkRecords(bytes, header)
        self.bytes = bytes
        self.header = header
    }

    /// The records, in the order in which they take effect.
    package var records: Records {
        Records(bytes: self.bytes, remaining: self.header.recordCount, header: self.header)
    }

    /// Calls `body` with the record's page; of a zero page with an empty buffer.
    package func withImage<Value, Failure: Error>(
        of record: SegmentRecord,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let count = record.isZero ? 0 : self.header.pageSize.byteCount
        return try self.bytes.span.bytes.withUnsafeBytes { raw throws(Failure) in
            let image = record.imageOffset..<record.imageOffset + count
            return try body(UnsafeRawBufferPointer(rebasing: raw[image]))
        }
    }

    /// Walks over a checked segment's records.
    package struct Records: Sequence, IteratorProtocol, Sendable {
        fileprivate let bytes: [UInt8]
        fileprivate var remaining: UInt32
        fileprivate let pageByteCount: Int
        fileprivate var offset = SegmentHeader.byteCount

        fileprivate init(bytes: [UInt8], remaining: UInt32, header: SegmentHeader) {
            self.bytes = bytes
            self.remaining = remaining
            self.pageByteCount = header.pageSize.byteCount
        }

        package mutating func next() -> SegmentRecord? {
            guard self.remaining > 0 else { return nil }
            let raw = RawRecord(self.bytes, at: self.offset)
            let image = self.offset + SegmentHeader.recordHeaderByteCount
            self.remaining -= 1
            self.offset = image + Int(raw.length)
            return SegmentRecord(
                page: PageNumber(raw.page),
                isZero: raw.encoding == RawRecord.zeroPage,
                pagesAfter: raw.flags == 1 ? raw.pagesAfter : nil,
                imageOffset: image
            )
        }
    }

    private static func checkRecords(
        _ bytes: [UInt8],
        _ header: SegmentHeader
    ) throws(SegmentError) {
        let end = bytes.count - SegmentHeader.trailerByteCount
        var offset = SegmentHeader.byteCount
        var highestPage: UInt32 = 0
        var commitCount: UInt64 = 0
        var closed = true
        for index in 0..<Int(header.recordCount) {
            guard offset + SegmentHeader.recordHeaderByteCount <= end else {
                throw .badField(.payloadLength)
            }
            let record = RawRecord(bytes, at: offset)
            if let field = record.contradiction(pageSize: header.pageSize) {
                throw .badRecord(index: index, field)
            }
            offset += SegmentHeader.recordHeaderByteCount + Int(record.length)
            guard offset <= end else { throw .badRecord(index: index, .length) }
            highestPage = Swift.max(highestPage, record.page)
            closed = record.flags == 1
            guard closed else { continue }
            // What SQLite wrote beyond the end of a vault that the same commit has shortened is
            // left out by the sender.
            guard highestPage <= record.pagesAfter else {
                throw .badRecord(index: index, .pagesAfter)
            }
            guard index < Int(header.recordCount) - 1 || record.pagesAfter == header.pagesAfter
            else { throw .badRecord(index: index, .pagesAfter) }
            commitCount += 1
            highestPage = 0
        }
        guard offset == end else { throw .badField(.payloadLength) }
        let expected =
            header.isOpenPart || header.recordCount == 0
            ? 0 : header.last.rawValue - header.first.rawValue + 1
        guard commitCount == expected, closed || header.isOpenPart else {
            throw .badField(.recordCount)
        }
    }
}

/// A record's 16 bytes before its image.
private struct RawRecord {
    let page: UInt32
    let encoding: UInt8
    let flags: UInt8
    let reserved: UInt16
    let pagesAfter: UInt32
    let length: UInt32

    static let rawPage: UInt8 = 0
    static let zeroPage: UInt8 = 1

    /// `bytes` has at least 16 from `offset` on.
    init(_ bytes: [UInt8], at offset: Int) {
        (self.page, self.encoding, self.flags, self.reserved, self.pagesAfter, self.length) =
            bytes.withUnsafeBytes { raw in
                (
                    UInt32(
                        littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                    ),
                    raw[offset + 4], raw[offset + 5],
                    UInt16(
                        littleEndian: raw.loadUnaligned(fromByteOffset: offset + 6, as: UInt16.self)
                    ),
                    UInt32(
                        littleEndian: raw.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self)
                    ),
                    UInt32(
                        littleEndian: raw.loadUnaligned(
                            fromByteOffset: offset + 12,
                            as: UInt32.self
                        )
                    )
                )
            }
    }

    func contradiction(pageSize: PageSize) -> SegmentError.Field? {
        guard self.page > 0, PageNumber(self.page) != pageSize.lockPage else { return .pageNumber }
        guard self.flags <= 1 else { return .flags }
        guard self.reserved == 0 else { return .reserved }
        guard (self.flags == 1) == (self.pagesAfter > 0) else { return .pagesAfter }
        switch self.encoding {
        case Self.rawPage: return self.length == UInt32(pageSize.byteCount) ? nil : .length
        case Self.zeroPage: return self.length == 0 ? nil : .length
        default: return .encoding
        }
    }
}
