import PairCore
import PairStore
import Testing

@Suite("CRC-32C: by the processor")
struct HardwareChecksumTests {
    @Test(.enabled(if: HardwareChecksum.install()), arguments: 0...70)
    func `is the same as by tables, whatever the length and the alignment`(count: Int) {
        var random = SplitMix(state: UInt64(count))
        let bytes = (0..<4_096 + count + 8).map { _ in UInt8(truncatingIfNeeded: random.next()) }

        for start in 0..<8 {
            for length in [count, 4_096 + count] {
                bytes.withUnsafeBytes { raw in
                    let part = UnsafeRawBufferPointer(rebasing: raw[start..<start + length])
                    let previous = UInt32(truncatingIfNeeded: random.next())
                    #expect(CRC32C.checksum(part) == CRC32C.byTables(part))
                    #expect(
                        CRC32C.checksum(part, continuing: previous)
                            == CRC32C.byTables(part, continuing: previous)
                    )
                }
            }
        }
    }

    @Test(.enabled(if: HardwareChecksum.install()))
    func `is what is used`() {
        let replacement = CRC32C.accelerated
        #expect(replacement != nil)
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xe306_9283)
    }
}
