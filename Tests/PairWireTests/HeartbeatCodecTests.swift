import PairCore
import PairWire
import TestThreads
import Testing

@Suite("The bytes of a heartbeat", .ownThreads)
struct HeartbeatCodecTests {
    let codec = HeartbeatCodec(
        pair: PairID(high: 1, low: 2),
        sender: NodeID(high: 3, low: 4),
        receiver: NodeID(high: 5, low: 6)
    )

    static let heartbeat = Heartbeat(
        kind: .acknowledgement,
        number: MessageNumber(incarnation: 9, n: 9 << 32 | 77),
        acknowledged: 12,
        epoch: Epoch(rawValue: 7),
        role: .secondary,
        state: .catchingUp,
        gateIsOpen: false,
        isArmed: true,
        isSuspended: false,
        armGeneration: 3,
        position: TXID(1_000),
        durable: TXID(999),
        digest: VaultDigest(1, 2, 3, .max),
        policy: PairPolicy(failover: .strict, timeout: .seconds(840)),
        nonce: Nonce(4, 5, 6, 7),
        wallSeconds: 1_700_000_000
    )

    @Test func `come back as they went`() throws {
        let bytes = self.codec.encode(Self.heartbeat)

        #expect(bytes.count == HeartbeatCodec.byteCount)
        #expect(bytes.count < 400)
        #expect(try self.codec.decode(bytes) == Self.heartbeat)
    }

    @Test(arguments: NodeState.allCases)
    func `know every state`(state: NodeState) throws {
        var heartbeat = Self.heartbeat
        heartbeat.state = state

        #expect(try self.codec.decode(self.codec.encode(heartbeat)).state == state)
    }

    @Test func `begin with their name and version and are big-endian`() {
        let bytes = self.codec.encode(Self.heartbeat)

        #expect(Array(bytes.prefix(11)) == Array("paird-hb\0v1".utf8))
        #expect(Array(bytes[16..<24]) == [0, 0, 0, 0, 0, 0, 0, 1])
    }

    @Test func `are refused by another pair, sender or receiver`() {
        let bytes = self.codec.encode(Self.heartbeat)
        let others = [
            HeartbeatCodec(
                pair: PairID(high: 1, low: 3),
                sender: self.codec.sender,
                receiver: self.codec.receiver
            ),
            HeartbeatCodec(
                pair: self.codec.pair,
                sender: self.codec.receiver,
                receiver: self.codec.sender
            ),
        ]

        for other in others {
            #expect(throws: HeartbeatError.notForThisNode) { try other.decode(bytes) }
        }
    }

    @Test func `are refused at every other length`() {
        let bytes = self.codec.encode(Self.heartbeat)

        for count in 0..<bytes.count {
            #expect(throws: HeartbeatError.self) {
                try self.codec.decode(Array(bytes.prefix(count)))
            }
        }
        #expect(throws: HeartbeatError.malformed(.trailing(byteCount: 1))) {
            try self.codec.decode(bytes + [0])
        }
    }

    @Test func `are never the same after a flip of any bit that has a meaning`() {
        let bytes = self.codec.encode(Self.heartbeat)

        for index in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << bit
                guard let decoded = try? self.codec.decode(flipped) else { continue }
                let isReserved = (161..<229).contains(index) || index >= bytes.count - 8
                #expect(decoded != Self.heartbeat || isReserved, "byte \(index), bit \(bit)")
            }
        }
    }
}
