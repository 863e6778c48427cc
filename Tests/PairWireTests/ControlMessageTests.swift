import PairCore
import PairWire
import TestThreads
import Testing

@Suite("Control messages: as bytes and back", .ownThreads)
struct ControlMessageTests {
    @Test func `have one example of every kind`() throws {
        let kinds = try Self.messages().map(\.kind)

        for rawValue in UInt8.min...UInt8.max {
            guard let kind = ControlMessage.Kind(rawValue: rawValue) else { continue }
            // A statement is opaque here; its bytes are StatementCodec's.
            #expect(kinds.contains(kind) || kind == .statement)
        }
    }

    @Test func `come back as they were`() throws {
        for message in try Self.messages() {
            let copy = try ControlMessage(kind: message.kind, payload: message.payload[...])

            #expect(copy == message)
        }
    }

    @Test func `come back from the middle of a longer run of bytes`() throws {
        for message in try Self.messages() {
            let payload = message.payload
            let bytes = [0xaa, 0xbb] + payload + [0xcc]

            #expect(
                try ControlMessage(kind: message.kind, payload: bytes[2..<2 + payload.count])
                    == message
            )
        }
    }

    @Test func `are whole or refused`() throws {
        for message in try Self.messages() { Self.bytes(of: message).expectWholeOrNothing() }
    }

    @Test func `are understood or refused when a byte has changed`() throws {
        for message in try Self.messages() { Self.bytes(of: message).expectNoGuessing() }
    }

    @Test func `are understood or refused when a length lies`() throws {
        for message in try Self.messages() { Self.bytes(of: message).expectNoTrustInLengths() }
    }

    @Test func `refuse a lineage that does not rise`() throws {
        var writer = ByteWriter()
        writer.lineage(Lineage(Lineage.example.entries.reversed()))
        var reader = ByteReader(writer.bytes)

        #expect(throws: ByteError.outOfRange(field: "epoch", value: 2)) { try reader.lineage() }
    }

    @Test(arguments: [UInt32(4097), .max])
    func `refuse a lineage longer than any pair can have`(count: UInt32) {
        var writer = ByteWriter()
        writer.u32(count)
        var reader = ByteReader(writer.bytes)

        #expect(throws: ByteError.outOfRange(field: "lineage entries", value: UInt64(count))) {
            try reader.lineage()
        }
    }

    @Test(arguments: [UInt8(0), 8, 17, 63, 64, 0xff])
    func `refuse a page size that SQLite does not have`(log2: UInt8) {
        var reader = ByteReader([log2])

        #expect(throws: ByteError.outOfRange(field: "page size", value: UInt64(log2))) {
            try reader.pageSize("page size")
        }
    }

    @Test func `refuse words that are not ours`() {
        var writer = ByteWriter()
        writer.text("leader")
        var reader = ByteReader(writer.bytes)

        #expect(throws: ByteError.notText(field: "role")) {
            let _: Role = try reader.word("role")
        }
    }

    @Test(arguments: [
        Duration.zero, .milliseconds(1), .seconds(840), .nanoseconds(-1), .nanoseconds(Int64.min),
        .nanoseconds(Int64.max),
    ])
    func `keep a duration to the nanosecond`(duration: Duration) throws {
        var writer = ByteWriter()
        writer.duration(duration)
        var reader = ByteReader(writer.bytes)

        #expect(try reader.duration("duration") == duration)
    }

    @Test func `tell no more than eight reasons`() throws {
        var presence = try Self.presence()
        presence.reasons = (1...20).map { "reason \($0)" }
        let message = ControlMessage.presence(presence)

        let copy = try ControlMessage(kind: .presence, payload: message.payload[...])

        presence.reasons = Array(presence.reasons.prefix(8))
        #expect(copy == .presence(presence))
    }

    private static func bytes(of message: ControlMessage) -> HostileBytes {
        let kind = message.kind
        return HostileBytes(payload: message.payload) { payload throws(ByteError) in
            try ControlMessage(kind: kind, payload: payload).payload
        }
    }

    private static func presence() throws -> Presence {
        let size = try #require(PageSize.example)
        return Presence(
            node: NodeID(high: 1, low: 2),
            name: "ams-1",
            model: "PX-200",
            version: "0.1.0",
            bootID: .max,
            role: .primary,
            state: .inDoubt,
            gate: .closed,
            right: .leased,
            epoch: Epoch(rawValue: 7),
            lineage: .example,
            position: .example(12),
            content: .withTables(size),
            longestWriteHold: .milliseconds(250),
            policy: PairPolicy(failover: .available, timeout: .seconds(840)),
            reasons: ["a reader pins the WAL", "Größe"]
        )
    }

    private static func presences() throws -> [Presence] {
        let size = try #require(PageSize.example)
        let full = try Self.presence()
        return [VaultContent.missing, .withoutTables(size), .unusable("not in WAL mode")].map {
            var bare = full
            (bare.position, bare.lineage, bare.content, bare.reasons) = (nil, .empty, $0, [])
            return bare
        } + [full]
    }

    private static func messages() throws -> [ControlMessage] {
        try Self.presences().map(ControlMessage.presence)
            + [
                .forward(id: .max, request: Array(#"{"verb":"verify"}"#.utf8)),
                .forwarded(id: 1, line: [], isLast: false),
                .forwarded(id: 2, line: Array("{}".utf8), isLast: true),
            ]
    }
}
