import Foundation
import PairCore
import PairStore
import PairWAL
import TestThreads
import Testing

@Suite("Archives: a node seals its divergent tail", .partOfMachine, .ownThreads)
struct ArchiveTests {
    @Test(arguments: [512, 4_096, 65_536])
    func `holds an image that opens by itself and has every row`(pageSize: Int) throws {
        let bench = try ArchiveBench(pageSize: pageSize)
        let store = try bench.store()

        let tail = try bench.seal(in: store, after: bench.fork)

        let image = store.path(of: tail.id) + "/vault.db"
        #expect(try store.content(tail.id, "vault.db") == bench.file)
        #expect(
            try CaptureBench.run([
                "sqlite3", image,
                """
                PRAGMA integrity_check; PRAGMA journal_mode;
                SELECT substr(body, 1, 3), count(*) FROM t GROUP BY 1;
                """,
            ]) == "ok\nwal\nown|7\nsha|5\n"
        )
        // Looking at an archive does not change it.
        #expect(try bench.store().list() == [tail])
    }

    @Test func `says what it holds`() throws {
        let bench = try ArchiveBench()
        let store = try bench.store()

        let tail = try bench.seal(in: store, after: bench.fork)

        let files = try store.files(of: tail.id)
        #expect(
            tail
                == NodeRecord.Tail(
                    id: tail.id,
                    node: .one,
                    from: bench.fork,
                    to: bench.end,
                    transactions: 7,
                    byteCount: files[0].byteCount + files[1].byteCount,
                    wallSeconds: 1_793_500_000
                )
        )
        #expect(tail.id.hasPrefix("n1-2-22-"))
        #expect(files.map(\.name) == ["vault.db", "segments.log", "manifest.json"])
        #expect(try store.tail(tail.id) == tail)
        #expect(try bench.store().list() == [tail])
    }

    @Test func `writes a manifest that any reader of JSON understands`() throws {
        let bench = try ArchiveBench()
        let store = try bench.store()
        let name = "b\"\\\u{7}\u{7f}é\u{1f510}/\n"

        let tail = try bench.seal(in: store, nodeName: name, after: nil)

        let data = try store.content(tail.id, "manifest.json")
        let manifest = try #require(
            try JSONSerialization.jsonObject(with: data) as? [String: Any]
        )
        let image = try #require(manifest["image"] as? [String: Any])
        let end = try #require(manifest["to"] as? [String: Any])
        let lineage = try #require(manifest["lineage"] as? [[String: Any]])
        #expect(manifest["nodeName"] as? String == name)
        #expect(manifest["from"] is NSNull)
        #expect(end["digest"] as? String == bench.end.digest.description)
        #expect(image["byteCount"] as? Int == bench.file.count)
        #expect(lineage.map { $0["cause"] as? String } == ["enable"])
        #expect(try store.tail(tail.id) == tail)
    }

    @Test func `keeps the segments after the fork and no others`() throws {
        let bench = try ArchiveBench()
        let store = try bench.store()

        let tail = try bench.seal(in: store, after: bench.fork)

        let own = try bench.source.captured.filter {
            try SegmentHeader(decoding: $0[...]).first > bench.fork.txid
        }
        #expect(try store.content(tail.id, "segments.log") == Data(own.joined()))
        #expect(!own.isEmpty)
    }

    @Test func `keeps the whole log where no fork is known`() throws {
        let bench = try ArchiveBench()
        let store = try bench.store()

        let tail = try bench.seal(in: store, after: nil)

        let all = Data(bench.source.captured.joined())
        #expect(try store.content(tail.id, "segments.log") == all)
        #expect(tail.from == .start)
        #expect(tail.transactions == bench.end.txid.rawValue)
    }

    @Test func `seals the same tail once`() throws {
        let bench = try ArchiveBench()
        let first = try bench.seal(in: bench.store(), after: bench.fork)
        let store = try bench.store()
        let manifest = try store.content(first.id, "manifest.json")

        let again = try bench.seal(in: store, after: bench.fork, wallSeconds: 1_800_000_000)

        #expect(again == first)
        #expect(try store.content(first.id, "manifest.json") == manifest)
        #expect(try ArchiveBench.names(store) == [first.id])
    }

    @Test func `gives another fork, end or node another name`() throws {
        let bench = try ArchiveBench()
        let store = try bench.store()

        let one = try bench.seal(in: store, after: bench.fork)
        let wider = try bench.seal(in: store, after: nil, wallSeconds: 1_793_500_001)
        let other = try bench.seal(
            in: store,
            node: .zero,
            after: bench.fork,
            wallSeconds: 1_793_400_000
        )

        #expect(Set([one.id, wider.id, other.id]).count == 3)
        #expect(try store.list() == [other, one, wider])
    }

    @Test func `seals what was committed behind the log's back`() throws {
        let bench = try CaptureBench()
        let folder = try TemporaryFolder()
        let store = try ArchiveStore(directory: folder("tails"))
        try bench.startCapture()
        try ArchiveBench.commit(3, "logged", bench)
        let position = try bench.settle()
        bench.vault.detach()
        try ArchiveBench.commit(1, "unlogged", bench)
        let found = try bench.vault.attach(.closed(marked: true))

        let tail = try store.seal(
            bench.vault,
            node: .zero,
            nodeName: "a",
            after: nil,
            to: position,
            lineage: .empty,
            wallSeconds: 0
        )

        #expect(found.scannedDigest != position.digest)
        #expect(tail.to == position)
        #expect(
            try CaptureBench.run([
                "sqlite3", store.path(of: tail.id) + "/vault.db",
                "SELECT count(*) FROM t WHERE body LIKE 'unlogged%'",
            ]) == "1\n"
        )
    }

    @Test func `leaves the vault as it was`() throws {
        let bench = try ArchiveBench()

        _ = try bench.seal(in: bench.store(), after: bench.fork)

        bench.source.vault.detach()
        let found = try bench.source.vault.attach(.closed(marked: true))
        #expect(found.position == bench.end)
        #expect(found.wasMarked)
    }

    @Test func `refuses a vault that is captured`() throws {
        let source = try CaptureBench()
        try source.startCapture()
        let folder = try TemporaryFolder()
        let store = try ArchiveStore(directory: folder("tails"))
        let position = try source.settle()

        #expect(throws: ArchiveError.vault(.notRunning("a closed vault at rest"))) {
            try store.seal(
                source.vault,
                node: .zero,
                nodeName: "a",
                after: nil,
                to: position,
                lineage: .empty,
                wallSeconds: 0
            )
        }
        #expect(try ArchiveBench.names(store) == [])
    }

    @Test func `asks for space before it writes anything`() throws {
        let bench = try ArchiveBench()
        let reserve = UInt64(1) << 60
        let store = try bench.store(leavingFree: reserve)

        let error = #expect(throws: ArchiveError.self) {
            try bench.seal(in: store, after: bench.fork)
        }

        guard case .noSpace(let needed, let available)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(needed > reserve + UInt64(bench.file.count))
        #expect(available > 0)
        #expect(available < needed)
        #expect(try ArchiveBench.names(store) == [])
    }
}

@Suite("Archives: a folder that a crash or a bad disk has left", .partOfMachine, .ownThreads)
struct ArchiveDamageTests {
    @Test(arguments: [["vault.db"], ["vault.db", "segments.log", "manifest.json"]])
    func `does not list what is half-written, and writes it anew`(files: [String]) throws {
        let bench = try ArchiveBench()
        let tail = try bench.seal(in: bench.store(), after: bench.fork)
        let whole = try bench.store()
        for name in [".sealing-", ".receiving-", ".discarded-"] {
            let folder = whole.directory + "/" + name + tail.id
            try FileManager.default.createDirectory(
                atPath: folder,
                withIntermediateDirectories: false
            )
            for file in files {
                try Data([1, 2, 3]).write(to: URL(fileURLWithPath: folder + "/" + file))
            }
        }
        try whole.discard(tail.id)

        let store = try bench.store()
        let listed = try store.list()
        let names = try ArchiveBench.names(store)
        let again = try bench.seal(in: store, after: bench.fork)

        #expect(listed == [])
        #expect(names == [])
        #expect(again == tail)
        #expect(try ArchiveBench.names(store) == [tail.id])
    }

    @Test(arguments: ["vault.db", "segments.log", "manifest.json"])
    func `replaces an archive that the disk has damaged`(file: String) throws {
        let bench = try ArchiveBench()
        let tail = try bench.seal(in: bench.store(), after: bench.fork)
        let store = try bench.store()
        let good = try store.content(tail.id, file)
        var bad = good
        bad[file == "manifest.json" ? 0 : 5_000] ^= 0x10
        try store.replace(tail.id, file, with: bad)

        let again = try bench.seal(in: store, after: bench.fork)

        #expect(again == tail)
        #expect(try store.content(tail.id, file) == good)
        #expect(try ArchiveBench.names(store) == [tail.id])
    }

    @Test func `says which archive is damaged rather than to pass it over`() throws {
        let bench = try ArchiveBench()
        let store = try bench.store()
        let tail = try bench.seal(in: store, after: bench.fork)
        try store.replace(tail.id, "vault.db", with: bench.file.dropLast(1))
        let count = UInt64(bench.file.count)

        #expect(
            throws: ArchiveError.damaged(
                id: tail.id,
                .wrongLength(file: "vault.db", expected: count, found: count - 1)
            )
        ) { try store.list() }

        try store.discard(tail.id)
        #expect(try store.list() == [])
    }

    @Test func `discards an archive with all that lies in its folder`() throws {
        let bench = try ArchiveBench()
        let store = try bench.store()
        let tail = try bench.seal(in: store, after: bench.fork)
        try store.replace(tail.id, "vault.db-wal", with: Data([1]))

        try store.discard(tail.id)

        #expect(try ArchiveBench.names(store) == [])
        #expect(throws: ArchiveError.unknown(id: tail.id)) { try store.discard(tail.id) }
        #expect(throws: ArchiveError.unknown(id: tail.id)) { try store.tail(tail.id) }
        #expect(throws: ArchiveError.unknown(id: tail.id)) {
            try store.read(tail.id, file: "vault.db", at: 0, atMost: 10)
        }
    }

    @Test func `leaves folders alone that are not its own`() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: folder("tails/replaced-0123"),
            withIntermediateDirectories: true
        )

        let store = try ArchiveStore(directory: folder("tails"))

        #expect(try store.list() == [])
        #expect(throws: ArchiveError.badName("replaced-0123")) {
            try store.discard("replaced-0123")
        }
        #expect(try ArchiveBench.names(store) == ["replaced-0123"])
    }

    @Test func `keeps others out of its folder`() throws {
        let folder = try TemporaryFolder()

        let store = try ArchiveStore(directory: folder("tails"))

        let attributes = try FileManager.default.attributesOfItem(atPath: store.directory)
        #expect(attributes[.posixPermissions] as? Int == 0o700)
    }
}
