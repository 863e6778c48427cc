import Glibc
package import PairCore
import PairWAL

// Where the vault was before the log began anew in the same history.
//
// A gap says that commits are missing from the log, not that the vault is another one: a secondary that
// stands where the vault was before holds nothing of its own. Only a digest proves that it stands there,
// so the last of them outlive the log that led to them.
extension SegmentStore {
    /// One position without the epoch, which the lineage knows.
    struct Passed: Hashable {
        var txid: TXID
        var digest: VaultDigest
    }

    private static let passedMagic: UInt32 = 0x5347_5050  // "PPGS"
    private static let passedVersion: UInt16 = 1
    /// A secondary that is away is remembered by itself; one that is not is this close behind.
    private static let mostPassed = 16_384

    private var passedPath: String { self.directory + "/passed" }

    /// Whether the vault was at this position before the log began anew.
    package func passed(_ position: Position) -> Bool {
        let entry = Passed(txid: position.txid, digest: position.digest)
        let found = try? self.exclusively { state throws(SegmentStoreError) in
            state.passed.contains(entry)
        }
        return found ?? false
    }

    /// What is to be remembered of the log as it is, of a vault that goes on at `position`.
    ///
    /// It has never been where the log only led to: a node logs before it applies, and an older state of
    /// the vault may have been put back.
    func passedPositions(
        _ state: inout State,
        until position: Position
    ) throws(SegmentStoreError) -> [Passed] {
        try self.allPositions(&state).filter { $0.txid <= position.txid }
    }

    private func allPositions(_ state: inout State) throws(SegmentStoreError) -> [Passed] {
        guard let start = state.start, let newest = state.newest else { return state.passed }
        var newer: [Passed] = []
        for file in state.files.reversed() where newer.count < Self.mostPassed {
            var found: [Passed] = []
            try Self.walk(file, from: 0) { _, record, _ throws(SegmentStoreError) in
                guard record.segment.last <= newest.txid, let position = record.segment.position
                else { return .goOn }
                found.append(Passed(txid: position.txid, digest: position.digest))
                return .goOn
            }
            newer = found + newer
        }
        let first = [Passed(txid: start.txid, digest: start.digest)]
        return Array((state.passed + first + newer).suffix(Self.mostPassed))
    }

    /// Durable when it returns.
    func writePassed(_ passed: [Passed]) throws(SystemFailure) {
        guard !passed.isEmpty else { return try Self.removePassed(in: self.directory) }
        var writer = ByteWriter(reserving: passed.count * 40 + 16)
        writer.u32(Self.passedMagic)
        writer.u16(Self.passedVersion)
        writer.u16(0)
        writer.u32(UInt32(passed.count))
        for entry in passed {
            writer.u64(entry.txid.rawValue)
            writer.digest(entry.digest)
        }
        writer.u32(CRC32C.checksum(writer.bytes))
        try DurableFile.replace(self.passedPath, with: writer.bytes)
    }

    static func removePassed(in directory: String) throws(SystemFailure) {
        let path = directory + "/passed"
        if unlink(path) == 0 { return try DurableFile.syncFolder(of: path) }
        guard errno == ENOENT else { throw SystemFailure("unlink", path) }
    }

    /// Empty when the file is missing or damaged: then nothing is proven by it.
    static func readPassed(_ directory: String) throws(SystemFailure) -> [Passed] {
        guard let bytes = try DurableFile.read(directory + "/passed"), bytes.count > 4 else {
            return []
        }
        var reader = ByteReader(bytes)
        do throws(ByteError) {
            guard try reader.u32("magic") == self.passedMagic,
                try reader.u16("version") == self.passedVersion,
                try reader.u16("reserved") == 0
            else { return [] }
            let count = try reader.u32("count")
            guard count <= self.mostPassed else { return [] }
            var passed: [Passed] = []
            for _ in 0..<count {
                let txid = TXID(try reader.u64("txid"))
                passed.append(Passed(txid: txid, digest: try reader.digest("digest")))
            }
            guard try reader.u32("crc") == CRC32C.checksum(bytes[..<(bytes.count - 4)]) else {
                return []
            }
            return passed
        } catch {
            return []
        }
    }

    /// The vault was taken back to before those: they are no part of its history any more.
    func forgetPassed(after txid: TXID, _ state: inout State) throws(SystemFailure) {
        let kept = state.passed.filter { $0.txid <= txid }
        guard kept.count < state.passed.count else { return }
        try self.writePassed(kept)
        state.passed = kept
    }
}
