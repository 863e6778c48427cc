import PairCore
import PairWAL
import Synchronization

/// Brings a vault level that is open for reading: only what differs is sent.
///
/// The pages become frames of the vault's own WAL as they come, beyond what readers and recovery look
/// at, and the end makes one commit of them all. So readers see the old vault until they see the new
/// one, a crash leaves one of the two, and a vault of any size needs no memory but for its hashes.
final class DeltaSink: CopySink {
    private let applier: Applier
    let pageByteCount: UInt64

    /// - Parameter pageCount: of the primary's vault where the copy begins.
    init(_ applier: Applier, pageCount: UInt32) throws(VaultError) {
        self.applier = applier
        self.pageByteCount = UInt64(applier.vault.pageSize.byteCount)
        try applier.exclusively { state throws(VaultError) in
            state.parts = nil
            try state.appender.begin()
            state.copy = Applier.Copy(
                pages: CopiedPages(over: state.pages),
                history: CopiedHistory(pageCount: pageCount)
            )
        }
    }

    func differing(
        first: PageNumber,
        shortHashes: [UInt8]
    ) throws(VaultError) -> [UInt8] {
        let map = self.applier.pages
        let count = shortHashes.count / 16
        guard UInt64(first.rawValue) + UInt64(count) <= UInt64(UInt32.max), first.rawValue > 0
        else {
            throw .segment(.badField(.pageNumber))
        }
        var bitmap = [UInt8](repeating: 0, count: (count + 7) / 8)
        shortHashes.withUnsafeBytes { bytes in
            for index in 0..<count {
                let lanes = map[PageNumber(first.rawValue + UInt32(index))].lanes
                let one = bytes.loadUnaligned(fromByteOffset: index * 16, as: UInt64.self)
                let other = bytes.loadUnaligned(fromByteOffset: index * 16 + 8, as: UInt64.self)
                guard lanes.0 != UInt64(littleEndian: one) || lanes.1 != UInt64(littleEndian: other)
                else { continue }
                bitmap[index / 8] |= 1 << UInt8(index % 8)
            }
        }
        return bitmap
    }

    func take(page: PageNumber, image: ArraySlice<UInt8>) throws(VaultError) {
        guard image.count == Int(self.pageByteCount), page.rawValue > 0 else {
            throw .segment(.badField(.length))
        }
        try self.applier.copying { copy, state throws(VaultError) in
            try image.span.bytes.withUnsafeBytes { bytes throws(VaultError) in
                try copy.take(page, bytes, &state)
            }
        }
    }

    func take(segment bytes: [UInt8]) throws(VaultError) {
        let view = try SegmentView(checking: bytes)
        try self.applier.copying { copy, state throws(VaultError) in
            try copy.history.take(view.header, pageSize: state.pages.pageSize)
            for record in view.records {
                try view.withPage(of: record) { image throws(VaultError) in
                    try copy.take(record.page, image, &state)
                }
            }
        }
    }

    func finish(at position: Position) throws(VaultError) {
        try self.applier.finishCopy(at: position)
    }

    func abandon() { self.applier.abandonCopy() }
}

extension Applier {
    /// A copy under way; its frames are in the WAL, unpublished.
    struct Copy {
        var pages: CopiedPages
        var history: CopiedHistory

        fileprivate mutating func take(
            _ page: PageNumber,
            _ image: UnsafeRawBufferPointer,
            _ state: inout State
        ) throws(VaultError) {
            guard page != state.pages.pageSize.lockPage else {
                throw .segment(.badField(.pageNumber))
            }
            self.pages.set(page, state.hasher.hash(page, image))
            try Applier.append(page, image, &state.appender)
        }
    }

    fileprivate func copying(
        _ body: (inout Copy, inout State) throws(VaultError) -> Void
    ) throws(VaultError) {
        try self.exclusively { state throws(VaultError) in
            guard var copy = state.copy else { throw .notRunning("the copy") }
            state.copy = nil
            try body(&copy, &state)
            state.copy = copy
        }
    }

    fileprivate func finishCopy(at position: Position) throws(VaultError) {
        try self.exclusively { state throws(VaultError) in
            guard let copy = state.copy, copy.history.ends(at: position) else {
                throw .notRunning("a complete copy")
            }
            state.copy = nil
            guard let pages = copy.pages.finished(pageCount: copy.history.pageCount) else {
                throw .segment(.badField(.pagesAfter))
            }
            guard pages.digest == position.digest else {
                throw .digestMismatch(
                    txid: position.txid,
                    expected: position.digest,
                    found: pages.digest
                )
            }
            do throws(SegmentStoreError) {
                try self.log.restart(at: position)
            } catch {
                throw .log(error)
            }
            if !state.appender.isEmpty {
                state.appender.seal(pagesAfter: pages.pageCount)
                try state.appender.sync()
                try state.appender.publish()
            }
            state.pages = pages
            // No checkpoint yet: whoever ends applying now, to go on elsewhere, would wait for it.
            state.position = position
        }
    }

    fileprivate func abandonCopy() { self.state.withLock { $0.copy = nil } }
}

extension SegmentView {
    /// As the initializer that checks the bytes, with the store's error.
    init(checking bytes: [UInt8]) throws(VaultError) {
        do throws(SegmentError) {
            self = try SegmentView(bytes)
        } catch {
            throw .segment(error)
        }
    }

    /// Calls `body` with the record's page, a zero page included.
    func withPage<Value, Failure: Error>(
        of record: SegmentRecord,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        record.isZero
            ? try withZeroPage(of: self.header.pageSize, body)
            : try self.withImage(of: record, body)
    }
}
