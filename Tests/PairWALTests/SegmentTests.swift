import PairCore
import PairWAL
import TestThreads
import Testing

@Suite("Segments: bytes in, the same pages out", .partOfMachine, .ownThreads)
struct SegmentTests {
    let digest = VaultDigest(1, 2, 3, 4)
    let after = VaultDigest(5, 6, 7, 8)

    @Test(arguments: [512, 4096, 65_536])
    func `carries several commits and keeps their boundaries`(byteCount: Int) throws {
        let size = try #require(PageSize(byteCount: byteCount))
        var builder = self.builder(size)
        self.append(&builder, page: 1, filledWith: 7, size)
        self.append(&builder, page: 3, filledWith: 0, size)
        builder.endCommit(pagesAfter: 3)
        self.append(&builder, page: 2, filledWith: 9, size)
        builder.endCommit(pagesAfter: 2)

        let view = try SegmentView(builder.finish(digestAfter: self.after))

        #expect(view.header.part == .whole)
        #expect(view.header.first == TXID(41))
        #expect(view.header.last == TXID(42))
        #expect(view.header.pagesAfter == 2)
        #expect(
            view.header.position
                == Position(epoch: Epoch(rawValue: 6), txid: TXID(42), digest: self.after)
        )
        let records = Array(view.records)
        #expect(records.map(\.page.rawValue) == [1, 3, 2])
        #expect(records.map(\.pagesAfter) == [nil, 3, 2])
        #expect(records.map(\.isZero) == [false, true, false])
        let fills = records.map { view.withImage(of: $0) { $0.first } }
        #expect(fills == [7, nil, 9])
        let counts = records.map { view.withImage(of: $0) { $0.count } }
        #expect(counts == [byteCount, 0, byteCount])
    }

    @Test func `carries a commit that changed no page`() throws {
        let size = try #require(PageSize(byteCount: 4096))
        var builder = self.builder(size)
        builder.endCommit(pagesAfter: 12)

        let view = try SegmentView(builder.finish(digestAfter: self.digest))

        #expect(view.header.first == view.header.last)
        #expect(view.header.pagesAfter == 12)
        #expect(Array(view.records).isEmpty)
    }

    @Test(arguments: [512, 4096, 65_536])
    func `never grows beyond one mebibyte`(byteCount: Int) throws {
        let size = try #require(PageSize(byteCount: byteCount))
        var builder = self.builder(size)
        var page: UInt32 = 0
        while builder.hasRoom {
            page += 1
            self.append(&builder, page: page, filledWith: 1, size)
        }

        let bytes = builder.finishOpenPart()

        #expect(bytes.count <= 1 << 20)
        #expect(bytes.count > (1 << 20) - byteCount - 16 - 8)
        #expect(bytes.count.isMultiple(of: 8))
        let view = try SegmentView(bytes)
        #expect(view.header.part == .open(index: 0))
        #expect(view.header.position == nil)
        #expect(view.header.recordCount == page)
    }

    @Test func `closes a transaction in parts with the last one`() throws {
        let size = try #require(PageSize(byteCount: 512))
        var first = self.builder(size)
        self.append(&first, page: 9, filledWith: 1, size)
        var second = self.builder(size, part: 1)
        self.append(&second, page: 2, filledWith: 1, size)
        second.endCommit(pagesAfter: 9)

        let open = try SegmentView(first.finishOpenPart())
        let closing = try SegmentView(second.finish(digestAfter: self.after))

        #expect(open.header.part == .open(index: 0))
        #expect(closing.header.part == .closing(index: 1))
        #expect(open.header.first == closing.header.last)
        #expect(closing.header.position?.txid == TXID(41))
    }

    @Test func `is written as its document says`() throws {
        let size = try #require(PageSize(byteCount: 512))
        var builder = self.builder(size)
        self.append(&builder, page: 5, filledWith: 0xab, size)
        builder.endCommit(pagesAfter: 6)

        let bytes = builder.finish(digestAfter: self.after)

        #expect(bytes.count == 128 + 16 + 512 + 8)
        #expect(Array(bytes[..<4]) == Array("PSEG".utf8))
        #expect(Array(bytes[4..<16]) == [1, 0, 128, 0, 1, 0, 9, 1, 0, 0, 0, 0])
        #expect(bytes[16] == 6)
        #expect(bytes[24] == 41)
        #expect(bytes[32] == 41)
        #expect(Array(bytes[40..<48]) == [6, 0, 0, 0, 1, 0, 0, 0])
        #expect(Array(bytes[48..<56]) == [16, 2, 0, 0, 0, 0, 0, 0])
        #expect(bytes[64] == 1 && bytes[96] == 5)
        #expect(Array(bytes[128..<144]) == [5, 0, 0, 0, 0, 1, 0, 0, 6, 0, 0, 0, 0, 2, 0, 0])
    }

    private func builder(_ size: PageSize, part: UInt32 = 0) -> SegmentBuilder {
        SegmentBuilder(
            pageSize: size,
            epoch: Epoch(rawValue: 6),
            first: TXID(41),
            digestBefore: self.digest,
            commitTimeMicroseconds: 1_700_000_000_000_000,
            partIndex: part
        )
    }

    private func append(
        _ builder: inout SegmentBuilder,
        page: UInt32,
        filledWith byte: UInt8,
        _ size: PageSize
    ) {
        [UInt8](repeating: byte, count: size.byteCount).withUnsafeBytes {
            builder.append(PageNumber(page), $0)
        }
    }
}

@Suite("Segments: bytes that are none", .partOfMachine, .ownThreads)
struct HostileSegmentTests {
    @Test func `notices any single changed byte`() throws {
        let bytes = try Self.segment()
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0x41
            #expect(throws: SegmentError.self, "byte \(index)") { try SegmentView(changed) }
        }
    }

    @Test func `notices any missing or further byte`() throws {
        let bytes = try Self.segment()
        for count in bytes.indices {
            #expect(throws: SegmentError.self) { try SegmentView(Array(bytes[..<count])) }
        }
        #expect(throws: SegmentError.self) { try SegmentView(bytes + [0]) }
        #expect(throws: Never.self) { try SegmentView(bytes) }
    }

    /// Each change alone makes the segment impossible although its checksum is right.
    @Test(arguments: [
        Change("other magic", at: 0, [0x51]),
        Change("other version", at: 4, [2]),
        Change("other header length", at: 6, [64]),
        Change("unknown kind", at: 8, [3]),
        Change("unknown flag", at: 9, [2]),
        Change("open part with a page count", at: 9, [1]),
        Change("page size of 256", at: 10, [8]),
        Change("page size of 2^64", at: 10, [64]),
        Change("unknown hash", at: 11, [2]),
        Change("TXID 0", at: 24, [0]),
        Change("last before first", at: 32, [1]),
        Change("more commits than records", at: 32, [255, 255]),
        Change("highest TXID", at: 32, [UInt8](repeating: 255, count: 8)),
        Change("no pages after", at: 40, [0]),
        Change("other page count than the last record", at: 40, [99]),
        Change("more records than bytes", at: 44, [255, 255, 255, 255]),
        Change("fewer records", at: 44, [2]),
        Change("shorter payload", at: 48, [8]),
        Change("payload of 2^63", at: 55, [128]),
        Change("page 0", at: 128, [0]),
        Change("page beyond the end", at: 128, [200]),
        Change("the lock page", at: 128, [1, 0, 32, 0]),
        Change("unknown encoding", at: 132, [2]),
        Change("zero page with an image", at: 132, [1]),
        Change("unknown record flag", at: 133, [4]),
        Change("reserved bytes", at: 134, [1]),
        Change("page count inside a commit", at: 136, [1]),
        Change("image shorter than a page", at: 140, [0, 1]),
        Change("image of 4 GiB", at: 140, [255, 255, 255, 255]),
        Change("padding of the trailer", at: -4, [1]),
    ])
    func `refuses a consistent lie`(change: Change) throws {
        var bytes = try Self.segment()
        let offset = change.offset < 0 ? bytes.count + change.offset : change.offset
        bytes.replaceSubrange(offset..<offset + change.bytes.count, with: change.bytes)
        Self.seal(&bytes)

        #expect(throws: SegmentError.self) { try SegmentView(bytes) }
    }

    @Test(arguments: 1...64)
    func `survives random bytes behind a right checksum`(seed: UInt64) throws {
        var random = Random(state: seed)
        for _ in 0..<200 {
            var bytes = try Self.segment()
            for _ in 0..<Int(random.next() % 6 + 1) {
                bytes[Int(random.next() % 200)] = UInt8(truncatingIfNeeded: random.next())
            }
            Self.seal(&bytes)
            guard let view = try? SegmentView(bytes) else { continue }
            // What is accepted can be walked to its end.
            var count = 0
            for record in view.records {
                count += view.withImage(of: record) { $0.count }
            }
            #expect(count <= bytes.count)
        }
    }

    struct Change: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let offset: Int
        let bytes: [UInt8]

        init(_ name: String, at offset: Int, _ bytes: [UInt8]) {
            self.testDescription = name
            self.offset = offset
            self.bytes = bytes
        }
    }

    private struct Random {
        var state: UInt64

        mutating func next() -> UInt64 {
            self.state ^= self.state << 13
            self.state ^= self.state >> 7
            self.state ^= self.state << 17
            return self.state
        }
    }

    /// Two commits of three pages in all.
    private static func segment() throws -> [UInt8] {
        let size = try #require(PageSize(byteCount: 512))
        var builder = SegmentBuilder(
            pageSize: size,
            epoch: Epoch(rawValue: 2),
            first: TXID(7),
            digestBefore: VaultDigest(1, 0, 0, 0),
            commitTimeMicroseconds: 0
        )
        for (page, ends) in [(UInt32(2), false), (3, true), (1, true)] {
            [UInt8](repeating: UInt8(page), count: 512).withUnsafeBytes {
                builder.append(PageNumber(page), $0)
            }
            if ends { builder.endCommit(pagesAfter: 9) }
        }
        return builder.finish(digestAfter: VaultDigest(2, 0, 0, 0))
    }

    private static func seal(_ bytes: inout [UInt8]) {
        let end = bytes.count - 8
        let checksum = CRC32C.checksum(bytes[..<end])
        for index in 0..<4 {
            bytes[end + index] = UInt8(truncatingIfNeeded: checksum >> (8 * index))
        }
    }
}
