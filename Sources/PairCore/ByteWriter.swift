/// Writes what ``ByteReader`` reads.
package struct ByteWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init(reserving byteCount: Int = 0) { self.bytes.reserveCapacity(byteCount) }

    package mutating func bytes(_ bytes: [UInt8]) { self.bytes.append(contentsOf: bytes) }

    package mutating func bytes(_ bytes: some Sequence<UInt8>) {
        self.bytes.append(contentsOf: bytes)
    }

    package mutating func u8(_ value: UInt8) { self.bytes.append(value) }
    package mutating func u16(_ value: UInt16) { self.append(value.littleEndian) }
    package mutating func u32(_ value: UInt32) { self.append(value.littleEndian) }
    package mutating func u64(_ value: UInt64) { self.append(value.littleEndian) }

    package mutating func u64s(_ values: (UInt64, UInt64, UInt64, UInt64)) {
        let (first, second, third, fourth) = values
        self.append(
            (first.littleEndian, second.littleEndian, third.littleEndian, fourth.littleEndian)
        )
    }

    package mutating func i64(_ value: Int64) { self.append(value.littleEndian) }
    package mutating func bool(_ value: Bool) { self.u8(value ? 1 : 0) }

    /// A u32 length and the bytes.
    package mutating func block(_ block: some Collection<UInt8>) {
        self.u32(UInt32(block.count))
        self.bytes.append(contentsOf: block)
    }

    /// A u32 length and the text in UTF-8.
    package mutating func text(_ text: String) { self.block(text.utf8) }

    /// As ``text(_:)``, cut at a character so that a reader with this limit takes it.
    package mutating func text(_ text: String, limit: Int) {
        var cut = Substring(text)
        while cut.utf8.count > limit {
            cut = cut.dropLast(max(1, (cut.utf8.count - limit) / 4))
        }
        self.block(cut.utf8)
    }

    package mutating func identifier(_ identifier: some RandomIdentifier) {
        self.u64(identifier.high)
        self.u64(identifier.low)
    }

    package mutating func digest(_ digest: VaultDigest) {
        self.u64s(digest.lanes)
    }

    package mutating func position(_ position: Position) {
        let (first, second, third, fourth) = position.digest.lanes
        self.append(
            (
                position.epoch.rawValue.littleEndian, position.txid.rawValue.littleEndian,
                first.littleEndian, second.littleEndian, third.littleEndian, fourth.littleEndian
            )
        )
    }

    /// Several words are appended as one, because lists of positions are long.
    private mutating func append<Words: BitwiseCopyable>(_ words: Words) {
        withUnsafeBytes(of: words) { self.bytes.append(contentsOf: $0) }
    }
}
