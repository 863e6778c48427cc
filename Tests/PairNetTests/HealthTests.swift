import NIOCore
import NIOPosix
import PairNet
import Synchronization
import TestThreads
import Testing

@Suite("Health listener", .partOfMachine)
struct HealthTests {
    @Test func `answers with what is true at the moment of the request`() async throws {
        let isOpen = Atomic(true)
        try await withServer { _ in
            isOpen.load(ordering: .relaxed)
                ? HealthResponse(
                    status: 200,
                    headers: [.init("X-Pair-Role", "primary")],
                    body: "PAIRD=PRIMARY\n"
                )
                : HealthResponse(status: 503, body: "PAIRD=FENCED\n")
        } _: { port in
            let caller = try await Caller(port)
            caller.say("GET /primary HTTP/1.1\r\nHost: a\r\n\r\n")
            let first = try await caller.answer(1)
            isOpen.store(false, ordering: .relaxed)
            caller.say("GET /primary HTTP/1.1\r\nHost: a\r\n\r\n")
            let both = try await caller.end()

            #expect(first.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(first.contains("X-Pair-Role: primary\r\n"))
            #expect(first.contains("Cache-Control: no-store\r\n"))
            #expect(first.contains("Connection: keep-alive\r\n"))
            #expect(first.hasSuffix("\r\n\r\nPAIRD=PRIMARY\n"))
            let second = String(both.dropFirst(first.count))
            #expect(second.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
            #expect(second.contains("Connection: close\r\n"))
            #expect(second.hasSuffix("\r\n\r\nPAIRD=FENCED\n"))
        }
    }

    @Test func `speaks HTTP 1.0, and closes after it`() async throws {
        try await withServer { _ in
            HealthResponse(status: 200, body: "ok\n")
        } _: { port in
            let answer = try await ask(port, "GET / HTTP/1.0\r\n\r\n")

            #expect(answer.hasPrefix("HTTP/1.0 200 OK\r\n"))
            #expect(answer.hasSuffix("\r\n\r\nok\n"))
        }
    }

    @Test(arguments: ["HEAD", "OPTIONS"])
    func `has the status of the GET and no body for`(method: String) async throws {
        try await withServer { _ in
            HealthResponse(status: 503, body: "no\n")
        } _: { port in
            let answer = try await ask(port, "\(method) /primary HTTP/1.1\r\nHost: a\r\n\r\n")

            #expect(answer.hasPrefix("HTTP/1.1 503 "))
            #expect(answer.hasSuffix("\r\n\r\n"))
            #expect(answer.contains("Allow: GET, HEAD, OPTIONS\r\n") == (method == "OPTIONS"))
        }
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
    func `refuses`(method: String) async throws {
        try await withServer { _ in
            Issue.record("was asked")
            return HealthResponse(status: 200, body: "")
        } _: { port in
            let answer = try await ask(
                port,
                "\(method) /primary HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
            )

            #expect(answer.hasPrefix("HTTP/1.1 405 "))
            #expect(answer.contains("Allow: GET, HEAD, OPTIONS\r\n"))
        }
    }

    @Test func `hands over path, query and the wish for JSON`() async throws {
        let asked = Recorder<HealthRequest>()
        try await withServer { request in
            asked.record(request)
            return .notFound
        } _: { port in
            let answer = try await ask(
                port,
                "GET /v1/status?x=1 HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n"
            )

            #expect(answer.hasPrefix("HTTP/1.1 404 "))
            #expect(
                asked.events == [
                    HealthRequest(path: "/v1/status", query: "x=1", acceptsJSON: true)
                ]
            )
        }
    }

    @Test(arguments: ["nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET\u{0} / HTTP/1.1\r\n\r\n"])
    func `answers 400 to what is not HTTP`(request: String) async throws {
        try await withServer { _ in
            HealthResponse(status: 200, body: "")
        } _: { port in
            let answer = try await ask(port, request)

            #expect(answer.hasPrefix("HTTP/1.1 400 "))
        }
    }

    @Test func `answers 431 to a head of more than 4 KiB`() async throws {
        try await withServer { _ in
            HealthResponse(status: 200, body: "")
        } _: { port in
            let padding = String(repeating: "x", count: 4096)

            let long = try await ask(port, "GET / HTTP/1.1\r\nX: \(padding)\r\n\r\n")
            let short = try await ask(
                port,
                "GET / HTTP/1.0\r\nX: \(padding.dropFirst(100))\r\n\r\n"
            )

            #expect(long.hasPrefix("HTTP/1.1 431 "))
            #expect(short.hasPrefix("HTTP/1.0 200 "))
        }
    }

    @Test func `cuts a request that takes longer than its time, however it drips`() async throws {
        var limits = HealthServer.Limits()
        limits.requestTime = .milliseconds(200)
        try await withServer(limits) { _ in
            HealthResponse(status: 200, body: "")
        } _: { port in
            let slow = try await Caller(port)
            slow.say("GET / HT")

            #expect(try await slow.end().isEmpty)
        }
    }

    @Test func `cuts a connection that stays idle between two requests`() async throws {
        var limits = Self.patient
        limits.keepAlive = .milliseconds(200)
        try await withServer(limits) { _ in
            HealthResponse(status: 200, body: "ok")
        } _: { port in
            let caller = try await Caller(port)
            caller.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")

            #expect(try await caller.end().hasSuffix("ok"))
        }
    }

    @Test func `answers a poll before any of 500 slow clients has finished`() async throws {
        var limits = HealthServer.Limits()
        // No slow client is ended by its time, so no poll can have waited for that.
        limits.requestTime = .seconds(3600)
        try await withServer(limits) { _ in
            HealthResponse(status: 200, body: "ok")
        } _: { port in
            var slow: [Caller] = []
            for _ in 0..<500 {
                let caller = try await Caller(port)
                caller.say("GET / HTTP/1.1\r\nX: ")
                slow.append(caller)
            }

            for _ in 0..<20 {
                let answer = try await ask(port, "GET / HTTP/1.0\r\n\r\n")
                #expect(answer.hasPrefix("HTTP/1.0 200 "))
            }

            // The oldest gave way without an answer; the newest still hang, as many as there may be.
            for caller in slow.prefix(400) { #expect(try await caller.end().isEmpty) }
            #expect(slow.suffix(40).allSatisfy { !$0.hasEnded })
            for caller in slow { caller.close() }
        }
    }

    private func ask(_ port: Int, _ request: String) async throws -> String {
        let caller = try await Caller(port)
        caller.say(request)
        return try await caller.end()
    }

    /// Nobody is cut off because this machine is busy with something else.
    private static let patient = {
        var limits = HealthServer.Limits()
        limits.requestTime = .seconds(60)
        limits.keepAlive = .seconds(60)
        return limits
    }()

    private func withServer(
        _ limits: HealthServer.Limits = Self.patient,
        answering answer: @escaping @Sendable (HealthRequest) -> HealthResponse,
        _ body: (Int) async throws -> Void
    ) async throws {
        let server = HealthServer(
            on: MultiThreadedEventLoopGroup.singleton.next(),
            limits: limits,
            answering: answer
        )
        let listener = try await server.start(host: "127.0.0.1", port: 0)
        do {
            try await body(try #require(listener.localAddress?.port))
        } catch {
            try await listener.close()
            throw error
        }
        try await listener.close()
    }
}

/// A client that says bytes and keeps what it hears.
private final class Caller: Sendable {
    private enum Event: Sendable {
        case heard(String)
        case closed
    }

    private let channel: any Channel
    private let events: Recorder<Event>

    init(_ port: Int) async throws {
        let events = Recorder<Event>()
        self.events = events
        self.channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Listener(events: events))
                }
            }
            .connect(host: "127.0.0.1", port: port)
            .get()
    }

    func say(_ text: String) { self.channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }

    func close() { self.channel.close(promise: nil) }

    var hasEnded: Bool {
        self.events.events.contains { if case .closed = $0 { true } else { false } }
    }

    /// All that came until the other side hung up.
    func end() async throws -> String {
        Self.text(
            try await self.events.wait(for: "the end") { events in
                events.contains { if case .closed = $0 { true } else { false } }
            }
        )
    }

    /// All that came until there were `count` whole answers with a body of one line.
    func answer(_ count: Int) async throws -> String {
        Self.text(
            try await self.events.wait(for: "an answer") { events in
                Self.text(events).split(separator: "\r\n\r\n").count > count
                    && Self.text(events).hasSuffix("\n")
            }
        )
    }

    private static func text(_ events: [Event]) -> String {
        events.reduce(into: "") { if case .heard(let text) = $1 { $0 += text } }
    }

    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let events: Recorder<Event>

        init(events: Recorder<Event>) { self.events = events }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.events.record(.heard(String(buffer: self.unwrapInboundIn(data))))
        }

        func channelInactive(context: ChannelHandlerContext) { self.events.record(.closed) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            // A reset is an end like any other; `channelInactive` follows.
            context.close(promise: nil)
        }
    }
}
