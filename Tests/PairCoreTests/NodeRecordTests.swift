import PairCore
import Testing

@Suite("The node's record: as bytes and back")
struct NodeRecordTests {
    @Test func `keeps every field of a new node`() throws {
        let record = NodeRecord(identity: Self.identity)

        #expect(try NodeRecord(decoding: record.encoded[...]) == record)
    }

    @Test func `keeps every field of a node that has lived`() throws {
        let record = Self.full

        #expect(try NodeRecord(decoding: record.encoded[...]) == record)
    }

    @Test(arguments: Role.allCases)
    func `keeps every role`(role: Role) throws {
        var record = Self.full
        record.role = role
        #expect(try NodeRecord(decoding: record.encoded[...]).role == role)
    }

    @Test(arguments: [
        EpochCause.enable, .switchover, .failover, .forced, .gap, .resolution, .disable, .replaced,
    ])
    func `keeps every cause`(cause: EpochCause) throws {
        var record = NodeRecord(identity: Self.identity)
        record.lineage = Lineage([Self.entry(3, cause)])
        #expect(try NodeRecord(decoding: record.encoded[...]) == record)
    }

    @Test(arguments: [FailoverPolicy.available, .strict, .manual])
    func `keeps every policy`(failover: FailoverPolicy) throws {
        var record = NodeRecord(identity: Self.identity)
        record.policy = PairPolicy(failover: failover, timeout: .milliseconds(1_500))
        #expect(try NodeRecord(decoding: record.encoded[...]) == record)
    }

    @Test func `refuses every shorter and every longer run of bytes`() {
        let bytes = Self.full.encoded
        for count in bytes.indices {
            #expect(throws: ByteError.self) { try NodeRecord(decoding: bytes[..<count]) }
        }
        #expect(throws: ByteError.self) { try NodeRecord(decoding: (bytes + [0])[...]) }
    }

    @Test func `refuses a lineage that does not rise`() {
        var record = NodeRecord(identity: Self.identity)
        record.lineage = Lineage([Self.entry(4, .enable), Self.entry(4, .gap)])
        #expect(throws: ByteError.self) { try NodeRecord(decoding: record.encoded[...]) }
    }

    @Test(arguments: 1...32)
    func `reads changed bytes as an error or as another record, never worse`(seed: UInt64) throws {
        var state = seed &* 0x9e37_79b9_7f4a_7c15
        let original = Self.full.encoded
        for _ in 0..<500 {
            var bytes = original
            for _ in 0..<3 {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                bytes[Int(state % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: state >> 40)
            }
            guard let record = try? NodeRecord(decoding: bytes[...]) else { continue }
            #expect(try NodeRecord(decoding: record.encoded[...]) == record)
        }
    }

    private static let identity = NodeRecord.Identity(
        node: NodeID(high: 1, low: 2),
        name: "näht-1",
        model: "PAM 4.2"
    )

    private static func entry(_ epoch: UInt64, _ cause: EpochCause) -> LineageEntry {
        LineageEntry(
            epoch: Epoch(rawValue: epoch),
            owner: epoch % 2 == 0 ? .zero : .one,
            fork: self.position(epoch * 100),
            cause: cause,
            wallSeconds: 1_700_000_000
        )
    }

    private static func position(_ txid: UInt64) -> Position {
        Position(
            epoch: Epoch(rawValue: 2),
            txid: TXID(txid),
            digest: VaultDigest(txid, 2, 3, .max)
        )
    }

    static let full: NodeRecord = {
        var record = NodeRecord(identity: identity)
        record.peer = NodeRecord.Peer(
            pair: PairID(high: 3, low: 4),
            vault: VaultID(high: 5, low: 6),
            bit: .one,
            node: NodeID(high: 7, low: 8),
            name: "other",
            model: "PAM 4.2",
            keyPin: [UInt8](repeating: 9, count: 32),
            signingKey: [UInt8](repeating: 10, count: 32),
            address: "[2001:db8::2]:5022",
            minimumProtocol: 3,
            wasEnabled: true
        )
        record.epoch = Epoch(rawValue: 7)
        record.role = .primary
        record.right = .leased
        record.arming = NodeRecord.Arming(isArmed: true, generation: 12, revoked: 11)
        record.relinquish = NodeRecord.Relinquish(
            operation: OperationID(high: 11, low: 12),
            position: position(50),
            successor: .one
        )
        record.operation = NodeRecord.Operation(
            id: OperationID(high: 13, low: 14),
            verb: .switchover,
            step: 4,
            by: "root",
            since: 1_700_000_123
        )
        record.abortedOperations = (0..<64).map { OperationID(high: $0, low: 99) }
        record.isSeeding = true
        record.aloneSince = -5
        record.lineage = Lineage([
            entry(2, .enable), entry(3, .failover), entry(4, .switchover), entry(7, .forced),
        ])
        record.peerAcknowledged = position(49)
        record.quarantineReason = "digest differs"
        record.suspension = NodeRecord.Suspension(
            remaining: .milliseconds(3_599_999),
            by: "night shift"
        )
        record.policy = PairPolicy(failover: .strict, timeout: .seconds(60))
        record.incarnation = 42
        record.tails = [
            NodeRecord.Tail(
                id: "2026-11-22-3",
                node: .zero,
                from: position(10),
                to: position(12),
                transactions: 2,
                byteCount: 8_192,
                wallSeconds: 1_700_000_000
            )
        ]
        return record
    }()
}
