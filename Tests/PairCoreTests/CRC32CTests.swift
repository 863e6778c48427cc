import PairCore
import Testing

@Suite("CRC-32C: checksums of segments and envelopes")
struct CRC32CTests {
    /// The check value of the catalogue and the vectors of RFC 3720, appendix B.4.
    static let vectors: [(bytes: [UInt8], checksum: UInt32)] = [
        (Array("123456789".utf8), 0xe306_9283),
        ([], 0),
        ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
        ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
        (Array(0..<32), 0x46dd_794e),
        (Array((0..<32).reversed()), 0x113f_db5c),
    ]

    @Test(arguments: vectors)
    func `has the published values`(bytes: [UInt8], checksum: UInt32) {
        #expect(CRC32C.checksum(bytes) == checksum)
    }

    @Test(arguments: 0...70)
    func `is the same as bit by bit, whatever the length and the alignment`(count: Int) {
        var generator = SeededGenerator(seed: UInt64(count))
        let bytes = (0..<count + 8).map { _ in UInt8.random(in: 0...255, using: &generator) }

        for start in 0..<8 {
            let slice = bytes[start..<start + count]
            #expect(CRC32C.checksum(slice) == Self.bitByBit(slice))
        }
    }

    @Test func `goes on where it stopped`() {
        let bytes = (0..<100).map { UInt8($0) }
        let whole = CRC32C.checksum(bytes)

        for cut in 0...bytes.count {
            let joined = bytes.withUnsafeBytes { raw in
                let first = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: raw[..<cut]))
                return CRC32C.checksum(
                    UnsafeRawBufferPointer(rebasing: raw[cut...]),
                    continuing: first
                )
            }
            #expect(joined == whole)
        }
    }

    private static func bitByBit(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
        }
        return ~crc
    }
}
