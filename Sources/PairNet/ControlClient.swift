import Glibc
import NIOCore
import NIOPosix

/// Why the daemon did not answer.
package enum ControlClientError: Error, Hashable, Sendable {
    /// Nobody listens at the socket.
    case notRunning(path: String)
    /// The socket is there and closed to this user.
    case notPermitted(path: String)
    case failed(reason: String)
    /// Neither a line nor the end came in time.
    case timedOut
    case lineTooLong(limit: Int)
    /// The daemon hung up before it said anything: it is full, stopping, or did not understand.
    case noAnswer
}

extension ControlClientError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notRunning(let path):
            "no daemon answers at \(path); start it: systemctl start paird"
        case .notPermitted(let path):
            "\(path) is closed to this user; run as root or as a member of its group"
        case .failed(let reason): "control socket: \(reason)"
        case .timedOut: "the daemon has not answered in time; what was asked may still finish"
        case .lineTooLong(let limit): "the daemon sent a line of more than \(limit) bytes"
        case .noAnswer: "the daemon closed the connection without an answer; try again"
        }
    }
}

/// Asks the daemon over the control socket.
package struct ControlClient: Sendable {
    package let path: String
    /// The longest line of an answer.
    package var lineLimit = 16 << 20

    package init(path: String) { self.path = path }

    /// Sends one line and calls `receive` with each line of the answer, until the answer ends.
    ///
    /// - Parameter silence: The longest time between two lines; `nil` waits for ever.
    package func ask(
        _ request: [UInt8],
        silence: Duration? = nil,
        receiving receive: ([UInt8]) async throws -> Void
    ) async throws {
        let (lines, continuation) = AsyncThrowingStream.makeStream(of: [UInt8].self)
        let channel = try await self.connect(silence: silence, to: continuation)
        continuation.onTermination = { _ in channel.close(promise: nil) }
        var line = ByteBuffer(bytes: request)
        line.writeInteger(UInt8(ascii: "\n"))
        // A daemon that hangs up at once is reported by the end of the lines.
        channel.writeAndFlush(line, promise: nil)
        var count = 0
        for try await line in lines {
            count += 1
            try await receive(line)
        }
        try Task.checkCancellation()
        guard count > 0 else { throw ControlClientError.noAnswer }
    }

    /// Sends one line and returns all lines of the answer.
    package func ask(_ request: [UInt8], silence: Duration? = nil) async throws -> [[UInt8]] {
        var lines: [[UInt8]] = []
        try await self.ask(request, silence: silence) { lines.append($0) }
        return lines
    }

    private func connect(
        silence: Duration?,
        to continuation: AsyncThrowingStream<[UInt8], any Error>.Continuation
    ) async throws(ControlClientError) -> any Channel {
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers([
                            LineDecoder(limit: self.lineLimit),
                            AnswerHandler(silence: silence, lines: continuation),
                        ])
                    }
                }
                .connect(unixDomainSocketPath: self.path)
                .get()
        } catch let error as IOError {
            switch error.errnoCode {
            case ENOENT, ECONNREFUSED, ENOTDIR: throw .notRunning(path: self.path)
            case EACCES, EPERM: throw .notPermitted(path: self.path)
            default: throw .failed(reason: "\(error)")
            }
        } catch {
            throw .failed(reason: "\(error)")
        }
    }
}

/// Passes lines on to whoever waits for them.
private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let silence: Duration?
    private let lines: AsyncThrowingStream<[UInt8], any Error>.Continuation
    private var timeout: Scheduled<Void>?

    init(silence: Duration?, lines: AsyncThrowingStream<[UInt8], any Error>.Continuation) {
        self.silence = silence
        self.lines = lines
    }

    func handlerAdded(context: ChannelHandlerContext) { self.expect(context: context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.lines.yield(Array(self.unwrapInboundIn(data).readableBytesView))
        self.expect(context: context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case let error as ControlLineTooLong:
            self.lines.finish(throwing: ControlClientError.lineTooLong(limit: error.limit))
        case let error as IOError where error.errnoCode == ECONNRESET || error.errnoCode == EPIPE:
            self.lines.finish()
        default:
            self.lines.finish(throwing: ControlClientError.failed(reason: "\(error)"))
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.timeout?.cancel()
        self.lines.finish()
    }

    private func expect(context: ChannelHandlerContext) {
        self.timeout?.cancel()
        guard let silence = self.silence else { return }
        let lines = self.lines
        let channel = context.channel
        self.timeout = context.eventLoop.scheduleTask(in: TimeAmount(silence)) {
            lines.finish(throwing: ControlClientError.timedOut)
            channel.close(promise: nil)
        }
    }
}
