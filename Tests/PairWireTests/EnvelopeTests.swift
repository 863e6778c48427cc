import PairCore
import PairWire
import Testing

@Suite("Envelope: one message with its length and checksum")
struct EnvelopeTests {
    @Test func `has the bytes that the format says`() {
        let envelope = Envelope(type: 0x21, payload: [1, 2, 3])

        let bytes = envelope.encoded()

        let checksum = CRC32C.checksum([0x21, 0, 1, 2, 3])
        #expect(
            bytes == [3, 0, 0, 0, 0x21, 0, 0, 0]
                + (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) } + [1, 2, 3]
        )
    }

    @Test(arguments: [0, 1, 4096, Envelope.payloadLimit])
    func `comes back as it was`(size: Int) throws {
        let envelope = Envelope(
            type: 16,
            payload: (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        )

        #expect(try Envelope(decoding: envelope.encoded()) == envelope)
    }

    @Test func `notices every bit that is flipped`() {
        let bytes = Envelope(type: 16, payload: Array("a segment".utf8)).encoded()

        for index in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << UInt8(bit)
                #expect(throws: EnvelopeError.self) { try Envelope(decoding: changed) }
            }
        }
    }

    @Test func `refuses a length above the limit before it looks for the payload`() {
        var writer = ByteWriter()
        writer.u32(1025)
        writer.u8(16)
        writer.bytes([0, 0, 0, 0, 0, 0, 0])

        #expect(throws: EnvelopeError.tooLong(byteCount: 1025, limit: 1024)) {
            try Envelope(decoding: writer.bytes, limit: 1024)
        }
    }

    @Test(arguments: 0..<12)
    func `refuses a header that is cut`(count: Int) {
        let bytes = Array(Envelope(type: 16, payload: []).encoded().prefix(count))

        #expect(throws: EnvelopeError.tooShort(needed: 12, available: count)) {
            try Envelope(decoding: bytes)
        }
    }
}
