import Foundation
import PairCore
import PairStore
import PairWAL
import TestThreads
import Testing

@Suite("The log: what was appended is there again", .partOfMachine, .ownThreads)
struct SegmentStoreTests {
    let folder: TemporaryFolder

    init() throws { self.folder = try TemporaryFolder() }

    @Test func `is empty until something is appended`() throws {
        let store = try self.open()

        #expect(store.newest == nil)
        #expect(store.span == nil)
        #expect(store.position(withDigest: .empty) == nil)
    }

    @Test func `returns segments in order, also after it was opened again`() throws {
        let chain = Chain(count: 100)
        do {
            let store = try self.open()
            for (index, bytes) in chain.segments.enumerated() {
                try store.append(bytes, anchor: chain.anchor(index))
            }
        }

        let store = try self.open()

        #expect(store.newest == chain.position(100))
        #expect(store.span?.after == TXID(0))
        #expect(store.span?.through == TXID(100))
        var cursor = SegmentStore.Cursor(after: TXID(37))
        #expect(
            try store.segments(after: cursor, maxBytes: 1 << 30) == Array(chain.segments[37...])
        )
        for bytes in chain.segments[37...] {
            let header = try SegmentHeader(decoding: bytes[...])
            #expect(cursor.precedes(header))
            cursor.advance(past: header)
        }
        #expect(cursor == SegmentStore.Cursor(after: TXID(100)))
        #expect(try store.segments(after: cursor, maxBytes: 1 << 30).isEmpty)
    }

    @Test func `returns at least one segment and otherwise as many as asked for`() throws {
        let chain = Chain(count: 10)
        let store = try self.open(chain)
        let size = chain.segments[0].count

        let one = try store.segments(after: SegmentStore.Cursor(after: TXID(0)), maxBytes: 1)
        let cursor = SegmentStore.Cursor(after: TXID(1))
        let three = try store.segments(after: cursor, maxBytes: 3 * size + 1)

        #expect(one == [chain.segments[0]])
        #expect(three == Array(chain.segments[1...3]))
    }

    @Test func `finds positions by TXID and by digest, and anchors newest first`() throws {
        let chain = Chain(count: 500)
        let store = try self.open(chain)

        for txid in [0, 1, 77, 499, 500] {
            #expect(store.position(at: TXID(UInt64(txid))) == chain.position(txid))
            #expect(store.position(withDigest: chain.digest(txid)) == chain.position(txid))
        }
        #expect(store.position(at: TXID(501)) == nil)
        #expect(store.position(withDigest: VaultDigest(9, 9, 9, 9)) == nil)
        let entry = try store.newestEntry { $0.anchor.frame <= 120 }
        #expect(
            entry == SegmentStore.Entry(anchor: chain.anchor(119), position: chain.position(120))
        )
    }

    @Test func `tells how much follows a transaction, and from when the oldest of it is`() throws {
        let chain = Chain(count: 100)
        let store = try self.open(chain)
        let record = chain.segments[0].count + 32

        for txid in [0, 1, 42, 99] {
            let rest = try #require(store.rest(after: TXID(UInt64(txid))))
            #expect(rest.byteCount == (100 - txid) * record)
            let oldest = try SegmentHeader(decoding: chain.segments[txid][...])
            #expect(rest.commitTimeMicroseconds == oldest.commitTimeMicroseconds)
            #expect(rest.commitTimeMicroseconds == Int64(txid + 1) * 1000)
        }
        #expect(store.rest(after: TXID(100)) == nil)
        #expect(store.rest(after: TXID(101)) == nil)
        try store.restart(at: chain.position(50))
        #expect(store.rest(after: TXID(40)) == nil)
    }

    @Test func `refuses what does not continue it`() throws {
        let chain = Chain(count: 5)
        let other = Chain(count: 5, seed: 99)
        let store = try self.open(chain)

        #expect(throws: SegmentStoreError.self) {
            try store.append(chain.segments[3], anchor: .none)
        }
        let fork = Chain(count: 6, seed: 3).segments[5]
        #expect(throws: SegmentStoreError.self) { try store.append(fork, anchor: .none) }
        #expect(throws: SegmentStoreError.self) {
            try store.append(Array(other.segments[0].dropFirst()), anchor: .none)
        }
        #expect(store.newest == chain.position(5))
        #expect(store.contains(after: TXID(4)))
        #expect(!store.contains(after: TXID(6)))
    }

    @Test(arguments: [1, 31, 32, 33, 200, 700])
    func `drops an end that a crash tore`(lost: Int) throws {
        let chain = Chain(count: 20)
        _ = try self.open(chain)
        let file = try #require(try self.files().first)
        let size = try FileHandle(forUpdating: URL(fileURLWithPath: file)).seekToEnd()
        #expect(truncate(file, off_t(size) - off_t(lost)) == 0)

        let store = try self.open()

        let left = lost > chain.segments[0].count + 32 ? 18 : 19
        #expect(store.newest == chain.position(left))
        for (index, bytes) in chain.segments.enumerated().dropFirst(left) {
            try store.append(bytes, anchor: chain.anchor(index))
        }
        #expect(store.newest == chain.position(20))
    }

    @Test func `never returns a segment whose bytes have changed`() throws {
        let chain = Chain(count: 20)
        let store = try self.open(chain)
        let file = try #require(try self.files().first)
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
        try handle.seek(toOffset: UInt64(10 * (chain.segments[0].count + 32) + 32 + 400))
        try handle.write(contentsOf: Data([0xee]))
        try handle.close()

        let cursor = SegmentStore.Cursor(after: TXID(10))
        #expect(throws: SegmentStoreError.self) {
            try store.segments(after: cursor, maxBytes: 1 << 20)
        }
        #expect(try self.open().newest == chain.position(10))
    }

    @Test func `keeps the parts of a transaction together or not at all`() throws {
        let chain = Chain(count: 3)
        let parts = chain.parts(count: 4)
        let store = try self.open(chain)

        for part in parts[..<3] { try store.append(part, anchor: .none) }
        #expect(store.newest == chain.position(3))
        var cursor = SegmentStore.Cursor(after: TXID(3))
        #expect(try store.segments(after: cursor, maxBytes: 1 << 30).isEmpty)
        #expect(try self.open().newest == chain.position(3))
        #expect(throws: SegmentStoreError.self) { try store.append(parts[2], anchor: .none) }

        for part in parts { try store.append(part, anchor: .none) }
        #expect(store.newest?.txid == TXID(4))
        let piecewise = try (0..<4).map { index in
            #expect(cursor.isBoundary == (index == 0))
            let next = try store.segments(after: cursor, maxBytes: 1)
            for bytes in next { cursor.advance(past: try SegmentHeader(decoding: bytes[...])) }
            return next
        }
        #expect(piecewise.flatMap(\.self) == parts)
        #expect(cursor == SegmentStore.Cursor(after: TXID(4)))
        #expect(try self.open().newest?.txid == TXID(4))
    }

    @Test(arguments: [0, 1, 50, 99])
    func `forgets what follows a transaction, for good`(kept: Int) throws {
        let chain = Chain(count: 100)
        let store = try self.open(chain)

        try store.truncate(after: TXID(UInt64(kept)))

        #expect(store.newest == chain.position(kept))
        #expect(try self.open().newest == chain.position(kept))
        try store.append(chain.segments[kept], anchor: .none)
        #expect(store.newest == chain.position(kept + 1))
    }

    @Test func `goes on in its newest file after that could not be opened`() throws {
        let chain = Chain(count: 10)
        let store = try self.open()
        try store.restart(at: chain.position(5))
        try store.append(chain.segments[5], anchor: .none)
        try store.truncate(after: TXID(5))
        let file = try #require(try self.files().first)
        try FileManager.default.removeItem(atPath: file)
        try FileManager.default.createDirectory(
            atPath: file,
            withIntermediateDirectories: false
        )
        #expect(throws: SegmentStoreError.self) { try store.truncate(after: TXID(3)) }
        try FileManager.default.removeItem(atPath: file)
        try Data().write(to: URL(fileURLWithPath: file))

        try store.append(chain.segments[5], anchor: .none)

        let cursor = SegmentStore.Cursor(after: TXID(5))
        #expect(try store.segments(after: cursor, maxBytes: 1 << 20) == [chain.segments[5]])
    }

    @Test func `begins anew after a position that it then remembers`() throws {
        let chain = Chain(count: 10)
        let position = Position(
            epoch: Epoch(rawValue: 9),
            txid: TXID(7),
            digest: VaultDigest(4, 4, 4, 4)
        )
        let store = try self.open(chain)

        try store.restart(at: position)

        for store in [store, try self.open()] {
            #expect(store.newest == position)
            #expect(store.span?.after == TXID(7))
            #expect(store.position(withDigest: position.digest) == position)
            #expect(store.position(withDigest: chain.digest(9)) == nil)
        }
        #expect(try self.files().isEmpty)
    }

    @Test func `knows where the vault was before a gap, and no longer after it was replaced`()
        throws
    {
        let chain = Chain(count: 100)
        let store = try self.open(chain)
        func begin(at txid: UInt64, goesOn: Bool) throws -> SegmentStore {
            let position = Position(
                epoch: Epoch(rawValue: 9),
                txid: TXID(txid),
                digest: VaultDigest(4, 4, 4, txid)
            )
            try store.restart(at: position, goesOn: goesOn)
            return try self.open()
        }
        #expect(!store.passed(chain.position(42)))

        _ = try begin(at: 101, goesOn: true)
        let twice = try begin(at: 102, goesOn: true)

        for store in [store, twice] {
            for txid in [0, 42, 100] { #expect(store.passed(chain.position(txid))) }
            let other = Position(epoch: .none, txid: TXID(42), digest: chain.digest(43))
            #expect(!store.passed(other))
            #expect(store.position(at: TXID(42)) == nil)
        }
        try store.truncate(after: TXID(50))
        #expect(store.passed(chain.position(42)) && !store.passed(chain.position(51)))
        let replaced = try begin(at: 103, goesOn: false)
        #expect(!store.passed(chain.position(42)) && !replaced.passed(chain.position(42)))
    }

    /// A node logs before it applies, and a copy that is put back is an older state.
    @Test func `has not been where only the log led to`() throws {
        let chain = Chain(count: 100)
        let store = try self.open(chain)

        try store.restart(at: chain.position(50), goesOn: true)

        for store in [store, try self.open()] {
            #expect(store.passed(chain.position(49)) && store.passed(chain.position(50)))
            #expect(!store.passed(chain.position(51)) && !store.passed(chain.position(100)))
        }
    }

    /// The old log may be what fills the disk.
    @Test func `begins anew after a gap also when what was before cannot be written down`() throws {
        let chain = Chain(count: 3)
        let store = try self.open(chain)
        try FileManager.default.createDirectory(
            atPath: self.folder("log") + "/passed",
            withIntermediateDirectories: false
        )
        let position = Position(epoch: Epoch(rawValue: 9), txid: TXID(4), digest: chain.digest(9))

        #expect(throws: SegmentStoreError.self) { try store.restart(at: position) }
        #expect(store.newest == chain.position(3))
        try store.restart(at: position, goesOn: true)

        #expect(store.newest == position)
        #expect(store.passed(chain.position(2)))
        #expect(try self.files().isEmpty)
    }

    @Test func `proves nothing by a damaged memory of what was before`() throws {
        let chain = Chain(count: 3)
        try self.open(chain).restart(at: chain.position(3), goesOn: true)
        #expect(try self.open().passed(chain.position(2)))
        let path = self.folder("log") + "/passed"
        var bytes = try Data(contentsOf: URL(filePath: path))

        for index in [0, 9, 20, bytes.count - 1] {
            bytes[index] ^= 1
            try bytes.write(to: URL(filePath: path))
            #expect(try !self.open().passed(chain.position(2)), "byte \(index)")
            bytes[index] ^= 1
        }
        try bytes.dropLast(5).write(to: URL(filePath: path))
        #expect(try !self.open().passed(chain.position(2)))
    }

    @Test func `drops its oldest files when it grows beyond its size`() throws {
        let chain = Chain(count: 90, pages: 900, pageByteCount: 1024)
        let store = try self.open(chain, retentionBytes: 70 << 20)
        #expect(try self.files().count == 2)

        try store.trim()

        #expect(try self.files().count == 1)
        let span = try #require(store.span)
        #expect(span.through == TXID(90))
        #expect(span.after > TXID(60))
        #expect(store.position(at: span.after) == chain.position(Int(span.after.rawValue)))
        #expect(!store.contains(after: TXID(5)))
        let again = try self.open()
        #expect(again.span?.after == span.after)
        let cursor = SegmentStore.Cursor(after: span.after)
        let rest = try again.segments(after: cursor, maxBytes: 1 << 30)
        #expect(rest == Array(chain.segments[Int(span.after.rawValue)...]))
    }

    private func open(
        _ chain: Chain? = nil,
        retentionBytes: Int = 1 << 40
    ) throws -> SegmentStore {
        let store = try SegmentStore(
            directory: self.folder("log"),
            retentionBytes: retentionBytes,
            retentionAge: .seconds(86_400)
        )
        for (index, bytes) in (chain?.segments ?? []).enumerated() {
            try store.append(bytes, anchor: chain?.anchor(index) ?? .none)
        }
        return store
    }

    private func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: self.folder("log"))
            .filter { $0.count == 16 }.sorted().map { self.folder("log/" + $0) }
    }
}

/// A history of small transactions whose digests are only numbers.
private struct Chain {
    let segments: [[UInt8]]
    private let seed: UInt64
    private let pageSize: PageSize

    init(count: Int, seed: UInt64 = 1, pages: Int = 1, pageByteCount: Int = 512) {
        let pageSize = PageSize(byteCount: pageByteCount)
        guard let pageSize else { preconditionFailure("page size") }
        self.seed = seed
        self.pageSize = pageSize
        self.segments = (0..<count).map { index in
            var builder = Self.builder(pageSize, seed, index)
            for page in 1...pages {
                [UInt8](repeating: UInt8(truncatingIfNeeded: index | 1), count: pageByteCount)
                    .withUnsafeBytes { builder.append(PageNumber(UInt32(page)), $0) }
            }
            builder.endCommit(pagesAfter: UInt32(pages))
            return builder.finish(digestAfter: Self.digest(seed, index + 1))
        }
    }

    /// The transaction after the last one, in parts.
    func parts(count: Int) -> [[UInt8]] {
        (0..<count).map { index in
            var builder = Self.builder(self.pageSize, self.seed, self.segments.count, index)
            [UInt8](repeating: 3, count: self.pageSize.byteCount)
                .withUnsafeBytes { builder.append(PageNumber(UInt32(index + 1)), $0) }
            guard index == count - 1 else { return builder.finishOpenPart() }
            builder.endCommit(pagesAfter: UInt32(count))
            return builder.finish(digestAfter: VaultDigest(8, 8, 8, 8))
        }
    }

    func anchor(_ index: Int) -> WALAnchor {
        WALAnchor(salts: 5, frame: UInt32(index + 1), checksum: WALChecksum(1, 2))
    }

    func digest(_ txid: Int) -> VaultDigest { Self.digest(self.seed, txid) }

    func position(_ txid: Int) -> Position {
        Position(
            epoch: Epoch(rawValue: 1),
            txid: TXID(UInt64(txid)),
            digest: self.digest(txid)
        )
    }

    private static func digest(_ seed: UInt64, _ txid: Int) -> VaultDigest {
        VaultDigest(seed, UInt64(txid), 0, 0)
    }

    private static func builder(
        _ pageSize: PageSize,
        _ seed: UInt64,
        _ index: Int,
        _ part: Int = 0
    ) -> SegmentBuilder {
        SegmentBuilder(
            pageSize: pageSize,
            epoch: Epoch(rawValue: 1),
            first: TXID(UInt64(index + 1)),
            digestBefore: Self.digest(seed, index),
            commitTimeMicroseconds: Int64(index + 1) * 1000,
            partIndex: UInt32(part)
        )
    }
}
