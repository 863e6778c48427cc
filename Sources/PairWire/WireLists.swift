import PairCore

/// The numbers of words in a heartbeat are their places here: only ever add at the end.
enum WireLists {
    static let roles: [Role] = [.none, .primary, .secondary, .standalone]
    static let policies: [FailoverPolicy] = [.available, .strict, .manual]
    static let states: [NodeState] = [
        .starting, .failed, .quarantined, .unpaired, .paired, .parked, .seeding, .serving,
        .streaming, .alone, .draining, .inDoubt, .fenced, .lookingForPeer, .catchingUp, .suspect,
        .promoting, .superseded, .hold,
    ]
}

extension ByteWriter {
    mutating func number<Value: Equatable>(of value: Value, in list: [Value]) {
        guard let index = list.firstIndex(of: value) else {
            preconditionFailure("\(value) has no number on the wire")
        }
        self.u8(UInt8(index))
    }
}

extension ByteReader {
    mutating func value<Value>(
        in list: [Value],
        _ field: ByteError.StaticName
    ) throws(ByteError) -> Value {
        let number = try self.u8(field)
        guard number < list.count else { throw .outOfRange(field: field, value: UInt64(number)) }
        return list[Int(number)]
    }
}
