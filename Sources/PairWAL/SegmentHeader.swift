package import PairCore

/// What a segment says about itself, before any of its pages (`Segment-Format.md`, section 2).
///
/// A header that was decoded is consistent in itself; whether the records agree with it is known
/// only once a ``SegmentView`` has been made.
package struct SegmentHeader: Hashable, Sendable {
    package var kind: Kind
    package var part: Part
    package var pageSize: PageSize
    package var epoch: Epoch
    package var first: TXID
    package var last: TXID
    /// The vault's page count after `last`; 0 while more parts follow.
    package var pagesAfter: UInt32
    package var recordCount: UInt32
    package var payloadByteCount: Int
    /// Microseconds since 1970 on the primary's clock, for display only.
    package var commitTimeMicroseconds: Int64
    package var digestBefore: VaultDigest
    /// The digest after ``last``; ``VaultDigest/empty`` while more parts follow.
    package var digestAfter: VaultDigest

    package enum Kind: UInt8, Hashable, Sendable {
        case transactions = 1
        /// Brings a log whose continuity could not be proven level with the file.
        case heal = 2
    }

    /// Whether the segment holds whole transactions, or a piece of one that is too big for one.
    package enum Part: Hashable, Sendable {
        case whole
        /// More parts follow; nothing takes effect before the closing one. Counted from 0.
        case open(index: UInt32)
        /// The last part; never the first one.
        case closing(index: UInt32)
    }

    package init(
        kind: Kind,
        part: Part,
        pageSize: PageSize,
        epoch: Epoch,
        first: TXID,
        last: TXID,
        pagesAfter: UInt32,
        recordCount: UInt32,
        payloadByteCount: Int,
        commitTimeMicroseconds: Int64,
        digestBefore: VaultDigest,
        digestAfter: VaultDigest
    ) {
        self.kind = kind
        self.part = part
        self.pageSize = pageSize
        self.epoch = epoch
        self.first = first
        self.last = last
        self.pagesAfter = pagesAfter
        self.recordCount = recordCount
        self.payloadByteCount = payloadByteCount
        self.commitTimeMicroseconds = commitTimeMicroseconds
        self.digestBefore = digestBefore
        self.digestAfter = digestAfter
    }

    package static let byteCount = 128
    package static let trailerByteCount = 8
    package static let recordHeaderByteCount = 16
    /// No segment is longer, so that it fits one message on the wire and one record in the log.
    package static let longestSegmentByteCount = 1 << 20

    package static let magic: UInt32 = 0x4745_5350  // "PSEG"
    package static let version: UInt16 = 1
    /// SHA-256 as in `PageHash`.
    package static let hashAlgorithm: UInt8 = 1

    /// Where the vault is once the segment has taken effect; `nil` while more parts follow.
    package var position: Position? {
        self.isOpenPart
            ? nil : Position(epoch: self.epoch, txid: self.last, digest: self.digestAfter)
    }

    package var isOpenPart: Bool {
        if case .open = self.part { true } else { false }
    }

    /// Counted from 0; 0 for a whole segment.
    package var partIndex: UInt32 {
        switch self.part {
        case .whole: 0
        case .open(let index), .closing(let index): index
        }
    }

    /// Of the whole segment: header, payload and trailer.
    package var segmentByteCount: Int {
        Self.byteCount + self.payloadByteCount + Self.trailerByteCount
    }
}

extension SegmentHeader {
    package func encode(into writer: inout ByteWriter) {
        writer.u32(Self.magic)
        writer.u16(Self.version)
        writer.u16(UInt16(Self.byteCount))
        writer.u8(self.kind.rawValue)
        writer.u8(self.isOpenPart ? 1 : 0)
        writer.u8(self.pageSize.log2)
        writer.u8(Self.hashAlgorithm)
        writer.u32(self.partIndex)
        writer.u64(self.epoch.rawValue)
        writer.u64(self.first.rawValue)
        writer.u64(self.last.rawValue)
        writer.u32(self.pagesAfter)
        writer.u32(self.recordCount)
        writer.u64(UInt64(self.payloadByteCount))
        writer.i64(self.commitTimeMicroseconds)
        writer.digest(self.digestBefore)
        writer.digest(self.digestAfter)
    }

    /// Reads the first ``byteCount`` bytes of a segment; what follows them is not looked at.
    ///
    /// - Throws: when the bytes are no header, or one whose fields contradict each other.
    package init(decoding bytes: ArraySlice<UInt8>) throws(SegmentError) {
        guard bytes.count >= Self.byteCount else {
            throw .tooShort(expectedByteCount: Self.byteCount, actualByteCount: bytes.count)
        }
        let decoded: Result<SegmentHeader, SegmentError>
        do throws(ByteError) {
            var reader = ByteReader(bytes)
            decoded = try Self.decode(&reader)
        } catch {
            throw .badField(.headerLength)
        }
        self = try decoded.get()
    }

    private static func decode(
        _ reader: inout ByteReader
    ) throws(ByteError) -> Result<SegmentHeader, SegmentError> {
        let magic = try reader.u32("magic")
        guard magic == Self.magic else { return .failure(.wrongMagic(magic)) }
        let version = try reader.u16("version")
        guard version == Self.version else { return .failure(.unknownVersion(version)) }
        guard try reader.u16("headerLength") == UInt16(Self.byteCount) else {
            return .failure(.badField(.headerLength))
        }
        guard let kind = Kind(rawValue: try reader.u8("kind")) else {
            return .failure(.badField(.kind))
        }
        let flags = try reader.u8("flags")
        guard flags <= 1 else { return .failure(.badField(.flags)) }
        let log2 = try reader.u8("pageSizeLog2")
        guard log2 <= 16, let pageSize = PageSize(byteCount: 1 << Int(log2)) else {
            return .failure(.badField(.pageSize))
        }
        guard try reader.u8("hashAlgorithm") == Self.hashAlgorithm else {
            return .failure(.badField(.hashAlgorithm))
        }
        let partIndex = try reader.u32("partIndex")
        let part: Part =
            flags == 1
            ? .open(index: partIndex) : partIndex == 0 ? .whole : .closing(index: partIndex)
        let epoch = Epoch(rawValue: try reader.u64("epoch"))
        let first = TXID(try reader.u64("txidFirst"))
        let last = TXID(try reader.u64("txidLast"))
        let pagesAfter = try reader.u32("pagesAfter")
        let recordCount = try reader.u32("recordCount")
        let payloadByteCount = try reader.u64("payloadLength")
        guard payloadByteCount <= UInt64(Self.longestPayloadByteCount) else {
            return .failure(.badField(.payloadLength))
        }
        let header = SegmentHeader(
            kind: kind,
            part: part,
            pageSize: pageSize,
            epoch: epoch,
            first: first,
            last: last,
            pagesAfter: pagesAfter,
            recordCount: recordCount,
            payloadByteCount: Int(payloadByteCount),
            commitTimeMicroseconds: try reader.i64("commitTime"),
            digestBefore: try reader.digest("digestBefore"),
            digestAfter: try reader.digest("digestAfter")
        )
        if let field = header.contradiction { return .failure(.badField(field)) }
        return .success(header)
    }

    package static let longestPayloadByteCount =
        Self.longestSegmentByteCount - Self.byteCount - Self.trailerByteCount

    /// The first field that cannot be true beside the others.
    private var contradiction: SegmentError.Field? {
        guard self.first > .zero, self.last >= self.first, self.last.rawValue < UInt64.max else {
            return .txid
        }
        let commitCount = self.last.rawValue - self.first.rawValue + 1
        switch self.part {
        case .whole:
            // One commit may have changed no page at all; several must each have a closing record.
            guard self.recordCount >= commitCount || (self.recordCount == 0 && commitCount == 1)
            else { return .recordCount }
        case .open, .closing:
            guard commitCount == 1 else { return .txid }
            guard self.recordCount > 0 else { return .recordCount }
        }
        guard self.isOpenPart == (self.pagesAfter == 0) else { return .pagesAfter }
        guard !self.isOpenPart || self.digestAfter == .empty else { return .digestAfter }
        let least = UInt64(self.recordCount) * UInt64(Self.recordHeaderByteCount)
        guard UInt64(self.payloadByteCount) >= least else { return .payloadLength }
        return nil
    }
}
