import PairCore
import PairWire
import TestThreads
import Testing

@Suite("The bytes of a statement", .ownThreads)
struct StatementCodecTests {
    let codec = StatementCodec(
        pair: PairID(high: 1, low: 2),
        sender: NodeID(high: 3, low: 4),
        receiver: NodeID(high: 5, low: 6)
    )

    static func position(_ txid: UInt64) -> Position {
        Position(
            epoch: Epoch(rawValue: 7),
            txid: TXID(txid),
            digest: VaultDigest(txid, 2, 3, 4)
        )
    }

    static let statement = Statement(
        number: MessageNumber(incarnation: 9, n: 9 << 32 | 77),
        nonce: Nonce(1, 2, 3, 4),
        echo: Nonce(5, 6, 7, 8),
        heartbeatNonce: Nonce(9, 10, 11, 12),
        isProbe: true,
        epoch: Epoch(rawValue: 7),
        role: .primary,
        state: .inDoubt,
        right: .leased,
        arming: NodeRecord.Arming(isArmed: true, generation: 5, revoked: 4),
        gateIsOpen: false,
        gateWasOpen: true,
        lineage: Lineage([
            LineageEntry(
                epoch: Epoch(rawValue: 2),
                owner: .zero,
                fork: Self.position(0),
                cause: .enable,
                wallSeconds: 1
            ),
            LineageEntry(
                epoch: Epoch(rawValue: 7),
                owner: .one,
                fork: Self.position(40),
                cause: .failover,
                wallSeconds: 2
            ),
        ]),
        position: Self.position(99),
        hasVault: true,
        isSeeding: false,
        suspension: NodeRecord.Suspension(remaining: .seconds(600), by: "alice"),
        relinquish: NodeRecord.Relinquish(
            operation: OperationID(high: 1, low: 1),
            position: Self.position(98),
            successor: .zero
        ),
        operation: NodeRecord.Operation(
            id: OperationID(high: 1, low: 2),
            verb: .switchover,
            step: 2,
            by: "alice",
            since: 3
        ),
        aborted: [OperationID(high: 1, low: 3), OperationID(high: 1, low: 4)],
        request: Request(
            id: OperationID(high: 1, low: 5),
            verb: .suspend(for: .seconds(60)),
            by: "bob"
        ),
        offer: RejoinOffer(
            rejoin: .undoTail,
            fork: Self.position(40),
            incarnation: 3,
            position: Self.position(50)
        ),
        policy: PairPolicy(failover: .available, timeout: .seconds(840))
    )

    @Test(arguments: [
        Request.Verb.enableHA(discardingPeerVault: true), .disableHA(isForced: false),
        .switchover, .promote(isForced: true), .suspend(for: .seconds(9)), .resume, .standalone,
    ])
    func `come back as they went, with every request`(verb: Request.Verb) throws {
        var statement = Self.statement
        statement.request = Request(id: OperationID(high: 8, low: 8), verb: verb, by: "")

        #expect(try self.codec.decode(self.codec.encode(statement)) == statement)
    }

    @Test(arguments: [
        Rejoin.seed, .stream, .fastForward, .delta(sealingImage: true),
        .delta(sealingImage: false), .undoTail,
    ])
    func `come back as they went, with every offer`(rejoin: Rejoin) throws {
        var statement = Self.statement
        statement.offer?.rejoin = rejoin
        statement.relinquish = nil
        statement.operation = nil

        #expect(try self.codec.decode(self.codec.encode(statement)) == statement)
    }

    @Test func `hold a history of six hundred changes of primary`() throws {
        var lineage = Lineage.empty
        for number in 1...600 as ClosedRange<UInt64> {
            let epoch = Epoch(rawValue: number)
            lineage.append(
                LineageEntry(
                    epoch: epoch,
                    owner: number % 2 == 0 ? .zero : .one,
                    fork: Self.position(number),
                    cause: .switchover,
                    wallSeconds: 1
                )
            )
        }
        var statement = Self.statement
        statement.lineage = lineage
        statement.epoch = lineage.epoch

        let bytes = self.codec.encode(statement)

        #expect(bytes.count + 64 < ConnectionPurpose.control.payloadLimit)
        #expect(try self.codec.decode(bytes) == statement)
        var record = NodeRecord(
            identity: NodeRecord.Identity(node: NodeID(high: 3, low: 4), name: "n", model: "m")
        )
        record.lineage = lineage
        #expect(try NodeRecord(decoding: record.encoded[...]) == record)
    }

    @Test func `are refused at every other length`() {
        let bytes = self.codec.encode(Self.statement)

        for count in 0..<bytes.count {
            #expect(throws: StatementError.self) {
                try self.codec.decode(Array(bytes.prefix(count)))
            }
        }
        #expect(throws: StatementError.malformed(.trailing(byteCount: 1))) {
            try self.codec.decode(bytes + [0])
        }
    }

    @Test func `mean something else, or nothing, after any flip of a bit`() {
        let bytes = self.codec.encode(Self.statement)

        for index in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << bit
                guard let decoded = try? self.codec.decode(flipped) else { continue }
                #expect(decoded != Self.statement, "byte \(index), bit \(bit)")
            }
        }
    }

    @Test func `are refused by another receiver`() {
        let other = StatementCodec(
            pair: self.codec.pair,
            sender: self.codec.receiver,
            receiver: self.codec.sender
        )

        #expect(throws: StatementError.notForThisNode) {
            try other.decode(self.codec.encode(Self.statement))
        }
    }

    @Test func `are refused when epochs do not rise or are not their owner's`() {
        var bytes = self.codec.encode(Self.statement)
        let codec = self.codec
        // The first lineage epoch, 2, becomes 3, which node 1 owns.
        let start = 12 + 48 + 16 + 96 + 1 + 8 + 3 + 17 + 2 + 2
        #expect(bytes[start] == 2)
        bytes[start] = 3

        #expect(throws: StatementError.malformed(.outOfRange(field: "lineage epoch", value: 3))) {
            try codec.decode(bytes)
        }
    }
}
