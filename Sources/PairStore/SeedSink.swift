import Glibc
import PairCore
import PairWAL
import Synchronization

/// Builds a whole vault where there is none, beside its place, and puts it there when it is proven.
///
/// The pages go into `VAULT.seed` in the vault's folder. At the end the file's digest must be the
/// primary's; then it is synced, what lies in its place is moved aside, and it takes the place: the
/// name is the last thing that changes. A crash before that leaves `VAULT.seed`, which the next seed
/// overwrites, and no vault or the old one; after it, the new one.
///
/// Nobody may have the old file open when it is replaced: he would go on with a file without a name,
/// or read the new file through the old log.
final class SeedSink: CopySink {
    let pageByteCount: UInt64
    private let vault: Vault
    private let path: String
    private let pageSize: PageSize
    private let state: Mutex<State?>

    private struct State {
        let descriptor: Int32
        var pages: CopiedPages
        var history: CopiedHistory
        let hasher = PageHasher()
    }

    /// - Parameter pageCount: of the primary's vault where the copy begins.
    init(_ vault: Vault, pageSize: PageSize, pageCount: UInt32) throws(VaultError) {
        self.vault = vault
        self.path = vault.configuration.path
        self.pageSize = pageSize
        self.pageByteCount = UInt64(pageSize.byteCount)
        let seedPath = vault.configuration.path + ".seed"
        do throws(SystemFailure) {
            self.state = Mutex(
                State(
                    descriptor: try SeedPlacement.create(seedPath, like: vault.configuration.path),
                    pages: CopiedPages(over: PageMap(pageSize: pageSize)),
                    history: CopiedHistory(pageCount: pageCount)
                )
            )
        } catch {
            throw VaultError(error)
        }
    }

    deinit { self.abandon() }

    /// A seed asks for every page.
    func differing(
        first: PageNumber,
        shortHashes: [UInt8]
    ) throws(VaultError) -> [UInt8] {
        let count = shortHashes.count / 16
        return (0..<(count + 7) / 8).map { byte in
            UInt8(truncatingIfNeeded: (1 << min(8, count - byte * 8)) - 1)
        }
    }

    func take(page: PageNumber, image: ArraySlice<UInt8>) throws(VaultError) {
        guard image.count == self.pageSize.byteCount, page.rawValue > 0,
            page != self.pageSize.lockPage
        else { throw .segment(.badField(.length)) }
        try self.exclusively { state throws(VaultError) in
            try image.span.bytes.withUnsafeBytes { bytes throws(VaultError) in
                try self.write(page, bytes, &state)
            }
        }
    }

    func take(segment bytes: [UInt8]) throws(VaultError) {
        let view = try SegmentView(checking: bytes)
        try self.exclusively { state throws(VaultError) in
            try state.history.take(view.header, pageSize: self.pageSize)
            for record in view.records {
                try view.withPage(of: record) { image throws(VaultError) in
                    try self.write(record.page, image, &state)
                }
            }
        }
    }

    func finish(at position: Position) throws(VaultError) {
        var written: PageMap?
        try self.exclusively { state throws(VaultError) in
            let pageCount = state.history.pageCount
            guard state.history.ends(at: position), pageCount > 0 else {
                throw .notRunning("a complete copy")
            }
            guard let pages = state.pages.finished(pageCount: pageCount) else {
                throw .segment(.badField(.pagesAfter))
            }
            guard pages.digest == position.digest else {
                throw .digestMismatch(
                    txid: position.txid,
                    expected: position.digest,
                    found: pages.digest
                )
            }
            written = pages
            let byteCount = Int(pageCount) * self.pageSize.byteCount
            guard ftruncate(state.descriptor, off_t(byteCount)) == 0 else {
                throw .system(errno: errno, call: "ftruncate", path: self.path + ".seed")
            }
            guard SyncTimes.sync(state.descriptor) == 0 else {
                throw .system(errno: errno, call: "fsync", path: self.path + ".seed")
            }
        }
        try self.vault.place(seedOf: self.pageSize, at: position)
        self.state.withLock { state in
            if let state { close(state.descriptor) }
            state = nil
        }
        _ = try self.vault.attach(.closed(marked: true), written: written)
        try self.vault.beginApplying(after: position)
    }

    func abandon() {
        self.state.withLock { state in
            guard let old = state else { return }
            close(old.descriptor)
            unlink(self.path + ".seed")
            state = nil
        }
    }

    private func exclusively(
        _ body: (inout State) throws(VaultError) -> Void
    ) throws(VaultError) {
        try self.state.withLock { state throws(VaultError) in
            // Taken out and put back, so that its arrays have one owner and are changed in place.
            guard var open = state.take() else { throw .notRunning("the copy") }
            defer { state = open }
            try body(&open)
        }
    }

    private func write(
        _ page: PageNumber,
        _ image: UnsafeRawBufferPointer,
        _ state: inout State
    ) throws(VaultError) {
        state.pages.set(page, state.hasher.hash(page, image))
        let offset = (Int(page.rawValue) - 1) * self.pageSize.byteCount
        var failed = DurableFile.writeAll(image, to: state.descriptor, at: offset)
        if page == .first, !failed {
            var marker = Marker.set
            failed = withUnsafeBytes(of: &marker) {
                DurableFile.writeAll($0, to: state.descriptor, at: Marker.byteOffset)
            }
        }
        guard !failed else {
            throw .system(errno: errno, call: "write", path: self.path + ".seed")
        }
    }
}

extension VaultError {
    init(_ failure: SystemFailure) {
        self = .log(SegmentStoreError(failure))
    }
}
