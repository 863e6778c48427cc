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
///     a page holds what the newest logged transaction put there   the same vault
///     the log is empty, and a page but the first is as it was     the same vault
///     none of these                                               replaced, to be safe
///
/// Only the newest transaction tells: everything older is in a backup as well. An application that
/// writes on seldom takes out of a page what it has put there, and a page that was changed and not
/// rebuilt has its cells where they were: so the bytes that the transaction changed are looked for, not
/// the whole page. WAL salts that were counted up are no evidence; they are in a backup of all three
/// files too. The last row meets a vault in which an application has since changed every row that the
/// transaction did, and has restarted the WAL, all while no daemon looked. It costs an archive.
struct VaultDescent {
    private let sample: VaultSample
    private var changeCounter: UInt32
    /// The pages of the newest transaction in the log.
    private var newest: [PageNumber: [UInt8]] = [:]
    /// What they held before, where the log still says so.
    private var before: [PageNumber: [UInt8]] = [:]

    /// What was found instead.
    struct Finding {
        var file: VaultSample.FileIdentity
        var pages: PageMap
        var changeCounter: UInt32
    }

    /// How much of the log is read for what the pages held before.
    private static let tailByteCount = 32 << 20
    /// Fewer bytes may be alike by chance.
    private static let leastChange = 4
    private static let leastContent = 16

    init(_ sample: VaultSample, log: SegmentStore) throws(VaultError) {
        self.sample = sample
        self.changeCounter = sample.changeCounter
        do throws(SegmentStoreError) {
            try self.read(log)
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
        guard !self.newest.isEmpty else {
            return self.sample.hashes.contains { page, hash in
                page != .first && page.rawValue <= found.pages.pageCount
                    && VaultSample.Short(found.pages[page]) == hash
            }
        }
        for (number, image) in self.newest
        where number != .first && number.rawValue <= found.pages.pageCount {
            // Whether it changed anything at all is known by the sample, where the log is silent.
            if self.before[number] == nil, self.sample.hashes[number] == self.hash(number, image) {
                continue
            }
            if Self.shows(try page(number), image, before: self.before[number]) { return true }
        }
        return false
    }

    private func hash(_ number: PageNumber, _ image: [UInt8]) -> VaultSample.Short {
        VaultSample.Short(image.withUnsafeBytes { PageHasher().hash(number, $0) })
    }

    /// Whether `found` still has what changed from `before` to `image`.
    static func shows(_ found: [UInt8], _ image: [UInt8], before: [UInt8]?) -> Bool {
        guard found.count == image.count else { return false }
        if found == image { return before != image }
        let start = Self.contentStart(image)
        guard start < image.count, found[0] == image[0] else { return false }
        guard let before, before.count == image.count else {
            return image.count - start >= Self.leastContent
                && found[start...] == image[start...]
        }
        var count = 0
        for offset in start..<image.count where image[offset] != before[offset] {
            guard found[offset] == image[offset] else { return false }
            count += 1
        }
        return count >= Self.leastChange
    }

    /// Where the cells of a b-tree page begin (fileformat2, 1.6); its end for any other page.
    private static func contentStart(_ image: [UInt8]) -> Int {
        guard image.count >= 8, [2, 5, 10, 13].contains(image[0]) else { return image.count }
        let start = Int(image[5]) << 8 | Int(image[6])
        return start == 0 ? 65_536 : start
    }

    // MARK: The log

    private mutating func read(_ log: SegmentStore) throws(SegmentStoreError) {
        guard let end = log.newest else { return }
        for bytes in try log.tail(maxBytes: Self.tailByteCount) {
            do throws(SegmentError) {
                let view = try SegmentView(bytes)
                self.read(view, isNewest: view.header.last >= end.txid)
            } catch {
                throw .badSegment(error)
            }
        }
    }

    private mutating func read(_ view: SegmentView, isNewest: Bool) {
        guard view.header.pageSize == self.sample.pageSize else { return }
        for record in view.records {
            let image = view.withPage(of: record) { [UInt8]($0) }
            if record.page == .first {
                self.changeCounter = image.withUnsafeBytes { Self.changeCounter(of: $0) }
            }
            if isNewest {
                self.newest[record.page] = image
            } else {
                self.before[record.page] = image
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
            changeCounter: image.withUnsafeBytes { VaultDescent.changeCounter(of: $0) }
        )
        do throws(VaultError) {
            let descent = try VaultDescent(sample, log: self.log)
            return try !descent.includes(finding) { page throws(VaultError) in
                try vault.page(page)
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
        } catch {
            throw VaultError(error)
        }
    }
}
