/// What has been committed and is not known to be safe with the peer: how much, and since when.
///
/// Never tells less than the truth: entries are merged when they become many, and a merged entry
/// counts whole until its last transaction is acknowledged.
package struct Backlog: Hashable, Sendable {
    private struct Entry: Hashable, Sendable {
        var last: TXID
        var byteCount: UInt64
        /// `nil` when that is not known any more.
        var since: Instant?
    }

    private static let mostEntries = 1024

    private var entries: [Entry] = []
    private var first = 0
    /// Everything up to here is acknowledged.
    package private(set) var acknowledged: TXID

    package init(acknowledged: TXID) { self.acknowledged = acknowledged }

    /// Begins with what was committed earlier, up to `last`, of which the peer is known to have only
    /// what `acknowledged` says.
    ///
    /// - Parameters:
    ///   - acknowledged: the newest transaction that the peer is known to have.
    ///   - last: the newest of all.
    ///   - byteCount: at least as much as the commits after `acknowledged` have.
    ///   - since: when the oldest of them was committed; `nil` when that is not known.
    package init(acknowledged: TXID, last: TXID, byteCount: UInt64, since: Instant?) {
        self.acknowledged = min(acknowledged, last)
        guard acknowledged < last else { return }
        self.entries = [Entry(last: last, byteCount: byteCount, since: since)]
    }

    /// Takes note of commits up to `last`, of `byteCount` bytes in the log.
    package mutating func append(_ last: TXID, byteCount: Int, at now: Instant) {
        guard last > self.acknowledged else { return }
        self.entries.append(Entry(last: last, byteCount: UInt64(byteCount), since: now))
        if self.entries.count - self.first > Self.mostEntries { self.merge() }
    }

    package mutating func acknowledge(_ txid: TXID) {
        self.acknowledged = max(self.acknowledged, txid)
        while self.first < self.entries.count, self.entries[self.first].last <= txid {
            self.first += 1
        }
        if self.first > 64, self.first * 2 > self.entries.count {
            self.entries.removeFirst(self.first)
            self.first = 0
        }
    }

    /// Takes back what was acknowledged after `txid`: the peer does not have that any more.
    ///
    /// - Parameters:
    ///   - txid: the newest transaction that it still has.
    ///   - byteCount: at least as much as all that is committed after `txid` has.
    package mutating func fallBack(to txid: TXID, byteCount: UInt64) {
        self = Backlog(acknowledged: txid, last: self.newest, byteCount: byteCount, since: nil)
    }

    package var newest: TXID {
        self.entries.last.map { max($0.last, self.acknowledged) } ?? self.acknowledged
    }

    package var transactions: UInt64 { self.newest.distance(from: self.acknowledged) }

    package var byteCount: UInt64 {
        self.entries[self.first...].reduce(0) { $0 + $1.byteCount }
    }

    /// Since when the oldest of them waits; `nil` when none does, or that is not known.
    package var since: Instant? {
        self.first < self.entries.count ? self.entries[self.first].since : nil
    }

    private mutating func merge() {
        let live = self.entries[self.first...]
        var merged: [Entry] = []
        merged.reserveCapacity(live.count / 2 + 1)
        var iterator = live.makeIterator()
        while var entry = iterator.next() {
            if let next = iterator.next() {
                entry.last = next.last
                entry.byteCount += next.byteCount
            }
            merged.append(entry)
        }
        self.entries = merged
        self.first = 0
    }
}
