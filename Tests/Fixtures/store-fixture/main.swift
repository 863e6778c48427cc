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

func fail(_ reason: String) -> Never {
    print("failed: \(reason)")
    fflush(nil)
    exit(1)
}

func apply(_ arguments: [String]) throws {
    guard arguments.count == 6, let epoch = UInt64(arguments[2]), let txid = UInt64(arguments[3]),
        let digest = Hex.bytes(arguments[4]), digest.count == 32, let batch = Int(arguments[5])
    else { fail("usage: apply FOLDER FEED EPOCH TXID DIGEST BATCH") }
    let lanes = stride(from: 0, to: 32, by: 8).map { start in
        digest[start..<start + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
    let base = Position(
        epoch: Epoch(rawValue: epoch),
        txid: TXID(txid),
        digest: VaultDigest(lanes[0], lanes[1], lanes[2], lanes[3])
    )
    let folder = arguments[0]
    let vault = try Vault(
        Vault.Configuration(
            path: folder + "/copy.db",
            logDirectory: folder + "/log",
            stateDirectory: folder + "/state"
        )
    )
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
    default: fail("usage: store-fixture apply …")
    }
} catch {
    fail("\(error)")
}
