import Glibc
package import NIOCore
import NIOPosix
import Synchronization

/// Who sits at the other end of a control connection, as the kernel tells.
package struct CallerCredentials: Hashable, Sendable {
    package let processID: Int32
    package let userID: UInt32
    package let groupID: UInt32
    /// The supplementary groups, which SO_PEERCRED does not tell.
    package let groups: [UInt32]

    package init(processID: Int32, userID: UInt32, groupID: UInt32, groups: [UInt32]) {
        self.processID = processID
        self.userID = userID
        self.groupID = groupID
        self.groups = groups
    }

    package func isMember(of group: UInt32) -> Bool {
        self.groupID == group || self.groups.contains(group)
    }
}

/// Why the control socket cannot be offered.
package enum ControlServerError: Error, Hashable, Sendable {
    /// Another daemon answers there.
    case inUse(path: String)
    case pathTooLong(path: String, limit: Int)
    case failed(call: String, path: String, errno: Int32)
}

extension ControlServerError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .inUse(let path):
            "\(path): another daemon answers there; stop it first, or change control.socket"
        case .pathTooLong(let path, let limit):
            "\(path): longer than the \(limit) bytes of a socket's path; change control.socket"
        case .failed(_, let path, ENOENT):
            "\(path): its folder does not exist; under systemd RuntimeDirectory= makes it; by hand: "
                + "install -d -m 0755 -o paird \(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])"
        case .failed(let call, let path, let code):
            "\(call) of \(path): \(String(cString: strerror(code)))"
        }
    }
}

/// Offers the control socket: one request of one line per connection, answered by lines.
///
/// What the lines mean is not known here. The socket appears in its folder with its final mode and
/// group, so that there is no moment in which the wrong people can connect.
package final class ControlServer: Sendable {
    package struct Limits: Hashable, Sendable {
        package var requestByteCount = 65_536
        package var connections = 32
        /// From the connection to the end of the request.
        package var requestTime = Duration.seconds(5)
        /// Answers that a caller may leave unread.
        package var unreadByteCount = 4 << 20

        package init() {}
    }

    package let path: String
    private let limits: Limits
    private let group: any EventLoopGroup
    private let handle: @Sendable (ControlExchange) -> Void
    private let reject: @Sendable () -> Void

    /// - Parameter handle: Told every request, on an event loop that it must not block.
    /// - Parameter reject: Told of every connection that is one too many.
    package init(
        path: String,
        on group: any EventLoopGroup,
        limits: Limits = Limits(),
        handling handle: @escaping @Sendable (ControlExchange) -> Void,
        rejecting reject: @escaping @Sendable () -> Void = {}
    ) {
        self.path = path
        self.group = group
        self.limits = limits
        self.handle = handle
        self.reject = reject
    }

    /// Makes the socket and answers from now on.
    ///
    /// - Parameter owningGroup: Who may connect besides root and this process's user; `nil` for
    ///   nobody.
    /// - Returns: The channel to close in the end. The socket's file stays: to remove it could hit
    ///   the file of a daemon that has just started, and nobody answering there says enough.
    package func start(owningGroup: UInt32? = nil) async throws -> any Channel {
        let descriptor = try ControlSocket.listen(at: self.path, owningGroup: owningGroup)
        let counter = ConnectionCounter(limit: self.limits.connections)
        let eventLoop = self.group.next()
        return try await ServerBootstrap(group: eventLoop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard counter.enter() else {
                        self.reject()
                        throw ChannelError.operationUnsupported
                    }
                    channel.closeFuture.whenComplete { _ in counter.leave() }
                    try channel.pipeline.syncOperations.addHandlers([
                        LineDecoder(limit: self.limits.requestByteCount),
                        ControlHandler(limits: self.limits, handle: self.handle),
                    ])
                }
            }
            .withBoundSocket(descriptor)
            .get()
    }
}

/// One request on the control socket and the way back to its caller.
///
/// May be used from any thread, until ``finish()``.
package final class ControlExchange: Sendable {
    package let request: [UInt8]
    package let caller: CallerCredentials
    private let channel: any Channel

    init(request: [UInt8], caller: CallerCredentials, channel: any Channel) {
        self.request = request
        self.caller = caller
        self.channel = channel
    }

    /// Sends one line; `line` has no newline in it.
    package func reply(_ line: [UInt8]) {
        var buffer = ByteBufferAllocator().buffer(capacity: line.count + 1)
        buffer.writeBytes(line)
        buffer.writeInteger(UInt8(ascii: "\n"))
        self.channel.writeAndFlush(buffer, promise: nil)
    }

    /// Ends the answer.
    package func finish() {
        self.channel.eventLoop.execute {
            self.channel.writeAndFlush(ByteBuffer()).whenComplete { _ in
                self.channel.close(promise: nil)
            }
        }
    }

    /// Fulfilled when the caller has gone, or the answer has ended.
    package var closed: EventLoopFuture<Void> { self.channel.closeFuture }
}

/// Waits for the one request of a connection, and watches over its answer.
private final class ControlHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let limits: ControlServer.Limits
    private let handle: @Sendable (ControlExchange) -> Void
    private var timeout: Scheduled<Void>?
    private var hasRequest = false

    init(
        limits: ControlServer.Limits,
        handle: @escaping @Sendable (ControlExchange) -> Void
    ) {
        self.limits = limits
        self.handle = handle
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        self.timeout = context.eventLoop.scheduleTask(in: TimeAmount(self.limits.requestTime)) {
            channel.close(promise: nil)
        }
        let watermark = ChannelOptions.Types.WriteBufferWaterMark(
            low: self.limits.unreadByteCount / 2,
            high: self.limits.unreadByteCount
        )
        context.channel.setOption(.writeBufferWaterMark, value: watermark).whenFailure { _ in
            channel.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // A connection has one request; whatever follows is not read as another.
        guard !self.hasRequest else { return context.close(promise: nil) }
        self.hasRequest = true
        self.timeout?.cancel()
        do {
            let caller = try ControlSocket.credentials(of: context)
            let line = self.unwrapInboundIn(data)
            self.handle(
                ControlExchange(
                    request: Array(line.readableBytesView),
                    caller: caller,
                    channel: context.channel
                )
            )
        } catch {
            context.close(promise: nil)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        // The caller asks for more than it reads.
        if !context.channel.isWritable { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.timeout?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// How many connections there are.
private final class ConnectionCounter: Sendable {
    private let limit: Int
    private let count = Atomic(0)

    init(limit: Int) { self.limit = limit }

    func enter() -> Bool {
        if self.count.add(1, ordering: .relaxed).newValue <= self.limit { return true }
        self.leave()
        return false
    }

    func leave() { self.count.subtract(1, ordering: .relaxed) }
}
