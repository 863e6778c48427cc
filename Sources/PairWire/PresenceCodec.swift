package import PairCore

extension ByteWriter {
    /// A page size as its logarithm, one byte.
    package mutating func pageSize(_ size: PageSize) { self.u8(size.log2) }

    package mutating func lineage(_ lineage: Lineage) {
        self.u32(UInt32(lineage.entries.count))
        for entry in lineage.entries {
            self.u64(entry.epoch.rawValue)
            self.u8(entry.owner.rawValue)
            self.position(entry.fork)
            self.text(entry.cause.rawValue)
            self.i64(entry.wallSeconds)
        }
    }

    package mutating func presence(_ presence: Presence) {
        self.identifier(presence.node)
        self.text(presence.name, limit: 256)
        self.text(presence.model, limit: 256)
        self.text(presence.version)
        self.u64(presence.bootID)
        self.text(presence.role.rawValue)
        self.text(presence.state.rawValue)
        self.text(presence.gate.rawValue)
        self.text(presence.right.rawValue)
        self.u64(presence.epoch.rawValue)
        self.lineage(presence.lineage)
        self.optionalPosition(presence.position)
        self.content(presence.content)
        self.duration(presence.longestWriteHold)
        self.text(presence.policy.failover.rawValue)
        self.duration(presence.policy.timeout)
        self.u8(UInt8(min(presence.reasons.count, 8)))
        for reason in presence.reasons.prefix(8) { self.text(reason, limit: 1024) }
    }

    package mutating func optionalPosition(_ position: Position?) {
        self.bool(position != nil)
        if let position { self.position(position) }
    }

    /// Whole nanoseconds.
    package mutating func duration(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.i64(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }

    private mutating func content(_ content: VaultContent) {
        switch content {
        case .missing: self.u8(0)
        case .withoutTables(let size):
            self.u8(1)
            self.pageSize(size)
        case .withTables(let size):
            self.u8(2)
            self.pageSize(size)
        case .unusable(let reason):
            self.u8(3)
            self.text(reason, limit: 1024)
        }
    }
}

extension ByteReader {
    package mutating func pageSize(_ field: ByteError.StaticName) throws(ByteError) -> PageSize {
        let log2 = try self.u8(field)
        guard log2 <= 16, let size = PageSize(byteCount: 1 << Int(log2)) else {
            throw .outOfRange(field: field, value: UInt64(log2))
        }
        return size
    }

    /// At most 4,096 entries, in rising order of epochs.
    package mutating func lineage() throws(ByteError) -> Lineage {
        let count = try self.u32("lineage entries")
        guard count <= 4096 else {
            throw .outOfRange(field: "lineage entries", value: UInt64(count))
        }
        var lineage = Lineage.empty
        for _ in 0..<count {
            let epoch = Epoch(rawValue: try self.u64("epoch"))
            guard epoch > lineage.epoch else {
                throw .outOfRange(field: "epoch", value: epoch.rawValue)
            }
            let bit = try self.u8("owner")
            guard let owner = NodeBit(rawValue: bit) else {
                throw .outOfRange(field: "owner", value: UInt64(bit))
            }
            lineage.append(
                LineageEntry(
                    epoch: epoch,
                    owner: owner,
                    fork: try self.position("fork"),
                    cause: try self.word("cause"),
                    wallSeconds: try self.i64("time")
                )
            )
        }
        return lineage
    }

    package mutating func presence() throws(ByteError) -> Presence {
        let node = try self.identifier(NodeID.self, "node")
        let name = try self.text(limit: 256, "name")
        let model = try self.text(limit: 256, "model")
        let version = try self.text(limit: 64, "version")
        return Presence(
            node: node,
            name: name,
            model: model,
            version: version,
            bootID: try self.u64("boot id"),
            role: try self.word("role"),
            state: try self.word("state"),
            gate: try self.word("gate"),
            right: try self.word("right"),
            epoch: Epoch(rawValue: try self.u64("epoch")),
            lineage: try self.lineage(),
            position: try self.optionalPosition("position"),
            content: try self.content(),
            longestWriteHold: try self.duration("write hold"),
            policy: PairPolicy(
                failover: try self.word("policy"),
                timeout: try self.duration("timeout")
            ),
            reasons: try self.reasons()
        )
    }

    package mutating func optionalPosition(
        _ field: ByteError.StaticName
    ) throws(ByteError) -> Position? {
        try self.bool(field) ? try self.position(field) : nil
    }

    package mutating func duration(_ field: ByteError.StaticName) throws(ByteError) -> Duration {
        .nanoseconds(try self.i64(field))
    }

    /// One of our own words, by its spelling.
    package mutating func word<Word: RawRepresentable<String>>(
        _ field: ByteError.StaticName
    ) throws(ByteError) -> Word {
        guard let word = Word(rawValue: try self.text(limit: 64, field)) else {
            throw .notText(field: field)
        }
        return word
    }

    private mutating func reasons() throws(ByteError) -> [String] {
        let count = try self.u8("reasons")
        guard count <= 8 else { throw .outOfRange(field: "reasons", value: UInt64(count)) }
        var reasons: [String] = []
        for _ in 0..<count { reasons.append(try self.text(limit: 1024, "reason")) }
        return reasons
    }

    private mutating func content() throws(ByteError) -> VaultContent {
        let kind = try self.u8("vault content")
        return switch kind {
        case 0: .missing
        case 1: .withoutTables(try self.pageSize("page size"))
        case 2: .withTables(try self.pageSize("page size"))
        case 3: .unusable(try self.text(limit: 1024, "vault content"))
        default: throw .outOfRange(field: "vault content", value: UInt64(kind))
        }
    }
}
