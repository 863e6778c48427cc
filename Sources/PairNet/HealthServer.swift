package import NIOCore
import NIOHTTP1
import NIOPosix

/// What somebody asks the health listener.
package struct HealthRequest: Hashable, Sendable {
    /// Without the query.
    package let path: String
    package let query: String?
    /// Whether the answer may be JSON.
    package let acceptsJSON: Bool

    package init(path: String, query: String? = nil, acceptsJSON: Bool = false) {
        self.path = path
        self.query = query
        self.acceptsJSON = acceptsJSON
    }
}

/// What it is told.
package struct HealthResponse: Hashable, Sendable {
    package var status: Int
    package var contentType: String
    package var headers: [Header]
    package var body: String

    package struct Header: Hashable, Sendable {
        package let name: String
        package let value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(
        status: Int,
        contentType: String = "text/plain; charset=utf-8",
        headers: [Header] = [],
        body: String
    ) {
        self.status = status
        self.contentType = contentType
        self.headers = headers
        self.body = body
    }

    package static let notFound = HealthResponse(status: 404, body: "not found\n")
}

/// Answers load balancers and Prometheus over plain HTTP, read-only.
///
/// Every answer is computed when its request is complete, never kept. Nobody can hold a connection
/// for long: a request has its time, an idle connection too, and when all are taken the one that has
/// been waiting for its request longest gives way to the newcomer.
package final class HealthServer: Sendable {
    package struct Limits: Hashable, Sendable {
        package var connections = 64
        package var headerByteCount = 4096
        /// From the first byte of a request, or the connection, to its end.
        package var requestTime = Duration.seconds(2)
        /// Between two requests of one connection.
        package var keepAlive = Duration.seconds(5)
        /// How long a caller may take to take its answer.
        package var answerTime = Duration.seconds(5)

        package init() {}
    }

    private let limits: Limits
    private let eventLoop: any EventLoop
    private let answer: @Sendable (HealthRequest) -> HealthResponse
    private let observe: @Sendable (_ path: String, _ status: Int) -> Void

    /// - Parameter eventLoop: Best one of its own, so that no other work delays a poll.
    /// - Parameter answer: Called on the event loop for every GET, HEAD and OPTIONS; must not block.
    /// - Parameter observe: Told of every answer, the server's own refusals with an empty path.
    package init(
        on eventLoop: any EventLoop,
        limits: Limits = Limits(),
        answering answer: @escaping @Sendable (HealthRequest) -> HealthResponse,
        observing observe: @escaping @Sendable (String, Int) -> Void = { _, _ in }
    ) {
        self.eventLoop = eventLoop
        self.limits = limits
        self.answer = answer
        self.observe = observe
    }

    /// Listens from now on.
    ///
    /// - Returns: The channel to close in the end; its connections end within their times.
    package func start(host: String, port: Int) async throws -> any Channel {
        let crowd = NIOLoopBoundBox.makeBoxSendingValue(
            HealthCrowd(limit: self.limits.connections),
            eventLoop: self.eventLoop
        )
        return try await ServerBootstrap(group: self.eventLoop)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.maxMessagesPerRead, value: 16)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = HealthHandler(
                        limits: self.limits,
                        crowd: crowd,
                        answer: self.answer,
                        observe: self.observe
                    )
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(HTTPResponseEncoder())
                    try pipeline.addHandlers([
                        HeaderLimit(byteCount: self.limits.headerByteCount, handler: handler),
                        ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)),
                        handler,
                    ])
                }
            }
            .bind(host: host, port: port)
            .get()
    }
}

/// The connections of a health listener, those that wait for a request in the order they began to.
struct HealthCrowd {
    private let limit: Int
    private var waiting: [HealthHandler] = []
    private var answering = 0

    init(limit: Int) { self.limit = limit }

    /// Counts a newcomer; `false` when there is no room and nobody gives way.
    mutating func enter(_ handler: HealthHandler) -> (isWelcome: Bool, givesWay: HealthHandler?) {
        var givesWay: HealthHandler?
        if self.waiting.count + self.answering >= self.limit {
            guard !self.waiting.isEmpty else { return (false, nil) }
            givesWay = self.waiting.removeFirst()
        }
        self.waiting.append(handler)
        return (true, givesWay)
    }

    /// The handler has a request to answer, and does not give way until it waits again.
    mutating func begin(_ handler: HealthHandler) {
        guard let index = self.waiting.firstIndex(where: { $0 === handler }) else { return }
        self.waiting.remove(at: index)
        self.answering += 1
    }

    mutating func wait(_ handler: HealthHandler) {
        self.answering -= 1
        self.waiting.append(handler)
    }

    mutating func leave(_ handler: HealthHandler, isAnswering: Bool) {
        if isAnswering {
            self.answering -= 1
        } else {
            self.waiting.removeAll { $0 === handler }
        }
    }
}
