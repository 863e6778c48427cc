import PairCore
import PairWAL

/// Whether a vault whose place in history nothing proves is at least the captured one, written to.
///
/// SQLite keeps no mark that tells a database from its own backup, so this weighs what there is:
///
///     the file is another one (device, inode, birth)               replaced: moved or renamed here
///     its pages have another size                                  replaced
///     its change counter is less than it was                       replaced: an older state
///     a page is as it was before its last logged change            replaced: an older state
///     of the rows that came last to their pages half are not there replaced: an older state
///     a page has what the newest logged transaction put there      the same vault
///     none of these, or the log is empty                           replaced, to be safe
///
/// Only what the newest transaction has put there speaks for the vault: everything older is in a backup
/// as well. An application that writes on seldom takes out of a page what it has put there
/// (``PageChange``). A page that goes back and forth between two states says nothing, nor does one whose
/// state before the transaction is not known, nor a transaction that only deletes, because the same
/// deletion looks the same in a backup. WAL salts that were counted up are no evidence; they are in a
/// backup of all three files too.
///
/// A wrong "replaced" costs an archive, and is what a vault gets in which an application has since taken
/// out or put back what was logged last, and has restarted the WAL, all while no daemon looked. A wrong
/// "the same" would cost rows.
struct VaultDescent {
    private let sample: VaultSample
    private var changeCounter: UInt32
    /// What the end of the log has of each page, in order.
    private var images: [PageNumber: [Image]] = [:]
    /// The newest transaction in the log.
    private var newest = TXID.zero
    /// How many pages there were after the last commit that was read.
    private var pageCount: UInt32?
    private let hasher = PageHasher()

    private struct Image {
        var txid: TXID
        var bytes: [UInt8]
        var hash: VaultSample.Short
        /// There was no such page before.
        var isNewPage: Bool
    }

    /// What was found instead.
    struct Finding {
        var file: VaultSample.FileIdentity
        var pages: PageMap
        var changeCounter: UInt32
    }

    /// How much of the log is read.
    static let tailByteCount = 32 << 20

    init(_ sample: VaultSample, log: SegmentStore) throws(VaultError) {
        self.sample = sample
        self.changeCounter = sample.changeCounter
        do throws(SegmentStoreError) {
            guard let end = log.newest else { return }
            self.newest = end.txid
            try log.readTail(maxBytes: Self.tailByteCount) { view in self.read(view) }
        } catch {
            throw .log(error)
        }
    }

    /// Whether everything that was captured is in the history of what was found.
    ///
    /// - Parameter page: reads one of the pages that were found.
    func includes(
        _ found: Finding,
        page: (PageNumber) throws(VaultError) -> [UInt8]
    ) throws(VaultError) -> Bool {
        guard found.file == self.sample.file, found.pages.pageSize == self.sample.pageSize,
            found.changeCounter >= self.changeCounter
        else { return false }
        var hasNewest = false
        /// Of the pages that were written since: whether the row that came last is still there.
        var (kept, lost) = (0, 0)
        for (number, images) in self.images where number != .first {
            guard let last = images.last else { continue }
            let older = self.older(number, images)
            // Whoever puts pages back does so again and again.
            guard !older.contains(last.hash), Set(older).count == older.count else { continue }
            guard number.rawValue <= found.pages.pageCount else {
                lost += 1
                continue
            }
            let hash = VaultSample.Short(found.pages[number])
            guard !older.contains(hash) else { return false }
            let isNewest = last.txid == self.newest
            guard isNewest || hash != last.hash else { continue }
            guard let change = self.change(images) else {
                // Which row came last is not known, but all that were there.
                let all = PageChange(from: [], to: last.bytes)
                if all.hasNewRow, hash != last.hash, !all.isIn(try page(number)) { lost += 1 }
                continue
            }
            if hash == last.hash {
                hasNewest = hasNewest || change.isDistinct
                continue
            }
            let isThere = change.isIn(try page(number))
            if change.hasNewRow { (kept, lost) = isThere ? (kept + 1, lost) : (kept, lost + 1) }
            // What the page had before may have been the same.
            guard isThere, isNewest, !images.dropLast().contains(where: { change.isIn($0.bytes) })
            else { continue }
            hasNewest = true
        }
        return hasNewest && (lost == 0 || kept > lost)
    }

    /// All states of the page that are known to be older than the last.
    private func older(_ number: PageNumber, _ images: [Image]) -> [VaultSample.Short] {
        var known = images.dropLast().map(\.hash)
        guard let last = images.last, self.sample.position.txid < last.txid,
            let hash = self.sample.hashes[number]
        else { return known }
        // Where the log has the page as of the sample as well, it is the same state.
        let isLogged = images.contains { $0.txid <= self.sample.position.txid }
        if !isLogged { known.append(hash) }
        return known
    }

    /// What the last commit that wrote the page has put into it; `nil` where nobody knows.
    private func change(_ images: [Image]) -> PageChange? {
        guard let last = images.last else { return nil }
        if let before = images.last(where: { $0.txid < last.txid }) {
            return PageChange(from: before.bytes, to: last.bytes)
        }
        return last.isNewPage ? PageChange(from: [], to: last.bytes) : nil
    }

    // MARK: The log

    private mutating func read(_ view: SegmentView) {
        // What follows the newest transaction is no transaction yet.
        guard view.header.pageSize == self.sample.pageSize, view.header.first <= self.newest else {
            return
        }
        var txid = view.header.first
        for record in view.records {
            let bytes = view.withPage(of: record) { [UInt8]($0) }
            if record.page == .first {
                self.changeCounter = bytes.withUnsafeBytes { Self.changeCounter(of: $0) }
            } else {
                self.images[record.page, default: []].append(
                    Image(
                        txid: txid,
                        bytes: bytes,
                        hash: VaultSample.Short(
                            bytes.withUnsafeBytes { self.hasher.hash(record.page, $0) }
                        ),
                        isNewPage: self.pageCount.map { record.page.rawValue > $0 } ?? false
                    )
                )
            }
            guard let pagesAfter = record.pagesAfter else { continue }
            self.pageCount = pagesAfter
            txid = txid.next
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
            changeCounter: image.withUnsafeBytes { VaultDescent.changeCounter(of: $0) }
        )
        do throws(VaultError) {
            let descent = try VaultDescent(sample, log: self.log)
            return try !vault.withPages { page throws(VaultError) in
                try descent.includes(finding, page: page)
            }
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
            if !vault.isTamperedWith { try self.forgetOverwriting() }
        } catch {
            throw VaultError(error)
        }
    }
}
