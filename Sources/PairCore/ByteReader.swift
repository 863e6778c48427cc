/// Reads fixed-width little-endian values from bytes that nobody has checked yet.
///
/// Every read says the field's name, so that an error does too. No length that was read is trusted
/// before it is compared with what is left.
package struct ByteReader: Sendable {
    private let bytes: ArraySlice<UInt8>
    private var index: Int

    package init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        self.index = bytes.startIndex
    }

    package init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    /// How many bytes have not been read yet.
    package var remaining: Int { self.bytes.endIndex - self.index }

    package mutating func bytes(
        _ count: Int,
        _ field: ByteError.StaticName
    ) throws(ByteError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= self.remaining else {
            throw .tooShort(field: field, needed: count, available: self.remaining)
        }
        defer { self.index += count }
        return self.bytes[self.index..<self.index + count]
    }

    package mutating func u8(_ field: ByteError.StaticName) throws(ByteError) -> UInt8 {
        try self.word(UInt8.self, field)
    }

    package mutating func u16(_ field: ByteError.StaticName) throws(ByteError) -> UInt16 {
        try self.word(UInt16.self, field)
    }

    package mutating func u32(_ field: ByteError.StaticName) throws(ByteError) -> UInt32 {
        try self.word(UInt32.self, field)
    }

    package mutating func u64(_ field: ByteError.StaticName) throws(ByteError) -> UInt64 {
        try self.word(UInt64.self, field)
    }

    package mutating func u64s(
        _ field: ByteError.StaticName
    ) throws(ByteError) -> (UInt64, UInt64, UInt64, UInt64) {
        typealias Lanes = (UInt64, UInt64, UInt64, UInt64)
        let lanes = try self.load(Lanes.self, field)
        return (
            UInt64(littleEndian: lanes.0), UInt64(littleEndian: lanes.1),
            UInt64(littleEndian: lanes.2), UInt64(littleEndian: lanes.3)
        )
    }

    package mutating func i64(_ field: ByteError.StaticName) throws(ByteError) -> Int64 {
        try self.word(Int64.self, field)
    }

    /// One byte that must be 0 or 1.
    package mutating func bool(_ field: ByteError.StaticName) throws(ByteError) -> Bool {
        let value = try self.u8(field)
        guard value <= 1 else { throw .outOfRange(field: field, value: UInt64(value)) }
        return value == 1
    }

    /// A u32 length of at most `limit` and that many bytes.
    package mutating func block(
        limit: Int,
        _ field: ByteError.StaticName
    ) throws(ByteError) -> [UInt8] {
        let count = try self.u32(field)
        guard count <= limit else { throw .outOfRange(field: field, value: UInt64(count)) }
        return Array(try self.bytes(Int(count), field))
    }

    /// A u32 length of at most `limit` and that many bytes of UTF-8.
    package mutating func text(
        limit: Int,
        _ field: ByteError.StaticName
    ) throws(ByteError) -> String {
        let bytes = try self.block(limit: limit, field)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .notText(field: field)
        }
        return text
    }

    /// An identifier's 16 bytes.
    package mutating func identifier<ID: RandomIdentifier>(
        _ type: ID.Type,
        _ field: ByteError.StaticName
    ) throws(ByteError) -> ID {
        ID(high: try self.u64(field), low: try self.u64(field))
    }

    package mutating func digest(_ field: ByteError.StaticName) throws(ByteError) -> VaultDigest {
        let lanes = try self.u64s(field)
        return VaultDigest(lanes.0, lanes.1, lanes.2, lanes.3)
    }

    package mutating func position(_ field: ByteError.StaticName) throws(ByteError) -> Position {
        Position(
            epoch: Epoch(rawValue: try self.u64(field)),
            txid: TXID(try self.u64(field)),
            digest: try self.digest(field)
        )
    }

    /// Ends the reading: anything left is an error.
    package func finish() throws(ByteError) {
        guard self.remaining == 0 else { throw .trailing(byteCount: self.remaining) }
    }

    private mutating func word<Word: FixedWidthInteger & BitwiseCopyable>(
        _ type: Word.Type,
        _ field: ByteError.StaticName
    ) throws(ByteError) -> Word {
        Word(littleEndian: try self.load(type, field))
    }

    private mutating func load<Words: BitwiseCopyable>(
        _ type: Words.Type,
        _ field: ByteError.StaticName
    ) throws(ByteError) -> Words {
        let byteCount = MemoryLayout<Words>.size
        guard byteCount <= self.remaining else {
            throw .tooShort(field: field, needed: byteCount, available: self.remaining)
        }
        let offset = self.index - self.bytes.startIndex
        self.index += byteCount
        return self.bytes.withUnsafeBytes {
            $0.loadUnaligned(fromByteOffset: offset, as: type)
        }
    }
}
