import Glibc
package import PairCore
import PairWAL

/// One committed state of the vault, held readable by a read transaction of our own.
///
/// While it is held, the newest versions of the pages stay where they are: frames after the
/// backfilled ones in the WAL, everything else in the database file. A snapshot is read page by
/// page without SQLite, byte for byte as SQLite would show it.
package final class Snapshot: Sendable {
    package let pageSize: PageSize
    package let pageCount: UInt32
    /// The header that vouches for this state.
    let header: WALIndex.Header
    let files: VaultFiles
    private let backfilled: UInt32
    private let connection: SQLiteConnection
    private let frames: Monitor<[UInt32: UInt32]?>

    /// Takes a snapshot through `connection`, which has no transaction open.
    ///
    /// A connection that finds everything backfilled holds a lock that keeps the file as it is but
    /// lets the WAL be overwritten. Then no commit may slip in between; otherwise the lock keeps
    /// the WAL and any newer header describes frames that stay, so commits do not matter.
    ///
    /// - Throws: `.timedOut` when commits and checkpoints keep slipping in, `.sqlite`, `.system`.
    package init(
        of files: VaultFiles,
        through connection: SQLiteConnection,
        pageSize: PageSize
    ) throws(VaultError) {
        var found: (header: WALIndex.Header, backfilled: UInt32)?
        for _ in 0..<1_000 {
            guard let before = files.index.header() else {
                StoreThread.pause(.microseconds(20))
                continue
            }
            let backfilled = files.index.backfilledFrames
            try connection.beginReading()
            let after = files.index.header()
            if let after, after.salts == before.salts,
                files.index.backfilledFrames == backfilled,
                backfilled < before.maxFrame || after == before
            {
                found = (after, backfilled)
                break
            }
            connection.endReading()
        }
        guard let found else { throw .timedOut("taking a snapshot of the vault") }
        self.files = files
        self.connection = connection
        self.header = found.header
        self.backfilled = found.backfilled
        self.pageSize = pageSize
        self.frames = Monitor(nil)
        do throws(VaultError) {
            self.pageCount =
                found.header.pageCount > 0
                ? found.header.pageCount
                : UInt32(try files.databaseByteCount() / pageSize.byteCount)
        } catch {
            connection.endReading()
            throw error
        }
    }

    /// Lets go of the state; nothing may be read any more.
    package func end() { self.connection.endReading() }

    /// Reads one page's image as it is, the marker in page 1 included.
    ///
    /// - Parameter bytes: one page long.
    /// - Throws: `.system`.
    package func read(
        _ page: PageNumber,
        into bytes: UnsafeMutableRawBufferPointer
    ) throws(VaultError) {
        let count: Int
        if let frame = self.frame(of: page) {
            let offset =
                WALFrame.byteOffset(of: frame, pageSize: self.pageSize) + WALFrame.headerByteCount
            count = try self.files.readWAL(bytes, at: offset)
        } else {
            let offset = (Int(page.rawValue) - 1) * self.pageSize.byteCount
            count = try self.files.readDatabase(bytes, at: offset)
        }
        Self.clear(bytes, from: count)
    }

    /// Reads everything from disk.
    ///
    /// - Returns: the map of all pages, and whether page 1 carries the marker.
    package func scan() throws(VaultError) -> (pages: PageMap, isMarked: Bool) {
        let hasher = PageHasher()
        var pages = PageMap(pageSize: self.pageSize)
        pages.resize(to: self.pageCount)
        var isMarked = false
        let pagesPerRead = max(1, (1 << 20) / self.pageSize.byteCount)
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: pagesPerRead * self.pageSize.byteCount,
            alignment: 4_096
        )
        defer { buffer.deallocate() }
        var first: UInt32 = 1
        while first <= self.pageCount {
            let count = Int(min(UInt32(pagesPerRead), self.pageCount - first + 1))
            let window = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<(count * self.pageSize.byteCount)]
            )
            let read = try self.files.readDatabase(
                window,
                at: (Int(first) - 1) * self.pageSize.byteCount
            )
            Self.clear(window, from: read)
            for index in 0..<count {
                let page = PageNumber(first + UInt32(index))
                guard page != self.pageSize.lockPage else { continue }
                let start = index * self.pageSize.byteCount
                let image = UnsafeMutableRawBufferPointer(
                    rebasing: window[start..<start + self.pageSize.byteCount]
                )
                if self.frame(of: page) != nil { try self.read(page, into: image) }
                if page == .first { isMarked = image[18] == 3 }
                pages.set(page, hasher.hash(page, UnsafeRawBufferPointer(image)))
            }
            first += UInt32(count)
        }
        return (pages, isMarked)
    }

    /// The frame that holds the page's newest version; `nil` when that is in the database file.
    private func frame(of page: PageNumber) -> UInt32? {
        guard self.backfilled < self.header.maxFrame else { return nil }
        return self.frames.update { frames in
            if frames == nil {
                var newest: [UInt32: UInt32] = [:]
                for frame in self.backfilled + 1...self.header.maxFrame {
                    newest[self.files.index.page(of: frame).rawValue] = frame
                }
                frames = newest
            }
            return frames?[page.rawValue]
        }
    }

    private static func clear(_ bytes: UnsafeMutableRawBufferPointer, from count: Int) {
        guard count < bytes.count, let start = bytes.baseAddress else { return }
        memset(start + count, 0, bytes.count - count)
    }
}
