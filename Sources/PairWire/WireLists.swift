import PairCore

/// The numbers of words on the wire are their places here: only ever add at the end.
enum WireLists {
    static let roles: [Role] = [.none, .primary, .secondary, .standalone]
    static let rights: [Right] = [.solo, .leased]
    static let policies: [FailoverPolicy] = [.available, .strict, .manual]
    static let causes: [EpochCause] = [
        .enable, .switchover, .failover, .forced, .gap, .resolution, .disable, .replaced,
    ]
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

    mutating func nonce(_ nonce: Nonce) {
        self.u64s(nonce.lanes)
    }

    mutating func milliseconds(_ duration: Duration) {
        self.u64(UInt64(max(0, duration / .milliseconds(1))))
    }

    mutating func optional<Value>(
        _ value: Value?,
        _ write: (inout ByteWriter, Value) -> Void
    ) {
        self.bool(value != nil)
        if let value { write(&self, value) }
    }

    mutating func entry(_ entry: LineageEntry) {
        self.u64(entry.epoch.rawValue)
        self.u8(entry.owner.rawValue)
        self.position(entry.fork)
        self.number(of: entry.cause, in: WireLists.causes)
        self.i64(entry.wallSeconds)
    }

    mutating func request(_ request: Request) {
        self.identifier(request.id)
        self.text(request.by)
        switch request.verb {
        case .enableHA(let discarding):
            self.u8(1)
            self.bool(discarding)
        case .disableHA(let isForced):
            self.u8(2)
            self.bool(isForced)
        case .switchover: self.u8(3)
        case .promote(let isForced):
            self.u8(4)
            self.bool(isForced)
        case .suspend(let duration):
            self.u8(5)
            self.milliseconds(duration)
        case .resume: self.u8(6)
        case .standalone: self.u8(7)
        }
    }

    mutating func offer(_ offer: RejoinOffer) {
        let number: UInt8 =
            switch offer.rejoin {
            case .seed: 1
            case .stream: 2
            case .fastForward: 3
            case .delta(sealingImage: false): 4
            case .delta(sealingImage: true): 5
            case .undoTail: 6
            }
        self.u8(number)
        self.optional(offer.fork) { $0.position($1) }
        self.u64(offer.incarnation)
        self.position(offer.position)
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

    mutating func bit(_ field: ByteError.StaticName) throws(ByteError) -> NodeBit {
        try self.bool(field) ? .one : .zero
    }

    mutating func nonce(_ field: ByteError.StaticName) throws(ByteError) -> Nonce {
        let lanes = try self.u64s(field)
        return Nonce(lanes.0, lanes.1, lanes.2, lanes.3)
    }

    /// At most ten thousand minutes, the longest that a configuration or an operator may say.
    mutating func milliseconds(_ field: ByteError.StaticName) throws(ByteError) -> Duration {
        let value = try self.u64(field)
        guard value <= 600_000_000 else { throw .outOfRange(field: field, value: value) }
        return .milliseconds(Int64(value))
    }

    mutating func list<Value>(
        atMost limit: Int,
        _ field: ByteError.StaticName,
        _ read: (inout ByteReader) throws -> Value
    ) throws -> [Value] {
        let count = Int(try self.u16(field))
        guard count <= limit else {
            throw ByteError.outOfRange(field: field, value: UInt64(count))
        }
        return try (0..<count).map { _ in try read(&self) }
    }
}
