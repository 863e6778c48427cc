/// SQLite's running checksum over a WAL: two sums, fed eight bytes at a time (fileformat2, 4.2).
///
/// It starts at zero over the first 24 bytes of the header and goes on, frame after frame, over the
/// first eight bytes of each frame's header and its page.
package struct WALChecksum: Hashable, Sendable {
    package var first: UInt32
    package var second: UInt32

    package init(_ first: UInt32, _ second: UInt32) {
        self.first = first
        self.second = second
    }

    package static let zero = WALChecksum(0, 0)

    /// Takes in `bytes`, whose count is a multiple of eight.
    ///
    /// `isBigEndian` is how the file's magic says that words are read.
    package mutating func add(_ bytes: UnsafeRawBufferPointer, isBigEndian: Bool) {
        precondition(bytes.count.isMultiple(of: 8), "checksum of \(bytes.count) bytes")
        var first = self.first
        var second = self.second
        var offset = 0
        if isBigEndian {
            while offset < bytes.count {
                let words = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self).bigEndian
                first &+= UInt32(truncatingIfNeeded: words >> 32) &+ second
                second &+= UInt32(truncatingIfNeeded: words) &+ first
                offset += 8
            }
        } else {
            while offset < bytes.count {
                let words = UInt64(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                )
                first &+= UInt32(truncatingIfNeeded: words) &+ second
                second &+= UInt32(truncatingIfNeeded: words >> 32) &+ first
                offset += 8
            }
        }
        self.first = first
        self.second = second
    }
}
