import Glibc
import PairCore
import PairStore
import PairWAL

// A secondary in a process of its own, for tests that kill it.
//
//     store-fixture apply FOLDER FEED EPOCH TXID DIGEST BATCH
//
// FOLDER holds copy.db, log and state; FEED is a log to apply from. The position names where the
// copy stood before anything was applied; a copy that has got further goes on from where it is. Each
// position that readers can see is printed. Ends with 0 at the end of the feed.
//
//     store-fixture copy FOLDER IMAGE PAGESIZE EPOCH TXID DIGEST
//
// Takes a copy of the database file IMAGE, whose position is named: a delta when copy.db has tables,
// else a seed.

func fail(_ reason: String) -> Never {
    print("failed: \(reason)")
    fflush(nil)
    exit(1)
}

/// Reads EPOCH TXID DIGEST.
func position(_ words: ArraySlice<String>) -> Position {
    let words = Array(words)
    guard words.count == 3, let epoch = UInt64(words[0]), let txid = UInt64(words[1]),
        let digest = Hex.bytes(words[2]), digest.count == 32
    else { fail("not a position: \(words)") }
    let lanes = stride(from: 0, to: 32, by: 8).map { start in
        digest[start..<start + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
    return Position(
        epoch: Epoch(rawValue: epoch),
        txid: TXID(txid),
        digest: VaultDigest(lanes[0], lanes[1], lanes[2], lanes[3])
    )
}

func openVault(in folder: String) throws -> Vault {
    try Vault(
        Vault.Configuration(
            path: folder + "/copy.db",
            logDirectory: folder + "/log",
            stateDirectory: folder + "/state"
        )
    )
}

func copy(_ arguments: [String]) throws {
    guard arguments.count == 6, let byteCount = Int(arguments[2]),
        let pageSize = PageSize(byteCount: byteCount)
    else { fail("usage: copy FOLDER IMAGE PAGESIZE EPOCH TXID DIGEST") }
    let end = position(arguments[3...])
    let image = open(arguments[1], O_RDONLY)
    let pageCount = UInt32(Int(lseek(image, 0, SEEK_END)) / byteCount)
    let vault = try openVault(in: arguments[0])
    let sink: any CopySink
    switch vault.content {
    case .withTables:
        let found = try vault.attach(.closed(marked: true))
        print("found \(found.scannedDigest)")
        sink = try vault.beginDelta(pageCount: pageCount)
    case .missing, .withoutTables:
        print("found nothing")
        sink = try vault.beginSeed(pageSize: pageSize, pageCount: pageCount)
    case .unusable(let reason): fail(reason)
    }
    fflush(nil)
    var page = [UInt8](repeating: 0, count: byteCount)
    for number in 1...pageCount {
        _ = page.withUnsafeMutableBytes {
            pread(image, $0.baseAddress, byteCount, off_t(number - 1) * off_t(byteCount))
        }
        try sink.take(page: PageNumber(number), image: page[...])
    }
    try sink.finish(at: end)
    vault.detach()
    print("done")
}

func apply(_ arguments: [String]) throws {
    guard arguments.count == 6, let batch = Int(arguments[5]) else {
        fail("usage: apply FOLDER FEED EPOCH TXID DIGEST BATCH")
    }
    let base = position(arguments[2...4])
    let vault = try openVault(in: arguments[0])
    let attachment = try vault.attach(.closed(marked: true))
    guard
        let position = attachment.position ?? (attachment.scannedDigest == base.digest ? base : nil)
    else { fail("the copy is in a state that nobody knows: \(attachment)") }
    print("found \(position.txid)")
    fflush(nil)
    try vault.beginApplying(after: position)
    let feed = try SegmentStore(
        directory: arguments[1],
        retentionBytes: .max,
        retentionAge: .seconds(1 << 40)
    )
    var cursor = SegmentStore.Cursor(after: position.txid)
    while true {
        let segments = try feed.segments(after: cursor, maxBytes: batch)
        guard !segments.isEmpty else { break }
        for bytes in segments { cursor.advance(past: try SegmentHeader(decoding: bytes[...])) }
        print("applied \(try vault.apply(segments).txid)")
        fflush(nil)
    }
    vault.detach()
    print("done")
}

do {
    switch CommandLine.arguments.dropFirst().first {
    case "apply": try apply(Array(CommandLine.arguments.dropFirst(2)))
    case "copy": try copy(Array(CommandLine.arguments.dropFirst(2)))
    default: fail("usage: store-fixture apply|copy …")
    }
} catch {
    fail("\(error)")
}
