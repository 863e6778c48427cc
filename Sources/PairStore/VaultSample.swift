import CWALIndex
import Glibc
import PairCore
import PairWAL

/// What is remembered of a captured vault beside its log, to know it again.
///
/// An application that writes while no daemon looks leaves a gap in the log. A file that somebody
/// puts in the vault's place, a restored backup say, looks the same: what is found is not where the
/// log ends. The first holds everything that was shipped, the second does not, and the difference
/// is whether the secondary may give up its copy. So the file's identity, its change counter and
/// the hashes of some pages are kept from the beginning of each capture; with the log's own pages
/// they tell what the vault held last (``VaultDescent``).
struct VaultSample: Hashable {
    var file: FileIdentity
    var pageSize: PageSize
    /// Where in history it was taken.
    var position: Position
    var salts: UInt64
    var changeCounter: UInt32
    var hashes: [PageNumber: Short]

    /// Enough of a page's hash to know the page again.
    struct Short: Hashable {
        var first: UInt64
        var second: UInt64

        init(_ hash: PageHash) {
            self.first = hash.lanes.0
            self.second = hash.lanes.1
        }

        init(first: UInt64, second: UInt64) {
            self.first = first
            self.second = second
        }
    }

    /// Which file it is: an inode's number is given to the next file, its birth is not.
    struct FileIdentity: Hashable {
        var device: UInt64
        var inode: UInt64
        /// Nanoseconds since 1970; 0 where the file system does not know it.
        var birth: Int64
    }

    /// All pages of a vault of up to 16 MiB with 4 KiB pages.
    private static let mostPages: UInt32 = 4_096
    private static let magic: UInt32 = 0x504d_5650  // "PVMP"
    private static let version: UInt16 = 1

    init(
        of pages: PageMap,
        at position: Position,
        file: FileIdentity,
        salts: UInt64,
        changeCounter: UInt32
    ) {
        self.file = file
        self.pageSize = pages.pageSize
        self.position = position
        self.salts = salts
        self.changeCounter = changeCounter
        self.hashes = [:]
        let distance = max(1, (pages.pageCount + Self.mostPages - 1) / Self.mostPages)
        for number in stride(from: 1, through: pages.pageCount, by: Int(distance)) {
            let page = PageNumber(number)
            guard page != pages.pageSize.lockPage else { continue }
            self.hashes[page] = Short(pages[page])
        }
    }

    // MARK: On the disk

    func write(to path: String) throws(SystemFailure) {
        var writer = ByteWriter(reserving: 128 + 20 * self.hashes.count)
        writer.u32(Self.magic)
        writer.u16(Self.version)
        writer.u16(UInt16(self.pageSize.log2))
        writer.u64(self.file.device)
        writer.u64(self.file.inode)
        writer.i64(self.file.birth)
        writer.position(self.position)
        writer.u64(self.salts)
        writer.u32(self.changeCounter)
        writer.u32(UInt32(self.hashes.count))
        for (page, hash) in self.hashes.sorted(by: { $0.key < $1.key }) {
            writer.u32(page.rawValue)
            writer.u64(hash.first)
            writer.u64(hash.second)
        }
        writer.u32(CRC32C.checksum(writer.bytes))
        try DurableFile.replace(path, with: writer.bytes)
    }

    /// - Returns: `nil` when there is none, or none that is whole.
    init?(from path: String) throws(SystemFailure) {
        guard let bytes = try DurableFile.read(path), bytes.count >= 4 else { return nil }
        var reader = ByteReader(bytes)
        do throws(ByteError) {
            guard try reader.u32("magic") == Self.magic,
                try reader.u16("version") == Self.version
            else { return nil }
            let log2 = try reader.u16("page size")
            guard log2 <= 16, let pageSize = PageSize(byteCount: 1 << Int(log2)) else { return nil }
            self.pageSize = pageSize
            self.file = FileIdentity(
                device: try reader.u64("device"),
                inode: try reader.u64("inode"),
                birth: try reader.i64("birth")
            )
            self.position = try reader.position("position")
            self.salts = try reader.u64("salts")
            self.changeCounter = try reader.u32("change counter")
            self.hashes = [:]
            for _ in 0..<(try reader.u32("pages")) {
                let page = PageNumber(try reader.u32("page"))
                self.hashes[page] = Short(
                    first: try reader.u64("hash"),
                    second: try reader.u64("hash")
                )
            }
            guard try reader.u32("crc") == CRC32C.checksum(bytes[..<(bytes.count - 4)]) else {
                return nil
            }
        } catch {
            return nil
        }
    }
}

extension VaultFiles {
    func identity() throws(VaultError) -> VaultSample.FileIdentity {
        var status = stat()
        guard fstat(self.database, &status) == 0 else {
            throw .system(errno: errno, call: "fstat", path: self.path)
        }
        return VaultSample.FileIdentity(
            device: UInt64(status.st_dev),
            inode: UInt64(status.st_ino),
            birth: walindex_birth(self.database)
        )
    }
}
