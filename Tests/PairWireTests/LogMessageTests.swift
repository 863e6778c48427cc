import PairCore
import PairWire
import TestThreads
import Testing

@Suite("Log messages: as bytes and back", .ownThreads)
struct LogMessageTests {
    @Test func `have one example of every kind`() throws {
        let kinds = try Self.messages().map(\.kind)

        for rawValue in UInt8.min...UInt8.max {
            guard let kind = LogMessage.Kind(rawValue: rawValue) else { continue }
            #expect(kinds.contains(kind))
        }
    }

    @Test func `come back as they were`() throws {
        for message in try Self.messages() {
            let copy = try LogMessage(kind: message.kind, payload: message.payload[...])

            #expect(copy == message)
        }
    }

    @Test func `come back from the middle of a longer run of bytes`() throws {
        for message in try Self.messages() {
            let payload = message.payload
            let bytes = [0xaa, 0xbb, 0xcc] + payload + [0xdd]

            #expect(
                try LogMessage(kind: message.kind, payload: bytes[3..<3 + payload.count])
                    == message
            )
        }
    }

    /// A segment and a run of pages are taken as they come; who uses them checks them.
    @Test func `are whole or refused`() throws {
        for message in try Self.messages() where !Self.isOpaque(message) {
            Self.bytes(of: message).expectWholeOrNothing()
        }
    }

    @Test func `are understood or refused when a byte has changed`() throws {
        for message in try Self.messages() { Self.bytes(of: message).expectNoGuessing() }
    }

    @Test func `are understood or refused when a length lies`() throws {
        for message in try Self.messages() { Self.bytes(of: message).expectNoTrustInLengths() }
    }

    @Test(arguments: [1 << 20 + 1, Int(UInt32.max)])
    func `refuse a run longer than 1 MiB`(claimed: Int) {
        var writer = ByteWriter()
        writer.u32(1)
        writer.u32(UInt32(claimed))
        let payload = writer.bytes

        #expect(throws: ByteError.outOfRange(field: "run", value: UInt64(claimed))) {
            try LogMessage(kind: .hashes, payload: payload[...])
        }
    }

    @Test(arguments: [UInt8(0), 5, 0xff])
    func `refuse a plan that nobody made`(kind: UInt8) {
        #expect(throws: ByteError.outOfRange(field: "plan", value: UInt64(kind))) {
            try LogMessage(kind: .plan, payload: [kind])
        }
    }

    @Test func `keep apart what a mark asks and what it found`() throws {
        let asked = LogMessage.mark(id: 3, .example(4), full: true)
        let found = LogMessage.tick(.example(4))

        #expect(asked.kind != found.kind)
        #expect(throws: ByteError.self) {
            try LogMessage(kind: .tick, payload: asked.payload[...])
        }
    }

    private static func isOpaque(_ message: LogMessage) -> Bool {
        message.kind == .segment || message.kind == .pages
    }

    private static func bytes(of message: LogMessage) -> HostileBytes {
        let kind = message.kind
        return HostileBytes(payload: message.payload) { payload throws(ByteError) in
            try LogMessage(kind: kind, payload: payload).payload
        }
    }

    private static func messages() throws -> [LogMessage] {
        let size = try #require(PageSize.example)
        let hashes = (0..<64).map { UInt8($0) }
        let contents: [VaultContent] = [
            .missing, .withoutTables(size), .withTables(size), .unusable(""),
        ]
        let wishes: [LogMessage.Request.Wish] = [
            .stream(after: .example(5)), .copy, .nothing, .stream(after: .start),
        ]
        let requests = zip(wishes, contents).map { wish, content in
            LogMessage.Request(wish: wish, content: content)
        }
        let ways: [LogMessage.Plan.Way] = [
            .stream(after: .example(5)), .delta, .seed, .refuse("page sizes differ"),
        ]
        let plans = ways.map { way in
            LogMessage.Plan(
                way: way,
                epoch: Epoch(rawValue: 7),
                pageSize: size,
                position: .example(6),
                pageCount: 262_144
            )
        }
        return requests.map(LogMessage.request) + plans.map(LogMessage.plan) + [
            .wanted(first: PageNumber(.max), bitmap: [0b101]),
            .progress(
                .init(received: TXID(9), durable: TXID(8), applied: .example(7), takenBytes: .max)
            ),
            .progress(.init(received: .zero, durable: .zero, applied: nil, takenBytes: 0)),
            .markHashes(id: 1, first: .first, hashes: hashes),
            .markResult(
                .init(
                    id: 2,
                    position: .example(3),
                    scanned: VaultDigest(1, 2, 3, 4),
                    pageCount: 5,
                    integrity: "ok"
                )
            ),
            .markResult(
                .init(id: 2, position: .example(3), scanned: nil, pageCount: 0, integrity: nil)
            ),
            .archive(
                .init(id: "t1", file: "vault.db", offset: .max, bytes: [1, 2, 3], isLast: true)
            ),
            .archived(id: "t1"), .segment([1, 2, 3, 4, 5]),
            .hashes(first: PageNumber(1025), hashes: hashes),
            .pages([6, 7, 8, 9]), .copied(.example(1)), .mark(id: .max, .example(2), full: true),
            .mark(id: 0, .example(2), full: false), .tick(.example(.max)),
        ]
    }
}
