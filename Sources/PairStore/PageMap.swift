package import PairCore

/// The hash of every page of one committed state, and the state's digest.
///
/// 32 bytes per page. Copies share their storage until one of them changes, and then part with the
/// thousand pages around the change only, so that a snapshot of a large vault costs nothing.
package struct PageMap: Sendable {
    private static let chunkPageCount = 1_024

    package let pageSize: PageSize
    package private(set) var pageCount: UInt32
    package private(set) var digest: VaultDigest
    private var chunks: [[PageHash]]

    /// The map of a vault without pages.
    package init(pageSize: PageSize) {
        self.pageSize = pageSize
        self.pageCount = 0
        self.digest = .empty
        self.chunks = []
    }

    /// The hash of a page; ``PageHash/absent`` for the lock page and beyond the last one.
    package subscript(page: PageNumber) -> PageHash {
        guard page.rawValue >= 1, page.rawValue <= self.pageCount else { return .absent }
        let index = Int(page.rawValue) - 1
        return self.chunks[index / Self.chunkPageCount][index % Self.chunkPageCount]
    }

    /// Takes note of a page's new content; the page is within ``pageCount``.
    package mutating func set(_ page: PageNumber, _ hash: PageHash) {
        precondition(
            page.rawValue >= 1 && page.rawValue <= self.pageCount,
            "page \(page.rawValue) of \(self.pageCount)"
        )
        guard page != self.pageSize.lockPage else { return }
        let index = Int(page.rawValue) - 1
        let chunk = index / Self.chunkPageCount
        let old = self.chunks[chunk][index % Self.chunkPageCount]
        self.digest.replace(old, with: hash)
        self.chunks[chunk][index % Self.chunkPageCount] = hash
    }

    /// Drops the pages after `pageCount`, or adds pages that are absent until they are set.
    package mutating func resize(to pageCount: UInt32) {
        while self.pageCount > pageCount {
            let index = Int(self.pageCount) - 1
            let chunk = index / Self.chunkPageCount
            self.digest.replace(self.chunks[chunk][index % Self.chunkPageCount], with: .absent)
            self.chunks[chunk].removeLast()
            if self.chunks[chunk].isEmpty { self.chunks.removeLast() }
            self.pageCount -= 1
        }
        while self.pageCount < pageCount {
            if Int(self.pageCount).isMultiple(of: Self.chunkPageCount) {
                self.chunks.append([])
                self.chunks[self.chunks.count - 1].reserveCapacity(Self.chunkPageCount)
            }
            self.chunks[self.chunks.count - 1].append(.absent)
            self.pageCount += 1
        }
    }

    /// The pages whose hash `other` does not share, and those it does not have, in rising order.
    package func differences(from other: PageMap) -> [PageNumber] {
        (1...max(self.pageCount, 1)).map { PageNumber($0) }.filter { page in
            page.rawValue <= self.pageCount && self[page] != other[page]
        }
    }
}
