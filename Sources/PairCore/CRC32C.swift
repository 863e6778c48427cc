/// CRC-32C (Castagnoli; RFC 3720, appendix B.4), eight bytes at a time.
package enum CRC32C {
    /// Computes the same with an instruction of the processor; what covers nothing continues 0.
    package typealias Accelerated = @convention(c) (UInt32, UnsafeRawPointer?, Int) -> UInt32

    /// Set once, by who may know the processor; `nil` leaves it to the tables.
    ///
    /// One word, and both of its values lead to the same checksums: a thread that reads the old one
    /// only takes longer.
    package nonisolated(unsafe) static var accelerated: Accelerated?

    /// Eight tables of 256 words, one after the other ("slicing by 8").
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for index in 0..<256 {
            var crc = UInt32(index)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
            tables[index] = crc
        }
        for index in 256..<tables.count {
            let before = tables[index - 256]
            tables[index] = before >> 8 ^ tables[Int(before & 0xff)]
        }
        return tables
    }()

    /// The checksum of `bytes`, or of what `previous` covered and then `bytes`.
    package static func checksum(
        _ bytes: UnsafeRawBufferPointer,
        continuing previous: UInt32 = 0
    ) -> UInt32 {
        if let accelerated { return accelerated(previous, bytes.baseAddress, bytes.count) }
        return self.byTables(bytes, continuing: previous)
    }

    /// The same, without the processor's help.
    package static func byTables(
        _ bytes: UnsafeRawBufferPointer,
        continuing previous: UInt32 = 0
    ) -> UInt32 {
        self.tables.withUnsafeBufferPointer { tables in
            var crc = ~previous
            var index = 0
            while index + 8 <= bytes.count {
                let word =
                    UInt64(
                        littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                    )
                    ^ UInt64(crc)
                crc =
                    tables[1792 + Int(word & 0xff)] ^ tables[1536 + Int(word >> 8 & 0xff)]
                    ^ tables[1280 + Int(word >> 16 & 0xff)] ^ tables[1024 + Int(word >> 24 & 0xff)]
                    ^ tables[768 + Int(word >> 32 & 0xff)] ^ tables[512 + Int(word >> 40 & 0xff)]
                    ^ tables[256 + Int(word >> 48 & 0xff)] ^ tables[Int(word >> 56)]
                index += 8
            }
            while index < bytes.count {
                crc = crc >> 8 ^ tables[Int(UInt8(truncatingIfNeeded: crc) ^ bytes[index])]
                index += 1
            }
            return ~crc
        }
    }

    package static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.withUnsafeBytes { self.checksum($0) }
    }

    package static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { self.checksum($0) }
    }
}
