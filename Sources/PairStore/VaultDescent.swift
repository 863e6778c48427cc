import PairCore
import PairWAL

/// Whether a vault whose place in history nothing proves is at least the captured one, written to.
///
/// SQLite keeps no mark that tells a database from its own backup, so this weighs what there is. Each
/// row is evidence; the first that is found decides.
///
///     the file is another one (device, inode, birth)              replaced: moved or renamed here
///     its pages have another size                                 replaced
///     its change counter is less than it was                      replaced: an older state
///     the WAL's salts have been counted up from what they were    the same vault
///     a page is as it was before a transaction of the log that
///     no other page shows to be there                             replaced: an older state
///     a page but the first is as it was left                      the same vault
///     none of these                                               replaced, to be safe
///
/// A page may be as it was long ago because an application has put it back, so an old image counts
/// only where nothing newer is found. The salts come first: whoever writes into the WAL that was
/// captured has the captured vault open. The last row meets a vault of which an application has
/// rewritten every page, by VACUUM for instance, and has then been the last to close it, all while no
/// daemon looked. It costs an archive.
struct VaultDescent {
    /// What the vault held at the end of the log, as far as that is known, and since when.
    private var newest: [PageNumber: (hash: VaultSample.Short, since: TXID)]
    /// What it held before, and the transaction that ended it last.
    private var older: [PageNumber: [VaultSample.Short: TXID]] = [:]
    private var changeCounter: UInt32
    private var salts: UInt64
    private let sample: VaultSample

    /// What was found instead.
    struct Finding {
        var file: VaultSample.FileIdentity
        var pages: PageMap
        var salts: UInt64
        var changeCounter: UInt32
    }

    /// A counter of restarts that is further ahead than this is another one.
    private static let mostRestarts: UInt32 = 1 << 12

    init(_ sample: VaultSample, log: SegmentStore) throws(VaultError) {
        self.sample = sample
        self.newest = sample.hashes.mapValues { ($0, sample.position.txid) }
        self.changeCounter = sample.changeCounter
        self.salts = sample.salts
        do throws(SegmentStoreError) {
            try self.read(log)
        } catch {
            throw .log(error)
        }
    }

    /// Whether everything that was captured is in the history of what was found.
    func includes(_ found: Finding) -> Bool {
        guard found.file == self.sample.file, found.pages.pageSize == self.sample.pageSize,
            found.changeCounter >= self.changeCounter
        else { return false }
        if self.continues(found.salts) { return true }
        /// The newest transaction that is proven to be there, and the newest that seems not to be.
        var (present, absent): (TXID?, TXID?)
        for (page, entry) in self.newest where page.rawValue <= found.pages.pageCount {
            let hash = VaultSample.Short(found.pages[page])
            let older = self.older[page]?[hash]
            if hash != entry.hash {
                absent = [absent, older].compactMap(\.self).max()
            } else if older == nil, page != .first {
                present = max(present ?? entry.since, entry.since)
            }
        }
        guard let present else { return false }
        return absent.map { $0 <= present } ?? true
    }

    /// Whoever restarts the WAL adds one to the first salt; a new WAL begins with random ones.
    private func continues(_ found: UInt64) -> Bool {
        let restarts =
            UInt32(truncatingIfNeeded: found >> 32)
            &- UInt32(truncatingIfNeeded: self.salts >> 32)
        return found == self.salts || 1...Self.mostRestarts ~= restarts
    }

    // MARK: The log

    private mutating func read(_ log: SegmentStore) throws(SegmentStoreError) {
        guard let start = log.start, let end = log.newest else { return }
        if let entry = try log.newestEntry(where: { $0.anchor != .none }) {
            self.salts = entry.anchor.salts
        }
        let hasBeginning =
            self.sample.position.txid >= start.txid
            && self.sample.position.txid <= end.txid
        var cursor = SegmentStore.Cursor(
            after: hasBeginning ? self.sample.position.txid : start.txid
        )
        let hasher = PageHasher()
        while true {
            let segments = try log.segments(after: cursor, maxBytes: 4 << 20)
            guard !segments.isEmpty else { return }
            for bytes in segments {
                do throws(SegmentError) {
                    let view = try SegmentView(bytes)
                    self.read(view, hasher)
                    cursor.advance(past: view.header)
                } catch {
                    throw .badSegment(error)
                }
            }
        }
    }

    private mutating func read(_ view: SegmentView, _ hasher: PageHasher) {
        guard view.header.pageSize == self.sample.pageSize else { return }
        for record in view.records {
            view.withPage(of: record) { image in
                let hash = VaultSample.Short(hasher.hash(record.page, image))
                let before = self.newest.updateValue((hash, view.header.last), forKey: record.page)
                if let before, before.hash != hash {
                    self.older[record.page, default: [:]][before.hash] = view.header.last
                }
                if record.page == .first { self.changeCounter = Self.changeCounter(of: image) }
            }
        }
    }

    /// How often page 1 has been written, modulo 2^32 (fileformat2, 1.3.6).
    static func changeCounter(of firstPage: UnsafeRawBufferPointer) -> UInt32 {
        UInt32(bigEndian: firstPage.loadUnaligned(fromByteOffset: 24, as: UInt32.self))
    }
}

extension Vault {
    private var samplePath: String { self.configuration.logDirectory + "/sample" }

    /// Whether what was found in the place of the vault is another one, as far as can be told.
    ///
    /// Without anything to compare it with it counts as another one: that costs space, not data.
    func isReplaced(_ vault: AttachedVault, by found: Rest) throws(VaultError) -> Bool {
        let sample: VaultSample?
        do throws(SystemFailure) {
            sample = try VaultSample(from: self.samplePath)
        } catch {
            throw VaultError(error)
        }
        guard let sample else { return true }
        let image = try vault.firstPage()
        let finding = VaultDescent.Finding(
            file: try vault.files.identity(),
            pages: found.pages,
            salts: found.header.salts,
            changeCounter: image.withUnsafeBytes { VaultDescent.changeCounter(of: $0) }
        )
        do throws(VaultError) {
            return !(try VaultDescent(sample, log: self.log).includes(finding))
        } catch {
            // A log that cannot be read vouches for nothing.
            return true
        }
    }

    /// Remembers the vault as it is where capture begins.
    ///
    /// The counter may be that of a later commit, which is captured next: it never runs backwards.
    func remember(
        _ vault: AttachedVault,
        _ pages: PageMap,
        at position: Position,
        salts: UInt64
    ) throws(VaultError) {
        let image = try vault.firstPage()
        let sample = VaultSample(
            of: pages,
            at: position,
            file: try vault.files.identity(),
            salts: salts,
            changeCounter: image.withUnsafeBytes { VaultDescent.changeCounter(of: $0) }
        )
        do throws(SystemFailure) {
            try sample.write(to: self.samplePath)
        } catch {
            throw VaultError(error)
        }
    }
}
