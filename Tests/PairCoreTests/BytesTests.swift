import PairCore
import Testing

@Suite("ByteWriter and ByteReader: fixed widths, lowest byte first")
struct BytesTests {
    @Test func `write what the format says`() {
        var writer = ByteWriter()
        writer.u8(0x01)
        writer.u16(0x0203)
        writer.u32(0x0405_0607)
        writer.u64(0x0809_0a0b_0c0d_0e0f)
        writer.i64(-2)
        writer.bool(true)
        writer.text("é")

        #expect(
            writer.bytes == [
                0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09,
                0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 2, 0, 0, 0, 0xc3, 0xa9,
            ]
        )
    }

    @Test func `read what was written`() throws {
        let position = Position(
            epoch: Epoch(rawValue: 7),
            txid: TXID(.max),
            digest: VaultDigest(1, 2, 3, .max)
        )
        let node = NodeID(high: 0x0123_4567_89ab_cdef, low: .max)
        var writer = ByteWriter()
        writer.u16(.max)
        writer.i64(.min)
        writer.identifier(node)
        writer.position(position)
        writer.block([1, 2, 3])
        writer.text("")
        writer.bool(false)

        var reader = ByteReader(writer.bytes)

        #expect(try reader.u16("a") == .max)
        #expect(try reader.i64("b") == .min)
        #expect(try reader.identifier(NodeID.self, "c") == node)
        #expect(try reader.position("d") == position)
        #expect(try reader.block(limit: 3, "e") == [1, 2, 3])
        #expect(try reader.text(limit: 0, "f") == "")
        #expect(try reader.bool("g") == false)
        try reader.finish()
    }

    @Test func `read a slice from where it starts`() throws {
        let bytes: [UInt8] = [9, 9, 1, 2, 9]
        var reader = ByteReader(bytes[2..<4])

        #expect(try reader.u16("value") == 0x0201)
        #expect(reader.remaining == 0)
        try reader.finish()
    }

    @Test func `name the field that is cut off`() {
        var reader = ByteReader([1, 2, 3])

        #expect(throws: ByteError.tooShort(field: "epoch", needed: 8, available: 3)) {
            try reader.u64("epoch")
        }
        #expect(reader.remaining == 3)
    }

    @Test(arguments: [UInt32(5), 1024, .max])
    func `believe no length before it is compared`(claimed: UInt32) {
        var writer = ByteWriter()
        writer.u32(claimed)
        writer.bytes([1, 2, 3, 4])
        var limited = ByteReader(writer.bytes)
        var unlimited = ByteReader(writer.bytes)

        #expect(throws: ByteError.outOfRange(field: "block", value: UInt64(claimed))) {
            try limited.block(limit: 4, "block")
        }
        #expect(throws: ByteError.tooShort(field: "block", needed: Int(claimed), available: 4)) {
            try unlimited.block(limit: .max, "block")
        }
    }

    @Test func `refuse a negative count`() {
        var reader = ByteReader([1])

        #expect(throws: ByteError.self) { try reader.bytes(-1, "field") }
    }

    @Test(arguments: [[UInt8]([0xff]), [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80]])
    func `take nothing for text that is not UTF-8`(bytes: [UInt8]) {
        var writer = ByteWriter()
        writer.block(bytes)
        var reader = ByteReader(writer.bytes)

        #expect(throws: ByteError.notText(field: "name")) { try reader.text(limit: 10, "name") }
    }

    @Test(arguments: [UInt8(2), 3, 0x80, 0xff])
    func `take nothing but 0 and 1 for a truth`(value: UInt8) {
        var reader = ByteReader([value])

        #expect(throws: ByteError.outOfRange(field: "full", value: UInt64(value))) {
            try reader.bool("full")
        }
    }

    @Test func `end only at the end`() {
        var reader = ByteReader([1, 2])
        _ = try? reader.u8("first")

        #expect(throws: ByteError.trailing(byteCount: 1)) { try reader.finish() }
    }
}
