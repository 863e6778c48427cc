import NIOCore
import NIOPosix
import PairCore
import PairNet
import PairWire

/// Somebody who speaks TLS and envelopes, and otherwise does whatever a test wants.
final class RawPeer: Sendable {
    enum Event: Sendable {
        case secured(KeyPin)
        case envelope(Envelope)
        case failed(String)
        case closed
    }

    let channel: any Channel
    let events: Recorder<Event>

    init(
        connectingTo port: Int,
        as identity: Identity
    ) async throws {
        let events = Recorder<Event>()
        let context = try TLSContext(identity: identity)
        self.events = events
        self.channel = try await ClientBootstrap(
            group: MultiThreadedEventLoopGroup.singleton.next()
        )
        .channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandlers([
                    TLSHandler(context: context, role: .client) { _ in nil },
                    RawReader(events: events),
                ])
            }
        }
        .connect(host: "127.0.0.1", port: port)
        .get()
        _ = try await events.wait(for: "TLS") { !$0.isEmpty }
    }

    func send(_ envelope: Envelope) { self.send(envelope.encoded()) }

    func send(_ bytes: [UInt8]) {
        self.channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
    }

    func close() { self.channel.close(promise: nil) }

    /// The envelope at `index`, in the order they came.
    func envelope(_ index: Int) async throws -> Envelope {
        let events = try await self.events.wait(for: "envelope \(index)") {
            Self.envelopes($0).count > index
        }
        return Self.envelopes(events)[index]
    }

    func waitForEnd() async throws {
        try await self.events.wait(for: "the end") { events in
            events.contains { if case .closed = $0 { true } else { false } }
        }
    }

    static func envelopes(_ events: [Event]) -> [Envelope] {
        events.compactMap { if case .envelope(let envelope) = $0 { envelope } else { nil } }
    }
}

private final class RawReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let events: Recorder<RawPeer.Event>
    private var held = ByteBuffer()

    init(events: Recorder<RawPeer.Event>) { self.events = events }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let peer = event as? TLSPeer { self.events.record(.secured(peer.pin)) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        self.held.writeBuffer(&bytes)
        while let count = self.held.getInteger(
            at: self.held.readerIndex,
            endianness: .little,
            as: UInt32.self
        ),
            let envelope = self.held.readBytes(length: EnvelopeHeader.byteCount + Int(count))
        {
            do {
                self.events.record(.envelope(try Envelope(decoding: envelope)))
            } catch {
                self.events.record(.failed("\(error)"))
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.events.record(.failed("\(error)"))
    }

    func channelInactive(context: ChannelHandlerContext) { self.events.record(.closed) }
}
