/// Which of the two nodes: the inviter of the pairing is ``zero``, the joiner ``one``.
package enum NodeBit: UInt8, Hashable, Sendable, Codable {
    case zero = 0
    case one = 1

    package var other: NodeBit { self == .zero ? .one : .zero }
}
