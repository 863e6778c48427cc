package import PairCore

/// One committed transaction: the write that an application was told is done.
package struct SimTransaction: Hashable, Sendable {
    /// Unique in a simulation; 0 for what was there before it began.
    package var write: UInt64
    package var position: Position
}

/// A vault as its history: a list of transactions whose digests are chained.
///
/// Outlives the daemon and the machine: everything in it is what the disk holds.
package struct SimVault: Sendable {
    package private(set) var history: [SimTransaction] = []
    package var isMarked = false
    /// An application may commit at this moment: no process of ours holds layer 1.
    package var isOpen = false

    package var position: Position { self.history.last?.position ?? .start }

    package init() {}

    static func digest(after digest: VaultDigest, write: UInt64) -> VaultDigest {
        VaultDigest(Generator.mix(digest.lanes.0 ^ Generator.mix(write &+ 1)), write, 0, 0)
    }

    @discardableResult
    package mutating func commit(_ write: UInt64, epoch: Epoch) -> SimTransaction {
        let end = self.position
        let transaction = SimTransaction(
            write: write,
            position: Position(
                epoch: epoch,
                txid: end.txid.next,
                digest: Self.digest(after: end.digest, write: write)
            )
        )
        self.history.append(transaction)
        return transaction
    }

    mutating func append(_ transaction: SimTransaction) { self.history.append(transaction) }

    package func position(at txid: TXID) -> Position? {
        if txid == .zero { return .start }
        let index = Int(txid.rawValue) - 1
        return index < self.history.count ? self.history[index].position : nil
    }

    /// The history went through this content.
    func holds(_ position: Position) -> Bool {
        self.position(at: position.txid)?.digest == position.digest
    }

    func transactions(after txid: TXID, atMost count: Int) -> ArraySlice<SimTransaction> {
        let start = min(Int(txid.rawValue), self.history.count)
        return self.history[start..<min(start + count, self.history.count)]
    }

    mutating func truncate(to txid: TXID) -> [SimTransaction] {
        let kept = min(Int(txid.rawValue), self.history.count)
        let removed = Array(self.history[kept...])
        self.history.removeLast(self.history.count - kept)
        return removed
    }

    /// Puts another history in place of this one.
    /// - Returns: what was here and is not in the new one.
    mutating func replace(with history: [SimTransaction]) -> [SimTransaction] {
        var shared = 0
        while shared < min(history.count, self.history.count),
            history[shared].position.digest == self.history[shared].position.digest
        {
            shared += 1
        }
        let removed = Array(self.history[shared...])
        self.history = history
        return removed
    }
}
