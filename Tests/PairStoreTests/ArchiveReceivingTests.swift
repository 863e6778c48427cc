import Foundation
import PairCore
import PairStore
import TestThreads
import Testing

@Suite("Archives: the peer sends one", .partOfMachine, .ownThreads)
struct ArchiveReceivingTests {
    struct Piece {
        var id: String
        var file: String
        var offset: UInt64
        var bytes: [UInt8]
        var isLast: Bool
    }

    /// The archive as a sender cuts it: an empty file is a piece too.
    static func pieces(
        _ store: ArchiveStore,
        _ id: String,
        ofAtMost byteCount: Int = 9_000
    ) throws -> [Piece] {
        var pieces: [Piece] = []
        let files = try store.files(of: id)
        for file in files {
            var offset: UInt64 = 0
            repeat {
                let bytes = try store.read(id, file: file.name, at: offset, atMost: byteCount)
                let end = offset + UInt64(bytes.count)
                pieces.append(
                    Piece(
                        id: id,
                        file: file.name,
                        offset: offset,
                        bytes: bytes,
                        isLast: file.name == files.last?.name && end == file.byteCount
                    )
                )
                offset = end
            } while offset < file.byteCount
        }
        return pieces
    }

    @discardableResult
    static func give(_ piece: Piece, _ store: ArchiveStore) throws -> NodeRecord.Tail? {
        try store.receive(
            id: piece.id,
            file: piece.file,
            at: piece.offset,
            piece.bytes,
            isLast: piece.isLast
        )
    }

    /// Gives all pieces, of which only the last may be answered.
    static func giveAll(_ pieces: [Piece], _ store: ArchiveStore) throws -> NodeRecord.Tail? {
        for piece in pieces.dropLast() { #expect(try self.give(piece, store) == nil) }
        return try self.give(try #require(pieces.last), store)
    }

    @Test(arguments: [512, 4_096], [true, false])
    func `keeps it to the byte`(pageSize: Int, hasSegments: Bool) throws {
        let bench = try ArchiveBench(pageSize: pageSize)
        let here = try bench.store("here")
        let there = try bench.store("there")
        let tail = try bench.seal(in: here, after: hasSegments ? bench.fork : bench.end)

        let received = try Self.giveAll(Self.pieces(here, tail.id), there)

        #expect(received == tail)
        #expect(try there.list() == [tail])
        #expect(try ArchiveBench.names(there) == [tail.id])
        for file in try here.files(of: tail.id) {
            #expect(try there.content(tail.id, file.name) == here.content(tail.id, file.name))
        }
        #expect(try here.content(tail.id, "segments.log").isEmpty == !hasSegments)
    }

    @Test func `answers at once, and once, when it has it already`() throws {
        let bench = try ArchiveBench()
        let here = try bench.store("here")
        let tail = try bench.seal(in: here, after: bench.fork)
        let pieces = try Self.pieces(here, tail.id)
        _ = try Self.giveAll(pieces, bench.store("there"))

        let there = try bench.store("there")

        #expect(try Self.give(pieces[0], there) == tail)
        #expect(try pieces.dropFirst().allSatisfy { try Self.give($0, there) == nil })
        #expect(try ArchiveBench.names(there) == [tail.id])
    }

    @Test func `takes it anew when its own copy is damaged`() throws {
        let bench = try ArchiveBench()
        let here = try bench.store("here")
        let tail = try bench.seal(in: here, after: bench.fork)
        let pieces = try Self.pieces(here, tail.id)
        _ = try Self.giveAll(pieces, bench.store("there"))
        let there = try bench.store("there")
        var damaged = bench.file
        damaged[4_500] ^= 1
        try there.replace(tail.id, "vault.db", with: damaged)

        #expect(try Self.giveAll(pieces, there) == tail)

        #expect(try there.content(tail.id, "vault.db") == bench.file)
        #expect(try ArchiveBench.names(there) == [tail.id])
    }

    @Test func `starts over when the peer does`() throws {
        let bench = try ArchiveBench()
        let here = try bench.store("here")
        let tail = try bench.seal(in: here, after: bench.fork)
        let pieces = try Self.pieces(here, tail.id)
        let there = try bench.store("there")

        for count in 1..<pieces.count {
            for piece in pieces.prefix(count) { #expect(try Self.give(piece, there) == nil) }
            #expect(try there.list() == [])
        }
        let restarted = try bench.store("there")
        #expect(try ArchiveBench.names(restarted) == [])

        #expect(try Self.giveAll(pieces, restarted) == tail)
    }

    @Test func `refuses pieces that do not follow, and keeps nothing of them`() throws {
        let bench = try ArchiveBench()
        let here = try bench.store("here")
        let tail = try bench.seal(in: here, after: bench.fork)
        let pieces = try Self.pieces(here, tail.id)
        let there = try bench.store("there")
        let segments = try #require(pieces.firstIndex { $0.file == "segments.log" })
        let manifest = try #require(pieces.firstIndex { $0.file == "manifest.json" })
        var early = pieces[0]
        early.isLast = true
        var far = pieces[1]
        far.offset = .max
        let wrong: [(String, before: [Piece], Piece)] = [
            ("without a beginning", [], pieces[1]),
            ("a manifest alone", [], pieces[manifest]),
            ("a gap", [pieces[0]], pieces[2]),
            ("twice", Array(pieces[..<3]), pieces[1]),
            ("beyond all numbers", [pieces[0]], far),
            ("a file left out", Array(pieces[..<segments]), pieces[manifest]),
            ("a file's middle", Array(pieces[..<segments]), pieces[segments + 1]),
            ("backwards", Array(pieces[...segments]), pieces[1]),
            ("an image as the last piece", [], early),
        ]

        for (what, before, piece) in wrong {
            for piece in before { _ = try Self.give(piece, there) }
            let error = #expect(throws: ArchiveError.self, "\(what)") {
                try Self.give(piece, there)
            }
            guard case .outOfOrder? = error else {
                Issue.record("\(what): \(String(describing: error))")
                continue
            }
            #expect(try ArchiveBench.names(there) == [], "\(what)")
        }
    }

    @Test(arguments: [
        "", ".", "..", "../n1-2-3", "n1-../x", "n1-/etc", "n1-2\0", "n1-é", "-n1-2",
        ".sealing-n1-2",
        "replaced-0123", "n1-" + String(repeating: "0", count: 200),
    ])
    func `refuses names that could be paths`(id: String) throws {
        let folder = try TemporaryFolder()
        let store = try ArchiveStore(directory: folder("tails"))

        #expect(throws: ArchiveError.badName(id)) {
            try store.receive(id: id, file: "vault.db", at: 0, [1], isLast: false)
        }
        #expect(throws: ArchiveError.badName(id)) {
            try store.read(id, file: "vault.db", at: 0, atMost: 1)
        }
        #expect(throws: ArchiveError.badName(id)) { try store.discard(id) }
        #expect(try ArchiveBench.names(store) == [])
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["tails"]
        )
    }

    @Test(arguments: ["", ".", "../vault.db", "vault.db-wal", "VAULT.DB", "manifest.json\0"])
    func `refuses files that no archive has`(file: String) throws {
        let folder = try TemporaryFolder()
        let store = try ArchiveStore(directory: folder("tails"))

        #expect(throws: ArchiveError.badName(file)) {
            try store.receive(id: "n1-2-3", file: file, at: 0, [1], isLast: false)
        }
        #expect(try ArchiveBench.names(store) == [])
    }

    @Test func `refuses what the disk has no room for`() throws {
        let folder = try TemporaryFolder()
        let store = try ArchiveStore(directory: folder("tails"), leavingFree: 1 << 60)

        let error = #expect(throws: ArchiveError.self) {
            try store.receive(id: "n1-2-3", file: "vault.db", at: 0, [1, 2], isLast: false)
        }

        guard case .noSpace((1 << 60) + 2, _)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try ArchiveBench.names(store) == [])
    }

    @Test func `refuses a manifest without end`() throws {
        let bench = try ArchiveBench()
        let there = try bench.store("there")
        let block = [UInt8](repeating: 0x20, count: 1 << 20)
        _ = try there.receive(id: "n1-2-3", file: "vault.db", at: 0, block, isLast: false)
        _ = try there.receive(id: "n1-2-3", file: "segments.log", at: 0, [], isLast: false)
        for offset in 0..<4 {
            _ = try there.receive(
                id: "n1-2-3",
                file: "manifest.json",
                at: UInt64(offset << 20),
                block,
                isLast: false
            )
        }

        #expect(
            throws: ArchiveError.tooLong(id: "n1-2-3", file: "manifest.json", limit: 4 << 20)
        ) {
            try there.receive(
                id: "n1-2-3",
                file: "manifest.json",
                at: 4 << 20,
                [0x20],
                isLast: false
            )
        }
        #expect(try ArchiveBench.names(there) == [])
    }

    @Test func `refuses an archive that is not what its manifest says`() throws {
        let bench = try ArchiveBench()
        let here = try bench.store("here")
        let tail = try bench.seal(in: here, after: bench.fork)
        let whole = try Self.pieces(here, tail.id)
        let there = try bench.store("there")
        let segments = try #require(whole.firstIndex { $0.file == "segments.log" })
        let last = whole.count - 1
        let marker: @Sendable (inout [Piece]) -> Void = { $0[0].bytes[18] = 3 }
        let changes: [(String, (inout [Piece]) -> Void)] = [
            ("one bit of the image", { $0[1].bytes[77] ^= 1 }),
            ("the marker", marker),
            ("one bit of a segment", { $0[segments].bytes[300] ^= 1 }),
            ("a longer image", { $0[segments - 1].bytes.append(0) }),
            ("a shorter image", { $0[segments - 1].bytes.removeLast() }),
            ("a shorter log", { $0[last - 1].bytes.removeLast() }),
            ("no manifest", { $0[last].bytes = [] }),
            ("half a manifest", { $0[last].bytes.removeLast(40) }),
            ("a list of lists", { $0[last].bytes = Array(repeating: 0x5b, count: 100_000) }),
            ("another name", { for i in $0.indices { $0[i].id += "0" } }),
        ]

        for (what, change) in changes {
            var pieces = whole
            change(&pieces)
            for piece in pieces.dropLast() { _ = try Self.give(piece, there) }
            let error = #expect(throws: ArchiveError.self, "\(what)") {
                try Self.give(pieces[last], there)
            }
            guard case .damaged? = error else {
                Issue.record("\(what): \(String(describing: error))")
                continue
            }
            #expect(try ArchiveBench.names(there) == [], "\(what)")
        }
        #expect(try Self.giveAll(whole, there) == tail)
    }

    @Test func `refuses a manifest that is cut anywhere`() throws {
        let bench = try ArchiveBench(pageSize: 512, shared: 1, own: 1)
        let here = try bench.store("here")
        let tail = try bench.seal(in: here, after: bench.fork)
        let whole = try Self.pieces(here, tail.id, ofAtMost: 1 << 20)
        let there = try bench.store("there")
        let manifest = try #require(whole.last)

        for count in stride(from: 0, to: manifest.bytes.count - 1, by: 7) {
            for piece in whole.dropLast() { _ = try Self.give(piece, there) }
            var cut = manifest
            cut.bytes = Array(manifest.bytes.prefix(count))
            #expect(throws: ArchiveError.damaged(id: tail.id, .manifest(field: nil))) {
                try Self.give(cut, there)
            }
        }
        #expect(try ArchiveBench.names(there) == [])
    }
}
