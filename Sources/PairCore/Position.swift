/// How far a history has got: equal positions mean equal data.
///
/// A ``TXID`` is never trusted without its digest.
package struct Position: Hashable, Sendable, Codable {
    package var epoch: Epoch
    package var txid: TXID
    /// Of the vault right after ``txid``.
    package var digest: VaultDigest

    package init(epoch: Epoch, txid: TXID, digest: VaultDigest) {
        self.epoch = epoch
        self.txid = txid
        self.digest = digest
    }

    /// Before the first transaction of the first epoch.
    package static let start = Position(epoch: .none, txid: .zero, digest: .empty)
}

extension Position: CustomStringConvertible {
    /// `epoch/txid`, as in `7/991823`.
    package var description: String { "\(self.epoch)/\(self.txid)" }
}
