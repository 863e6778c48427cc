import PairCore
import PairWire
import Testing

@Suite("The bytes of a statement")
struct StatementCodecTests {
    private func encode(_ statement: Statement) -> [UInt8] {
        var writer = ByteWriter()
        writer.statement(statement)
        return writer.bytes
    }

    private func decode(_ bytes: [UInt8]) throws -> Statement {
        var reader = ByteReader(bytes)
        let statement = try reader.statement()
        try reader.finish()
        return statement
    }

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
        isSuspended: true,
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

        #expect(try self.decode(self.encode(statement)) == statement)
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

        #expect(try self.decode(self.encode(statement)) == statement)
    }

    @Test func `are refused at every other length`() {
        let bytes = self.encode(Self.statement)

        for count in 0..<bytes.count {
            #expect(throws: ByteError.self) {
                try self.decode(Array(bytes.prefix(count)))
            }
        }
        #expect(throws: ByteError.trailing(byteCount: 1)) {
            try self.decode(bytes + [0])
        }
    }

    @Test func `mean something else, or nothing, after any flip of a bit`() {
        let bytes = self.encode(Self.statement)

        for index in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << bit
                guard let decoded = try? self.decode(flipped) else { continue }
                #expect(decoded != Self.statement, "byte \(index), bit \(bit)")
            }
        }
    }
}
