/// Counts the changes of primary; the words of a lower epoch are refused.
///
/// Node 0 owns the even numbers and node 1 the odd ones, so that no two nodes can ever take the
/// same epoch, even when both promote themselves. 0 means that there has been none yet.
package struct Epoch: Hashable, Comparable, Sendable, Codable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let none = Epoch(rawValue: 0)

    package static func < (lhs: Epoch, rhs: Epoch) -> Bool { lhs.rawValue < rhs.rawValue }

    /// The node that may take this epoch; `nil` for ``none``.
    package var owner: NodeBit? {
        self == .none ? nil : NodeBit(rawValue: UInt8(self.rawValue % 2))
    }

    /// The smallest epoch above this one that `node` owns.
    package func next(ownedBy node: NodeBit) -> Epoch {
        let next = self.rawValue + 1
        return Epoch(rawValue: next % 2 == UInt64(node.rawValue) ? next : next + 1)
    }
}

extension Epoch: CustomStringConvertible {
    package var description: String { String(self.rawValue) }
}
