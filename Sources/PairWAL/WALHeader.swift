package import PairCore

/// The 32 bytes at the head of a WAL, which name its generation.
package struct WALHeader: Hashable, Sendable {
    package static let byteCount = 32
    private static let magic: UInt32 = 0x377f_0682
    private static let version: UInt32 = 3_007_000

    /// Whether checksums read their words big-endian; writers choose their machine's order.
    package var hasBigEndianChecksums: Bool
    package var pageSize: PageSize
    /// Counts restarts per connection; means nothing across connections.
    package var checkpointSequence: UInt32
    /// Both salts, the first in the upper half, as the file spells them.
    package var salts: UInt64

    package init(
        hasBigEndianChecksums: Bool,
        pageSize: PageSize,
        checkpointSequence: UInt32,
        salts: UInt64
    ) {
        self.hasBigEndianChecksums = hasBigEndianChecksums
        self.pageSize = pageSize
        self.checkpointSequence = checkpointSequence
        self.salts = salts
    }

    /// Reads a header and proves its checksum.
    ///
    /// - Throws: ``WALError`` when the bytes are not a header.
    package init(_ bytes: UnsafeRawBufferPointer) throws(WALError) {
        guard bytes.count >= Self.byteCount else {
            throw .tooShort(needed: Self.byteCount, available: bytes.count)
        }
        let magic = bytes.bigEndianWord(at: 0)
        guard magic & ~1 == Self.magic else { throw .wrongMagic(magic) }
        let version = bytes.bigEndianWord(at: 4)
        guard version == Self.version else { throw .wrongVersion(version) }
        let pageSize = bytes.bigEndianWord(at: 8)
        guard let size = PageSize(byteCount: Int(pageSize)) else { throw .wrongPageSize(pageSize) }
        self.hasBigEndianChecksums = magic & 1 == 1
        self.pageSize = size
        self.checkpointSequence = bytes.bigEndianWord(at: 12)
        self.salts = UInt64(bytes.bigEndianWord(at: 16)) << 32 | UInt64(bytes.bigEndianWord(at: 20))
        let found = WALChecksum(bytes.bigEndianWord(at: 24), bytes.bigEndianWord(at: 28))
        var computed = WALChecksum.zero
        computed.add(
            UnsafeRawBufferPointer(rebasing: bytes[..<24]),
            isBigEndian: self.hasBigEndianChecksums
        )
        guard computed == found else { throw .headerChecksum }
    }

    /// The 32 bytes with their checksum.
    package var encoded: [UInt8] { self.encodedWithChecksum.bytes }

    /// Where the running checksum of the frames starts.
    package var checksum: WALChecksum { self.encodedWithChecksum.checksum }

    private var encodedWithChecksum: (bytes: [UInt8], checksum: WALChecksum) {
        var bytes = [UInt8](repeating: 0, count: Self.byteCount)
        let checksum = bytes.withUnsafeMutableBytes { bytes in
            bytes.storeBigEndian(Self.magic | (self.hasBigEndianChecksums ? 1 : 0), at: 0)
            bytes.storeBigEndian(Self.version, at: 4)
            bytes.storeBigEndian(UInt32(self.pageSize.byteCount), at: 8)
            bytes.storeBigEndian(self.checkpointSequence, at: 12)
            bytes.storeBigEndian(UInt32(truncatingIfNeeded: self.salts >> 32), at: 16)
            bytes.storeBigEndian(UInt32(truncatingIfNeeded: self.salts), at: 20)
            var checksum = WALChecksum.zero
            checksum.add(
                UnsafeRawBufferPointer(rebasing: bytes[..<24]),
                isBigEndian: self.hasBigEndianChecksums
            )
            bytes.storeBigEndian(checksum.first, at: 24)
            bytes.storeBigEndian(checksum.second, at: 28)
            return checksum
        }
        return (bytes, checksum)
    }
}

/// Why bytes are not what a WAL holds.
package enum WALError: Error, Hashable, Sendable {
    case tooShort(needed: Int, available: Int)
    case wrongMagic(UInt32)
    case wrongVersion(UInt32)
    case wrongPageSize(UInt32)
    case headerChecksum
    case frameSalts(frame: UInt32, found: UInt64, expected: UInt64)
    case frameChecksum(frame: UInt32)
    case noPage(frame: UInt32)
}

extension UnsafeRawBufferPointer {
    /// The four bytes at `offset` as WALs spell all numbers.
    package func bigEndianWord(at offset: Int) -> UInt32 {
        UInt32(bigEndian: self.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}

extension UnsafeMutableRawBufferPointer {
    package func storeBigEndian(_ value: UInt32, at offset: Int) {
        self.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
    }
}
