import Glibc
import PairCore
import PairWAL
import Synchronization

// Commits that no daemon has seen, and that are still in the WAL.
extension Vault {
    private var overwrittenPath: String { self.configuration.logDirectory + "/overwritten" }

    /// The vault was written to without SQLite since the log began: nothing but a digest proves it.
    var wasOverwritten: Bool {
        self.overwriting.withLock { $0 } || access(self.overwrittenPath, F_OK) == 0
    }

    func rememberOverwriting() {
        self.overwriting.withLock { isKnown in
            guard !isKnown else { return }
            do throws(SystemFailure) {
                try DurableFile.replace(self.overwrittenPath, with: [])
                isKnown = true
            } catch {
                // Whoever asks next tries again; a disk that takes nothing has its own warning.
            }
        }
    }

    /// The log begins with the vault as it is.
    func forgetOverwriting() throws(SystemFailure) {
        try self.overwriting.withLock { isKnown throws(SystemFailure) in
            isKnown = false
            guard unlink(self.overwrittenPath) == 0 || errno == ENOENT else {
                throw SystemFailure("unlink", self.overwrittenPath)
            }
        }
    }

    /// Whether what was found is what the log led to, and the commits that follow it in the WAL.
    enum Continuation {
        case proven
        /// The database has been written to without SQLite, while the WAL was left in its place.
        case impossible
        /// What the commits have changed is in the database already, and not all of what was there
        /// before is known.
        case unknown
    }

    /// Takes back what follows `entry` in the WAL, and compares the digest with the log's.
    ///
    /// The frame that ends the log's newest transaction is in the WAL also when another database was
    /// put under it.
    func continuation(
        of rest: Rest,
        from entry: SegmentStore.Entry,
        _ vault: AttachedVault
    ) throws(VaultError) -> Continuation {
        let (last, pageSize) = (entry.anchor.frame, vault.pageSize)
        guard last < rest.header.maxFrame else { return .impossible }
        let frames = vault.files.index
        var written = Set((last + 1...rest.header.maxFrame).map { frames.page(of: $0) })
        let bytes = UnsafeMutableRawBufferPointer.allocate(
            byteCount: WALFrame.headerByteCount + pageSize.byteCount,
            alignment: 4_096
        )
        defer { bytes.deallocate() }
        let offset = WALFrame.byteOffset(of: last, pageSize: pageSize)
        guard try vault.files.readWAL(bytes, at: offset) == bytes.count else { return .unknown }
        let pageCount = WALFrame(header: UnsafeRawBufferPointer(bytes)).pagesAfterCommit
        if pageCount > rest.pages.pageCount {
            written.formUnion((rest.pages.pageCount + 1...pageCount).map { PageNumber($0) })
        }
        var before: [PageNumber: UInt32] = [:]
        for frame in 1...last where written.contains(frames.page(of: frame)) {
            before[frames.page(of: frame)] = frame
        }
        var pages = rest.pages
        pages.resize(to: pageCount)
        let hasher = PageHasher()
        let image = UnsafeMutableRawBufferPointer(rebasing: bytes[..<pageSize.byteCount])
        var copied: Set<PageNumber> = []
        for page in written
        where page.rawValue >= 1 && page.rawValue <= pageCount && page != pageSize.lockPage {
            if before[page] == nil { copied.insert(page) }
            let count =
                if let frame = before[page] {
                    try vault.files.readWAL(
                        image,
                        at: WALFrame.byteOffset(of: frame, pageSize: pageSize)
                            + WALFrame.headerByteCount
                    )
                } else {
                    try vault.files.readDatabase(
                        image,
                        at: (Int(page.rawValue) - 1) * pageSize.byteCount
                    )
                }
            guard count == image.count else { return .unknown }
            pages.set(page, hasher.hash(page, UnsafeRawBufferPointer(image)))
        }
        // Else the WAL has begun anew meanwhile, and these were the frames of another.
        guard frames.header()?.salts == rest.header.salts else { return .unknown }
        if pages.digest == entry.position.digest { return .proven }
        // A checkpoint may have copied the commits already: the log knows what was there before.
        for (page, hash) in try self.newestHashes(of: copied, until: entry.position.txid) {
            pages.set(page, hash)
        }
        return pages.digest == entry.position.digest ? .proven : .unknown
    }

    /// The pages as the end of the log has them, as far as it does.
    private func newestHashes(
        of pages: Set<PageNumber>,
        until txid: TXID
    ) throws(VaultError) -> [PageNumber: PageHash] {
        var found: [PageNumber: PageHash] = [:]
        let hasher = PageHasher()
        do throws(SegmentStoreError) {
            try self.log.readTail(maxBytes: VaultDescent.tailByteCount) { view in
                for record in view.records
                where view.header.first <= txid && pages.contains(record.page) {
                    found[record.page] = view.withPage(of: record) {
                        hasher.hash(record.page, $0)
                    }
                }
            }
        } catch {
            throw .log(error)
        }
        return found
    }
}
