package import PairCore

/// The bytes of a heartbeat and of its answer, exactly as they are signed.
///
/// Fixed width, big-endian, no optional fields, 269 bytes:
///
///     "paird-hb\0v1" | kind u8 | flags u8 (1 gate open, 2 armed, 4 suspended) | role u8 | state u8 |
///     pair 16 | sender 16 | receiver 16 | incarnation u64 | n u64 | acknowledged u64 | epoch u64 |
///     arm generation u64 | position u64 | durable u64 | digest 32 | timeout ms u64 | policy u8 |
///     disk probe age ms u32 | configuration digest 32 | audit head 32 (zero) | nonce 32 | wall ms i64
///
/// Who signs them and checks the signature is the shell; that pair, sender and receiver are the right
/// ones is checked here, so that no caller can forget it.
package struct HeartbeatCodec: Sendable {
    package static let byteCount = 12 + 4 + 48 + 7 * 8 + 32 + 8 + 1 + 4 + 32 + 32 + 32 + 8
    private static let magic: [UInt8] = Array("paird-hb\0v1".utf8) + [0]

    package let pair: PairID
    package let sender: NodeID
    package let receiver: NodeID

    package init(pair: PairID, sender: NodeID, receiver: NodeID) {
        self.pair = pair
        self.sender = sender
        self.receiver = receiver
    }

    package func encode(_ heartbeat: Heartbeat) -> [UInt8] {
        var writer = ByteWriter(reserving: Self.byteCount)
        writer.bytes(Self.magic)
        writer.u8(heartbeat.kind.rawValue)
        writer.u8(
            (heartbeat.gateIsOpen ? 1 : 0) | (heartbeat.isArmed ? 2 : 0)
                | (heartbeat.isSuspended ? 4 : 0)
        )
        writer.number(of: heartbeat.role, in: WireLists.roles)
        writer.number(of: heartbeat.state, in: WireLists.states)
        for id in [
            (self.pair.high, self.pair.low), (self.sender.high, self.sender.low),
            (self.receiver.high, self.receiver.low),
        ] {
            writer.big(id.0)
            writer.big(id.1)
        }
        writer.big(heartbeat.number.incarnation)
        writer.big(heartbeat.number.n)
        writer.big(heartbeat.acknowledged)
        writer.big(heartbeat.epoch.rawValue)
        writer.big(heartbeat.armGeneration)
        writer.big(heartbeat.position.rawValue)
        writer.big(heartbeat.durable.rawValue)
        writer.big(heartbeat.digest.lanes)
        writer.big(UInt64(max(0, heartbeat.policy.timeout / .milliseconds(1))))
        writer.number(of: heartbeat.policy.failover, in: WireLists.policies)
        writer.u32(0)
        writer.big((0, 0, 0, 0))
        writer.big((0, 0, 0, 0))
        writer.big(heartbeat.nonce.lanes)
        writer.big(UInt64(bitPattern: heartbeat.wallSeconds &* 1000))
        return writer.bytes
    }

    package func decode(_ bytes: [UInt8]) throws(HeartbeatError) -> Heartbeat {
        do {
            return try self.read(bytes)
        } catch let error as HeartbeatError {
            throw error
        } catch let error as ByteError {
            throw .malformed(error)
        } catch {
            throw .malformed(.outOfRange(field: "heartbeat", value: 0))
        }
    }

    private func read(_ bytes: [UInt8]) throws -> Heartbeat {
        var reader = ByteReader(bytes)
        guard try reader.bytes(Self.magic.count, "magic").elementsEqual(Self.magic) else {
            throw HeartbeatError.unknownVersion
        }
        let rawKind = try reader.u8("kind")
        guard let kind = Heartbeat.Kind(rawValue: rawKind) else {
            throw ByteError.outOfRange(field: "kind", value: UInt64(rawKind))
        }
        let flags = try reader.u8("flags")
        guard flags < 8 else { throw ByteError.outOfRange(field: "flags", value: UInt64(flags)) }
        let role = try reader.value(in: WireLists.roles, "role")
        let state = try reader.value(in: WireLists.states, "state")
        let pair = PairID(high: try reader.big("pair"), low: try reader.big("pair"))
        let sender = NodeID(high: try reader.big("sender"), low: try reader.big("sender"))
        let receiver = NodeID(high: try reader.big("receiver"), low: try reader.big("receiver"))
        guard pair == self.pair, sender == self.sender, receiver == self.receiver else {
            throw HeartbeatError.notForThisNode
        }
        let number = MessageNumber(
            incarnation: try reader.big("incarnation"),
            n: try reader.big("n")
        )
        let acknowledged = try reader.big("acknowledged")
        let epoch = Epoch(rawValue: try reader.big("epoch"))
        let generation = try reader.big("arm generation")
        let position = TXID(try reader.big("position"))
        let durable = TXID(try reader.big("durable"))
        let digest = try reader.lanes("digest")
        let timeout = try reader.big("timeout")
        // 10,000 minutes, the most that a configuration may say.
        guard timeout <= 600_000_000 else {
            throw ByteError.outOfRange(field: "timeout", value: timeout)
        }
        let policy = try reader.value(in: WireLists.policies, "policy")
        _ = try reader.u32("disk probe age")
        _ = try reader.lanes("configuration digest")
        _ = try reader.lanes("audit head")
        let nonce = try reader.lanes("nonce")
        let wall = Int64(bitPattern: try reader.big("wall"))
        try reader.finish()
        return Heartbeat(
            kind: kind,
            number: number,
            acknowledged: acknowledged,
            epoch: epoch,
            role: role,
            state: state,
            gateIsOpen: flags & 1 != 0,
            isArmed: flags & 2 != 0,
            isSuspended: flags & 4 != 0,
            armGeneration: generation,
            position: position,
            durable: durable,
            digest: VaultDigest(digest.0, digest.1, digest.2, digest.3),
            policy: PairPolicy(failover: policy, timeout: .milliseconds(Int64(timeout))),
            nonce: Nonce(nonce.0, nonce.1, nonce.2, nonce.3),
            wallSeconds: wall / 1000
        )
    }
}

/// Why bytes are not a heartbeat to this node.
package enum HeartbeatError: Error, Equatable, Sendable {
    case unknownVersion
    /// Another pair, another sender, or another receiver.
    case notForThisNode
    case malformed(ByteError)
}

extension ByteWriter {
    fileprivate mutating func big(_ value: UInt64) { self.u64(value.byteSwapped) }

    fileprivate mutating func big(_ lanes: (UInt64, UInt64, UInt64, UInt64)) {
        self.u64s(
            (
                lanes.0.byteSwapped, lanes.1.byteSwapped, lanes.2.byteSwapped,
                lanes.3.byteSwapped
            )
        )
    }
}

extension ByteReader {
    fileprivate mutating func big(_ field: ByteError.StaticName) throws(ByteError) -> UInt64 {
        try self.u64(field).byteSwapped
    }

    fileprivate mutating func lanes(
        _ field: ByteError.StaticName
    ) throws(ByteError) -> (UInt64, UInt64, UInt64, UInt64) {
        let lanes = try self.u64s(field)
        return (
            lanes.0.byteSwapped, lanes.1.byteSwapped, lanes.2.byteSwapped, lanes.3.byteSwapped
        )
    }
}
