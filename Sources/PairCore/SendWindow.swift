/// How much the sender of the log may have under way, so that a slow secondary fills no memory.
///
/// Counts payload bytes of segments and pages over the life of one connection. One message may
/// exceed the limit when nothing else is under way, so that progress is always possible.
package struct SendWindow: Hashable, Sendable {
    package let limit: UInt64
    package private(set) var sent: UInt64 = 0
    package private(set) var taken: UInt64 = 0

    package init(limit: UInt64) { self.limit = limit }

    package var underWay: UInt64 { self.sent - self.taken }

    package func admits(_ byteCount: Int) -> Bool {
        self.underWay == 0 || self.underWay + UInt64(byteCount) <= self.limit
    }

    package mutating func send(_ byteCount: Int) { self.sent += UInt64(byteCount) }

    /// Takes the receiver's word on what it has taken in since the connection began.
    ///
    /// - Returns: `false` when the word cannot be true: less than before, or more than was sent.
    package mutating func acknowledge(_ taken: UInt64) -> Bool {
        guard taken >= self.taken, taken <= self.sent else { return false }
        self.taken = taken
        return true
    }
}
