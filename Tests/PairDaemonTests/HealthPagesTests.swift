import NIOCore
import NIOPosix
import PairCore
import PairDaemon
import PairNet
import Synchronization
import TestThreads
import Testing

/// What a load balancer hears in every state, through the real listener.
@Suite("Health pages", .partOfMachine)
struct HealthPagesTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var role: Role
        var state: NodeState
        var gate = GateState.closed
        var silence = Duration.zero
        var body: String
        /// `/primary`, `/secondary`, `/ready`, `/live`.
        var codes: [Int]

        var testDescription: String { "\(self.role.rawValue) \(self.state.rawValue) \(self.gate)" }
    }

    /// The contract, row by row.
    static let table: [Row] =
        [
            Row(.primary, .streaming, .open, "PRIMARY", [200, 503, 200, 200]),
            Row(.primary, .alone, .open, "PRIMARY", [200, 503, 200, 200]),
            Row(.standalone, .serving, .open, "PRIMARY", [200, 503, 200, 200]),
            Row(.primary, .draining, .closed, "DRAIN", [503, 503, 503, 200]),
            Row(.primary, .inDoubt, .closed, "DRAIN", [503, 503, 503, 200]),
            Row(.secondary, .streaming, .closed, "SECONDARY", [503, 200, 200, 200]),
            Row(.secondary, .suspect, .closed, "SECONDARY", [503, 200, 200, 200]),
            Row(.none, .starting, .unmanaged, "WAIT", [503, 503, 503, 200]),
            Row(.secondary, .lookingForPeer, .closed, "WAIT", [503, 503, 503, 200]),
            Row(.primary, .lookingForPeer, .closed, "WAIT", [503, 503, 503, 200]),
            Row(.secondary, .seeding, .closed, "WAIT", [503, 503, 503, 200]),
            Row(.secondary, .catchingUp, .closed, "WAIT", [503, 503, 503, 200]),
            Row(.secondary, .promoting, .closed, "WAIT", [503, 503, 503, 200]),
            Row(.none, .unpaired, .unmanaged, "NONE", [503, 503, 503, 200]),
            Row(.none, .paired, .unmanaged, "NONE", [503, 503, 503, 200]),
            Row(.none, .parked, .closed, "NONE", [503, 503, 503, 200]),
            Row(.primary, .fenced, .closed, "FENCED", [503, 503, 503, 200]),
            Row(.secondary, .superseded, .closed, "FENCED", [503, 503, 503, 200]),
            Row(.secondary, .hold, .closed, "FENCED", [503, 503, 503, 200]),
            Row(.none, .quarantined, .closed, "FENCED", [503, 503, 503, 200]),
            Row(.primary, .failed, .closed, "FAILED", [503, 503, 503, 200]),
            Row(.primary, .streaming, .closed, "WAIT", [503, 503, 503, 200]),
        ] + [
            Row(
                role: .primary,
                state: .streaming,
                gate: .open,
                silence: .seconds(4),
                body: "STALE",
                codes: [503, 503, 503, 503]
            )
        ]

    @Test func `have a row for every state`() {
        #expect(Set(Self.table.map(\.state)) == Set(NodeState.allCases))
    }

    @Test(arguments: table)
    func `say what the table says, to GET, HEAD and OPTIONS alike`(row: Row) async throws {
        let pages = HealthPages(
            health: Health(role: row.role, state: row.state, gate: row.gate, silence: row.silence),
            role: row.role,
            state: row.state,
            epoch: Epoch(rawValue: 7)
        )
        var limits = HealthServer.Limits()
        // A busy machine may take longer than a load balancer would.
        limits.requestTime = .seconds(60)
        let server = HealthServer(
            on: MultiThreadedEventLoopGroup.singleton.next(),
            limits: limits,
            answering: { pages.answer($0) ?? .notFound }
        )
        let listener = try await server.start(host: "127.0.0.1", port: 0)
        let port = try #require(listener.localAddress?.port)
        let aliases = ["/primary": ["/", "/health"]]

        for (path, code) in zip(["/primary", "/secondary", "/ready", "/live"], row.codes) {
            for path in [path] + (aliases[path] ?? []) {
                let get = try await Exchange.ask(port, "GET", path)
                #expect(get.hasPrefix("HTTP/1.1 \(code) "), "\(path): \(get)")
                #expect(get.hasSuffix("\r\n\r\nPAIRD=\(row.body)\n"), "\(path): \(get)")
                #expect(get.contains("X-Pair-Role: \(row.role.rawValue)\r\n"))
                #expect(get.contains("X-Pair-State: \(row.state.rawValue)\r\n"))
                #expect(get.contains("X-Pair-Epoch: 7\r\n"))
                #expect(get.contains("Cache-Control: no-store\r\n"))

                let head = try await Exchange.ask(port, "HEAD", path)
                #expect(head == String(get.dropLast("PAIRD=\(row.body)\n".count)), "\(path)")

                let options = try await Exchange.ask(port, "OPTIONS", path)
                #expect(options.hasPrefix("HTTP/1.1 \(code) "), "\(path): \(options)")
                #expect(options.contains("Allow: GET, HEAD, OPTIONS\r\n"))
                #expect(options.hasSuffix("\r\n\r\n"))
            }
        }
        let unknown = try await Exchange.ask(port, "GET", "/nothing")
        #expect(unknown.hasPrefix("HTTP/1.1 404 "))
        try await listener.close()
    }

    @Test func `are JSON for who asks for it`() {
        let pages = HealthPages(
            health: .drain,
            role: .primary,
            state: .inDoubt,
            epoch: Epoch(rawValue: 7)
        )

        let answer = pages.answer(HealthRequest(path: "/primary", acceptsJSON: true))

        #expect(answer?.contentType == "application/json")
        #expect(
            answer?.body
                == #"{"health":"DRAIN","role":"primary","state":"in-doubt","epoch":7}"# + "\n"
        )
    }
}

extension HealthPagesTests.Row {
    init(_ role: Role, _ state: NodeState, _ gate: GateState, _ body: String, _ codes: [Int]) {
        self.init(role: role, state: state, gate: gate, body: body, codes: codes)
    }
}

/// One request, and everything that came back before the other side hung up.
private enum Exchange {
    static func ask(_ port: Int, _ method: String, _ path: String) async throws -> String {
        let heard = Mutex("")
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Listener { text in heard.withLock { $0 += text } }
                    )
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        try await channel.writeAndFlush(
            ByteBuffer(string: "\(method) \(path) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        )
        try await channel.closeFuture.get()
        return heard.withLock { $0 }
    }

    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let hear: (String) -> Void

        init(_ hear: @escaping (String) -> Void) { self.hear = hear }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.hear(String(buffer: self.unwrapInboundIn(data)))
        }
    }
}
