import PairCore
import PairWAL
import TestThreads
import Testing

@Suite("WAL: bytes that SQLite wrote", .partOfMachine, .ownThreads)
struct WALTests {
    static let pageSize = [512].compactMap { PageSize(byteCount: $0) }[0]

    static let header = WALHeader(
        hasBigEndianChecksums: false,
        pageSize: Self.pageSize,
        checkpointSequence: 7,
        salts: 0xffff_ffff_1234_5678
    )

    /// Frames as a writer makes them; the last one ends a commit of `pages.count` pages.
    static func frames(_ pages: [UInt32], isBigEndian: Bool = false) -> [UInt8] {
        var anchor = WALAnchor(startOf: self.header)
        var bytes: [UInt8] = []
        for (index, page) in pages.enumerated() {
            var frame = [UInt8](repeating: UInt8(index + 1), count: 24 + 512)
            frame.withUnsafeMutableBytes {
                WALFrame.write(
                    PageNumber(page),
                    pagesAfterCommit: index == pages.count - 1 ? UInt32(pages.count) : 0,
                    into: $0,
                    following: &anchor,
                    isBigEndian: isBigEndian
                )
            }
            bytes += frame
        }
        return bytes
    }

    static func read(
        _ bytes: [UInt8],
        isBigEndian: Bool = false
    ) throws -> (frames: [WALFrame], anchor: WALAnchor) {
        var anchor = WALAnchor(startOf: self.header)
        var frames: [WALFrame] = []
        try bytes.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: 536) {
                frames.append(
                    try WALFrame(
                        following: &anchor,
                        UnsafeRawBufferPointer(rebasing: bytes[start..<start + 536]),
                        isBigEndian: isBigEndian
                    )
                )
            }
        }
        return (frames, anchor)
    }

    @Test(arguments: [false, true])
    func `reads the header that it writes`(isBigEndian: Bool) throws {
        var header = Self.header
        header.hasBigEndianChecksums = isBigEndian

        let read = try header.encoded.withUnsafeBytes { try WALHeader($0) }

        #expect(read == header)
        #expect(header.encoded[..<4] == [0x37, 0x7f, 0x06, isBigEndian ? 0x83 : 0x82])
    }

    @Test(arguments: 0..<32)
    func `refuses a header with any byte changed`(index: Int) {
        var bytes = Self.header.encoded
        bytes[index] ^= 0x40

        #expect(throws: WALError.self) { try bytes.withUnsafeBytes { try WALHeader($0) } }
    }

    @Test(arguments: [false, true])
    func `proves the frames of a commit one after the other`(isBigEndian: Bool) throws {
        let (frames, anchor) = try Self.read(
            Self.frames([3, 1, 3], isBigEndian: isBigEndian),
            isBigEndian: isBigEndian
        )

        #expect(frames.map { $0.page.rawValue } == [3, 1, 3])
        #expect(frames.map { $0.isCommit } == [false, false, true])
        #expect(anchor.frame == 3)
        #expect(anchor.checksum == frames[2].checksum)
    }

    @Test(arguments: [0, 7, 8, 15, 16, 23, 24, 300, 535, 536, 1_071])
    func `refuses a frame with any byte changed`(index: Int) {
        var bytes = Self.frames([1, 2])
        bytes[index] ^= 1

        #expect(throws: WALError.self) { try Self.read(bytes) }
    }

    @Test func `refuses a frame that stands in another's place`() {
        let bytes = Self.frames([1, 2, 3])

        #expect(throws: WALError.frameChecksum(frame: 1)) {
            try Self.read(Array(bytes[536...]))
        }
    }
}
