// What a node remembers, as bytes.
//
// The record must be readable by every later program, so each field has a fixed width or a counted
// length and a fixed place, and each enumeration a number of its own that never changes; its spelling
// in status and logs may. All integers are little-endian; an optional value is a byte 0, or a byte 1
// and the value. The version rises when a field is added; readers know how to read all versions up
// to their own. The record is read from a disk that may have been damaged behind a right checksum
// (or by a bug of ours), so no count or code is believed.

extension NodeRecord {
    package static let version: UInt16 = 1

    private static let longestName = 1_024
    private static let longestText = 65_536
    private static let mostEntries = 1 << 20
    private static let mostAbortedOperations = 64

    /// The record in the newest version of its format.
    package var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 1_024)
        writer.u16(Self.version)
        writer.u64(self.incarnation)
        writer.u64(self.epoch.rawValue)
        writer.u8(self.role.code)
        writer.u8(self.right.code)
        writer.bool(self.isSeeding)
        Self.write(self.identity, &writer)
        writer.optional(self.peer) { Self.write($0, &$1) }
        writer.bool(self.arming.isArmed)
        writer.u64(self.arming.generation)
        writer.u64(self.arming.revoked)
        writer.optional(self.relinquish) { relinquish, writer in
            writer.identifier(relinquish.operation)
            writer.position(relinquish.position)
            writer.u8(relinquish.successor.rawValue)
        }
        writer.optional(self.operation) { operation, writer in
            writer.identifier(operation.id)
            writer.u8(operation.verb.rawValue)
            writer.u8(operation.step)
            writer.text(operation.by)
            writer.i64(operation.since)
        }
        writer.list(self.abortedOperations) { $1.identifier($0) }
        writer.optional(self.aloneSince) { $1.i64($0) }
        writer.list(self.lineage.entries) { Self.write($0, &$1) }
        writer.optional(self.peerAcknowledged) { $1.position($0) }
        writer.optional(self.quarantineReason) { $1.text($0) }
        writer.optional(self.suspension) { suspension, writer in
            writer.duration(suspension.remaining)
            writer.text(suspension.by)
        }
        writer.u8(self.policy.failover.code)
        writer.duration(self.policy.timeout)
        writer.list(self.tails) { Self.write($0, &$1) }
        return writer.bytes
    }

    /// Reads what ``encoded`` wrote, in any version up to this program's.
    ///
    /// - Throws: when the bytes are no record: too short or too long, or a value that cannot be.
    package init(decoding bytes: ArraySlice<UInt8>) throws(ByteError) {
        var reader = ByteReader(bytes)
        let version = try reader.u16("version")
        guard version == Self.version else {
            throw .outOfRange(field: "version", value: UInt64(version))
        }
        let incarnation = try reader.u64("incarnation")
        let epoch = Epoch(rawValue: try reader.u64("epoch"))
        let role = try reader.code("role", Role.init(code:))
        let right = try reader.code("right", Right.init(code:))
        let isSeeding = try reader.bool("seeding")
        self.init(identity: try Self.readIdentity(&reader))
        self.incarnation = incarnation
        self.epoch = epoch
        self.role = role
        self.right = right
        self.isSeeding = isSeeding
        self.peer = try reader.optional("peer", Self.readPeer)
        self.arming = Arming(
            isArmed: try reader.bool("armed"),
            generation: try reader.u64("arming generation"),
            revoked: try reader.u64("revoked arming")
        )
        self.relinquish = try reader.optional("relinquish") { reader throws(ByteError) in
            Relinquish(
                operation: try reader.identifier(OperationID.self, "relinquish operation"),
                position: try reader.position("relinquish position"),
                successor: try reader.code("successor", NodeBit.init(rawValue:))
            )
        }
        self.operation = try reader.optional("operation") { reader throws(ByteError) in
            Operation(
                id: try reader.identifier(OperationID.self, "operation"),
                verb: try reader.code("verb", Operation.Verb.init(rawValue:)),
                step: try reader.u8("step"),
                by: try reader.text(limit: Self.longestText, "operation by"),
                since: try reader.i64("operation since")
            )
        }
        self.abortedOperations = try reader.list(
            "aborted operations",
            limit: Self.mostAbortedOperations
        ) { reader throws(ByteError) in
            try reader.identifier(OperationID.self, "aborted operation")
        }
        self.aloneSince = try reader.optional("alone since") { reader throws(ByteError) in
            try reader.i64("alone since")
        }
        self.lineage = try Self.readLineage(&reader)
        self.peerAcknowledged = try reader.optional("peer's position") { reader throws(ByteError) in
            try reader.position("peer's position")
        }
        self.quarantineReason = try reader.optional("quarantine") { reader throws(ByteError) in
            try reader.text(limit: Self.longestText, "quarantine")
        }
        self.suspension = try reader.optional("suspension") { reader throws(ByteError) in
            Suspension(
                remaining: try reader.duration("suspension"),
                by: try reader.text(limit: Self.longestText, "suspended by")
            )
        }
        self.policy = PairPolicy(
            failover: try reader.code("policy", FailoverPolicy.init(code:)),
            timeout: try reader.duration("timeout")
        )
        self.tails = try reader.list("tails", limit: Self.mostEntries, Self.readTail)
        try reader.finish()
    }

    // MARK: the larger parts

    private static func write(_ identity: Identity, _ writer: inout ByteWriter) {
        writer.identifier(identity.node)
        writer.text(identity.name)
        writer.text(identity.model)
    }

    private static func readIdentity(_ reader: inout ByteReader) throws(ByteError) -> Identity {
        Identity(
            node: try reader.identifier(NodeID.self, "node"),
            name: try reader.text(limit: self.longestName, "name"),
            model: try reader.text(limit: self.longestName, "model")
        )
    }

    private static func write(_ peer: Peer, _ writer: inout ByteWriter) {
        writer.identifier(peer.pair)
        writer.optional(peer.vault) { $1.identifier($0) }
        writer.u8(peer.bit.rawValue)
        writer.identifier(peer.node)
        writer.text(peer.name)
        writer.text(peer.model)
        writer.block(peer.keyPin)
        writer.block(peer.signingKey)
        writer.text(peer.address)
        writer.u16(peer.minimumProtocol)
        writer.bool(peer.wasEnabled)
    }

    private static func readPeer(_ reader: inout ByteReader) throws(ByteError) -> Peer {
        Peer(
            pair: try reader.identifier(PairID.self, "pair"),
            vault: try reader.optional("vault") { reader throws(ByteError) in
                try reader.identifier(VaultID.self, "vault")
            },
            bit: try reader.code("node bit", NodeBit.init(rawValue:)),
            node: try reader.identifier(NodeID.self, "peer"),
            name: try reader.text(limit: self.longestName, "peer's name"),
            model: try reader.text(limit: self.longestName, "peer's model"),
            keyPin: try reader.block(limit: 64, "key pin"),
            signingKey: try reader.block(limit: 64, "signing key"),
            address: try reader.text(limit: self.longestName, "peer's address"),
            minimumProtocol: try reader.u16("protocol"),
            wasEnabled: try reader.bool("was enabled")
        )
    }

    private static func write(_ entry: LineageEntry, _ writer: inout ByteWriter) {
        writer.u64(entry.epoch.rawValue)
        writer.u8(entry.owner.rawValue)
        writer.position(entry.fork)
        writer.u8(entry.cause.code)
        writer.i64(entry.wallSeconds)
    }

    private static func readLineage(_ reader: inout ByteReader) throws(ByteError) -> Lineage {
        var newest = Epoch.none
        let entries = try reader.list("lineage", limit: self.mostEntries) {
            reader throws(ByteError) in
            let entry = LineageEntry(
                epoch: Epoch(rawValue: try reader.u64("lineage epoch")),
                owner: try reader.code("lineage owner", NodeBit.init(rawValue:)),
                fork: try reader.position("fork"),
                cause: try reader.code("cause", EpochCause.init(code:)),
                wallSeconds: try reader.i64("lineage time")
            )
            guard entry.epoch > newest else {
                throw .outOfRange(field: "lineage epoch", value: entry.epoch.rawValue)
            }
            newest = entry.epoch
            return entry
        }
        return Lineage(entries)
    }

    private static func write(_ tail: Tail, _ writer: inout ByteWriter) {
        writer.text(tail.id)
        writer.u8(tail.node.rawValue)
        writer.position(tail.from)
        writer.position(tail.to)
        writer.u64(tail.transactions)
        writer.u64(tail.byteCount)
        writer.i64(tail.wallSeconds)
    }

    private static func readTail(_ reader: inout ByteReader) throws(ByteError) -> Tail {
        Tail(
            id: try reader.text(limit: self.longestName, "tail"),
            node: try reader.code("tail's node", NodeBit.init(rawValue:)),
            from: try reader.position("tail's start"),
            to: try reader.position("tail's end"),
            transactions: try reader.u64("tail's transactions"),
            byteCount: try reader.u64("tail's bytes"),
            wallSeconds: try reader.i64("tail's time")
        )
    }
}

extension ByteWriter {
    fileprivate mutating func optional<Value>(
        _ value: Value?,
        _ write: (Value, inout ByteWriter) -> Void
    ) {
        self.bool(value != nil)
        if let value { write(value, &self) }
    }

    fileprivate mutating func list<Value>(
        _ values: [Value],
        _ write: (Value, inout ByteWriter) -> Void
    ) {
        self.u32(UInt32(values.count))
        for value in values { write(value, &self) }
    }

    fileprivate mutating func duration(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.i64(seconds)
        self.i64(attoseconds)
    }
}

extension ByteReader {
    fileprivate mutating func optional<Value>(
        _ field: ByteError.StaticName,
        _ read: (inout ByteReader) throws(ByteError) -> Value
    ) throws(ByteError) -> Value? {
        try self.bool(field) ? try read(&self) : nil
    }

    fileprivate mutating func list<Value>(
        _ field: ByteError.StaticName,
        limit: Int,
        _ read: (inout ByteReader) throws(ByteError) -> Value
    ) throws(ByteError) -> [Value] {
        let count = try self.u32(field)
        guard count <= limit else { throw .outOfRange(field: field, value: UInt64(count)) }
        var values: [Value] = []
        for _ in 0..<count { values.append(try read(&self)) }
        return values
    }

    fileprivate mutating func code<Value>(
        _ field: ByteError.StaticName,
        _ value: (UInt8) -> Value?
    ) throws(ByteError) -> Value {
        let code = try self.u8(field)
        guard let value = value(code) else { throw .outOfRange(field: field, value: UInt64(code)) }
        return value
    }

    fileprivate mutating func duration(
        _ field: ByteError.StaticName
    ) throws(ByteError) -> Duration {
        let seconds = try self.i64(field)
        let attoseconds = try self.i64(field)
        guard attoseconds.magnitude < 1_000_000_000_000_000_000 else {
            throw .outOfRange(field: field, value: attoseconds.magnitude)
        }
        return Duration(secondsComponent: seconds, attosecondsComponent: attoseconds)
    }
}

// The numbers of the words on disk. A new word gets a new number; none is ever used again.

extension Role {
    fileprivate var code: UInt8 {
        switch self {
        case .primary: 1
        case .secondary: 2
        case .standalone: 3
        case .none: 4
        }
    }

    fileprivate init?(code: UInt8) {
        guard let role = Self.allCases.first(where: { $0.code == code }) else { return nil }
        self = role
    }
}

extension Right {
    fileprivate var code: UInt8 {
        switch self {
        case .solo: 1
        case .leased: 2
        }
    }

    fileprivate init?(code: UInt8) {
        switch code {
        case 1: self = .solo
        case 2: self = .leased
        default: return nil
        }
    }
}

extension FailoverPolicy {
    fileprivate var code: UInt8 {
        switch self {
        case .available: 1
        case .strict: 2
        case .manual: 3
        }
    }

    fileprivate init?(code: UInt8) {
        switch code {
        case 1: self = .available
        case 2: self = .strict
        case 3: self = .manual
        default: return nil
        }
    }
}

extension EpochCause {
    fileprivate var code: UInt8 {
        switch self {
        case .enable: 1
        case .switchover: 2
        case .failover: 3
        case .forced: 4
        case .gap: 5
        case .resolution: 6
        case .disable: 7
        case .replaced: 8
        }
    }

    fileprivate init?(code: UInt8) {
        switch code {
        case 1: self = .enable
        case 2: self = .switchover
        case 3: self = .failover
        case 4: self = .forced
        case 5: self = .gap
        case 6: self = .resolution
        case 7: self = .disable
        case 8: self = .replaced
        default: return nil
        }
    }
}
