import NIOCore
import NIOHTTP1

/// One connection of the health listener.
final class HealthHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case idle
        case waiting
        case receiving(HTTPRequestHead)
        case answering
        case closed
    }

    private let limits: HealthServer.Limits
    private let crowd: NIOLoopBoundBox<HealthCrowd>
    private let answer: @Sendable (HealthRequest) -> HealthResponse
    private let observe: @Sendable (String, Int) -> Void
    private var state = State.idle
    private var context: ChannelHandlerContext?
    private var timeout: Scheduled<Void>?
    private var isInRequest = false

    private static let methods = "GET, HEAD, OPTIONS"

    init(
        limits: HealthServer.Limits,
        crowd: NIOLoopBoundBox<HealthCrowd>,
        answer: @escaping @Sendable (HealthRequest) -> HealthResponse,
        observe: @escaping @Sendable (String, Int) -> Void
    ) {
        self.limits = limits
        self.crowd = crowd
        self.answer = answer
        self.observe = observe
    }

    // MARK: Inbound

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        let (isWelcome, givesWay) = self.crowd.value.enter(self)
        givesWay?.giveWay()
        guard isWelcome else {
            return self.refuse(503, "too many connections\n", retryAfter: 1)
        }
        self.state = .waiting
        self.isInRequest = true
        self.limit(self.limits.requestTime)
        context.fireChannelActive()
    }

    /// The first byte of a request has come in.
    func requestBegan() {
        guard case .waiting = self.state, !self.isInRequest else { return }
        self.isInRequest = true
        self.limit(self.limits.requestTime)
    }

    /// The request's head is longer than anybody needs.
    func headerTooLong() {
        switch self.state {
        case .waiting, .receiving: self.refuse(431, "header too long\n")
        case .idle, .answering, .closed: break
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (self.state, self.unwrapInboundIn(data)) {
        case (.waiting, .head(let head)):
            self.state = .receiving(head)
        case (.receiving(let head), .end):
            self.crowd.value.begin(self)
            self.state = .answering
            self.respond(to: head)
        case (.receiving, .body):
            // Nobody here needs one; the time of the request bounds how long it may go on.
            break
        case (_, .head), (_, .body), (_, .end):
            break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch (self.state, error) {
        case (.waiting, is HTTPParserError), (.receiving, is HTTPParserError):
            self.refuse(400, "malformed request\n")
        default:
            self.close()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.leave()
        context.fireChannelInactive()
    }

    /// Closes in favour of a newcomer; called by the crowd, which has forgotten this connection.
    private func giveWay() {
        self.state = .closed
        self.timeout?.cancel()
        self.context?.close(promise: nil)
    }

    // MARK: Answers

    private func respond(to head: HTTPRequestHead) {
        let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts.first.map(String.init) ?? head.uri
        switch head.method {
        case .GET, .HEAD, .OPTIONS:
            let request = HealthRequest(
                path: path,
                query: parts.count > 1 ? String(parts[1]) : nil,
                acceptsJSON: head.headers["accept"].contains {
                    $0.lowercased().contains("application/json")
                }
            )
            var response = self.answer(request)
            if head.method == .OPTIONS {
                // Old load balancers poll with OPTIONS: it has the status of the GET.
                response.headers.append(.init("Allow", Self.methods))
                response.body = ""
            }
            self.observe(path, response.status)
            self.send(response, to: head)
        default:
            self.observe("", 405)
            self.send(
                HealthResponse(
                    status: 405,
                    headers: [.init("Allow", Self.methods)],
                    body: "only \(Self.methods)\n"
                ),
                to: head
            )
        }
    }

    /// Says no without having understood the request, and closes.
    private func refuse(_ status: Int, _ text: String, retryAfter: Int? = nil) {
        self.leave()
        var headers: [HealthResponse.Header] = []
        if let retryAfter { headers.append(.init("Retry-After", "\(retryAfter)")) }
        self.observe("", status)
        self.send(HealthResponse(status: status, headers: headers, body: text), to: nil)
    }

    private func send(_ response: HealthResponse, to request: HTTPRequestHead?) {
        guard let context = self.context else { return }
        let staysOpen = response.status == 200 && request?.isKeepAlive == true
        var headers = HTTPHeaders()
        for header in response.headers { headers.add(name: header.name, value: header.value) }
        headers.replaceOrAdd(name: "Cache-Control", value: "no-store")
        headers.replaceOrAdd(name: "Content-Type", value: response.contentType)
        headers.replaceOrAdd(name: "Content-Length", value: "\(response.body.utf8.count)")
        headers.replaceOrAdd(name: "Connection", value: staysOpen ? "keep-alive" : "close")
        let head = HTTPResponseHead(
            version: request?.version ?? .http1_1,
            status: HTTPResponseStatus(statusCode: response.status),
            headers: headers
        )
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        if request?.method != .HEAD, !response.body.isEmpty {
            let body = context.channel.allocator.buffer(string: response.body)
            context.write(self.wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        self.limit(self.limits.answerTime)
        let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let isRefusal = if case .closed = self.state { true } else { false }
        let sent = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: sent)
        sent.futureResult.whenComplete { _ in
            if isRefusal {
                loopBound.value.linger()
            } else if staysOpen {
                loopBound.value.waitAgain()
            } else {
                loopBound.value.close()
            }
        }
    }

    private func waitAgain() {
        guard case .answering = self.state else { return }
        self.state = .waiting
        self.isInRequest = false
        self.crowd.value.wait(self)
        self.limit(self.limits.keepAlive)
    }

    // MARK: The end

    /// Ends this side, and closes when the other has ended too, or soon.
    ///
    /// To close with input unread would reset the connection, and the other side might never see
    /// why it was refused.
    private func linger() {
        self.limit(.milliseconds(500))
        self.context?.close(mode: .output, promise: nil)
    }

    /// Closes unless something else happens within `duration`.
    private func limit(_ duration: Duration) {
        guard let context = self.context else { return }
        self.timeout?.cancel()
        let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
        self.timeout = context.eventLoop.scheduleTask(in: TimeAmount(duration)) {
            loopBound.value.close()
        }
    }

    private func close() {
        self.leave()
        self.context?.close(promise: nil)
    }

    private func leave() {
        self.timeout?.cancel()
        switch self.state {
        case .waiting, .receiving: self.crowd.value.leave(self, isAnswering: false)
        case .answering: self.crowd.value.leave(self, isAnswering: true)
        case .idle, .closed: break
        }
        self.state = .closed
    }
}

/// Counts the bytes of a request's head before the parser sees them.
///
/// A head ends with the first empty line. What belongs to a body, or to the next request in the same
/// run of bytes, is not counted.
final class HeaderLimit: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let limit: Int
    private let handler: HealthHandler
    private var count = 0
    /// How much of an empty line the bytes so far end with: LF, or LF CR.
    private var ending = 0

    init(byteCount: Int, handler: HealthHandler) {
        self.limit = byteCount
        self.handler = handler
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.handler.requestBegan()
        for byte in self.unwrapInboundIn(data).readableBytesView {
            self.count += 1
            switch (byte, self.ending) {
            case (UInt8(ascii: "\n"), 0): self.ending = 1
            case (UInt8(ascii: "\r"), 1): self.ending = 2
            case (UInt8(ascii: "\n"), _):
                self.count = 0
                self.ending = 0
            default: self.ending = 0
            }
            if self.count > self.limit { return self.handler.headerTooLong() }
        }
        context.fireChannelRead(data)
    }
}
