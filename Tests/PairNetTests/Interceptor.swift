import NIOCore
import NIOPosix
import PairNet

/// A man in the middle: ends TLS on both sides with a key of its own and passes on what is said.
final class Interceptor: Sendable {
    let port: Int
    private let listener: any Channel

    init(before victim: Int, as identity: Identity) async throws {
        let context = try TLSContext(identity: identity)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        self.listener = try await ServerBootstrap(group: loop)
            .childChannelInitializer { near in
                near.eventLoop.makeCompletedFuture {
                    let glue = Glue()
                    let nearGlue = NIOLoopBound(glue, eventLoop: near.eventLoop)
                    try near.pipeline.syncOperations.addHandlers([
                        TLSHandler(context: context, role: .server) { _ in nil }, glue,
                    ])
                    ClientBootstrap(group: loop)
                        .channelInitializer { far in
                            far.eventLoop.makeCompletedFuture {
                                let glue = Glue()
                                try far.pipeline.syncOperations.addHandlers([
                                    TLSHandler(context: context, role: .client) { _ in nil }, glue,
                                ])
                                nearGlue.value.join(glue)
                            }
                        }
                        .connect(host: "127.0.0.1", port: victim)
                        .whenFailure { _ in near.close(promise: nil) }
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        self.port = self.listener.localAddress?.port ?? 0
    }

    func stop() async throws { try await self.listener.close() }
}

/// One end of two channels that say to each other what they hear.
private final class Glue: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var context: ChannelHandlerContext?
    private var other: Glue?
    /// What came before there was anybody to tell.
    private var heard: [ByteBuffer] = []
    /// What is to be said when this end is up.
    private var held: [ByteBuffer] = []

    func join(_ other: Glue) {
        self.other = other
        other.other = self
        let heard = self.heard
        self.heard = []
        for bytes in heard { other.say(bytes) }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        let held = self.held
        self.held = []
        for bytes in held { self.say(bytes) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = self.unwrapInboundIn(data)
        if let other = self.other { other.say(bytes) } else { self.heard.append(bytes) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        self.other?.context?.close(promise: nil)
        self.other = nil
    }

    private func say(_ bytes: ByteBuffer) {
        guard let context = self.context else { return self.held.append(bytes) }
        context.writeAndFlush(self.wrapOutboundOut(bytes), promise: nil)
    }
}
