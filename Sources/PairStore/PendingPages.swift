import PairCore
import PairWAL

/// The hashes of the pages that a commit under way changes, until the commit ends.
///
/// Nothing in a segment is believed that would make the vault longer than the pages that were sent:
/// neither a page number nor a page count reserves any memory.
struct PendingPages {
    private var hashes: [PageNumber: PageHash] = [:]

    var isEmpty: Bool { self.hashes.isEmpty }

    mutating func set(_ page: PageNumber, _ hash: PageHash) { self.hashes[page] = hash }

    /// Ends the commit: `map` is then the state after it.
    ///
    /// - Returns: `false`, with `map` unchanged, when the commit adds pages that it does not write,
    ///   or writes pages that it does not keep.
    mutating func endCommit(pagesAfter: UInt32, in map: inout PageMap) -> Bool {
        let added = self.hashes.keys.count { $0.rawValue > map.pageCount }
        guard !self.hashes.keys.contains(where: { $0.rawValue > pagesAfter }) else { return false }
        if pagesAfter > map.pageCount {
            let lockPage = map.pageSize.lockPage.rawValue
            let hasLockPage = lockPage > map.pageCount && lockPage <= pagesAfter
            guard UInt64(added) + (hasLockPage ? 1 : 0) == UInt64(pagesAfter - map.pageCount) else {
                return false
            }
        }
        map.resize(to: pagesAfter)
        for (page, hash) in self.hashes { map.set(page, hash) }
        self.hashes.removeAll(keepingCapacity: true)
        return true
    }
}
