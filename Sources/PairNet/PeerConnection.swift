import NIOCore
import PairCore
package import PairWire
import Synchronization

/// One connection with the peer, for one purpose.
///
/// Two connections are equal when they are the same connection. Everything here may be called from
/// any thread.
package final class PeerConnection: Sendable, Hashable {
    fileprivate struct Outbound {
        /// Encoded envelopes that the event loop has not taken yet.
        var pending: [ByteBuffer] = []
        var isScheduled = false
        var isClosed = false
        var bytesInFlight = 0
        var wasClosedHere = false
        /// Somebody was told that there is no room, and waits for word.
        var owesWritable = false
    }

    package let purpose: ConnectionPurpose
    /// What the peer said first: its incarnation, and the first nonce that is to be echoed.
    package let remote: Opening
    /// What this node said first.
    package let own: Opening
    /// The protocol version that holds here.
    package let version: UInt16
    /// Whether this node dialled.
    package let isDialled: Bool
    /// The other end, numerically, as `ADDRESS:PORT`.
    package let remoteAddress: String
    /// The most bytes in flight at which ``isWritable`` holds; a single envelope may exceed it.
    package let highWatermark: Int

    let channel: any Channel
    private let outbound = Mutex(Outbound())
    private let writable: @Sendable (PeerConnection) -> Void

    init(
        channel: any Channel,
        introduction: Introduction,
        highWatermark: Int,
        writable: @escaping @Sendable (PeerConnection) -> Void
    ) {
        self.channel = channel
        self.purpose = introduction.own.purpose
        self.remote = introduction.remote
        self.own = introduction.own
        self.version = introduction.version
        self.isDialled = introduction.isDialled
        self.remoteAddress = channel.remoteAddress.map(Self.text) ?? "unknown"
        self.highWatermark = highWatermark
        self.writable = writable
    }

    // MARK: Sending

    /// Queues one envelope; `false` when the connection has ended and nobody will see it.
    ///
    /// A `true` promises nothing about arrival. Envelopes leave in the order of the calls. What is
    /// queued between two turns of the event loop goes to the socket in one write.
    @discardableResult
    package func send(type: UInt8, payload: [UInt8]) -> Bool {
        precondition(
            payload.count <= self.purpose.payloadLimit,
            "\(payload.count) bytes do not fit into an envelope on the \(self.purpose) connection"
        )
        let header = EnvelopeHeader(type: type, payload: payload)
        var writer = ByteWriter(reserving: EnvelopeHeader.byteCount)
        header.encode(to: &writer)
        let byteCount = EnvelopeHeader.byteCount + payload.count

        let mustSchedule = self.outbound.withLock { outbound -> Bool? in
            guard !outbound.isClosed else { return nil }
            outbound.bytesInFlight += byteCount
            outbound.append(header: writer.bytes, payload: payload)
            defer { outbound.isScheduled = true }
            return !outbound.isScheduled
        }
        guard let mustSchedule else { return false }
        if mustSchedule { self.channel.eventLoop.execute { self.drain() } }
        return true
    }

    /// Bytes that were sent and that the kernel has not taken yet.
    package var bytesInFlight: Int { self.outbound.withLock { $0.bytesInFlight } }

    /// Whether there is room; after a `false`, `PeerLink.Observer.writable` says when there is again.
    package var isWritable: Bool {
        self.outbound.withLock { outbound in
            if outbound.bytesInFlight < self.highWatermark { return true }
            outbound.owesWritable = !outbound.isClosed
            return false
        }
    }

    private func drain() {
        let buffers = self.outbound.withLock { outbound in
            outbound.isScheduled = false
            let buffers = outbound.pending
            outbound.pending = []
            return buffers
        }
        guard let last = buffers.last else { return }
        let byteCount = buffers.reduce(0) { $0 + $1.readableBytes }
        for buffer in buffers.dropLast() { self.channel.write(buffer, promise: nil) }
        self.channel.writeAndFlush(last).whenComplete { _ in self.left(byteCount) }
    }

    private func left(_ byteCount: Int) {
        let isRoomAgain = self.outbound.withLock { outbound in
            outbound.bytesInFlight -= byteCount
            guard outbound.owesWritable, outbound.bytesInFlight <= self.highWatermark / 2 else {
                return false
            }
            outbound.owesWritable = false
            return !outbound.isClosed
        }
        if isRoomAgain { self.writable(self) }
    }

    // MARK: Receiving

    /// Stops taking bytes off the socket; what was already taken is still delivered.
    ///
    /// This is how a receiver keeps its memory bounded: the sender's ``isWritable`` ends by itself.
    package func pauseReading() {
        self.channel.setOption(.autoRead, value: false).whenFailure(Self.forget)
    }

    /// Takes bytes off the socket again.
    package func resumeReading() {
        self.channel.setOption(.autoRead, value: true).whenFailure(Self.forget)
    }

    // MARK: The end

    /// Ends the connection in an orderly way; what was sent before still goes out.
    package func close() {
        self.outbound.withLock { $0.wasClosedHere = true }
        self.channel.eventLoop.execute { self.channel.close(promise: nil) }
    }

    var wasClosedHere: Bool { self.outbound.withLock { $0.wasClosedHere } }

    /// The connection has ended: nothing is queued any more.
    func ended() {
        self.outbound.withLock { outbound in
            outbound.isClosed = true
            outbound.owesWritable = false
            outbound.pending = []
        }
    }

    /// The channel is gone, and its end is reported elsewhere.
    private static func forget(_: any Error) {}

    private static func text(_ address: SocketAddress) -> String {
        PeerAddress(host: address.ipAddress ?? "unix", port: address.port ?? 0).description
    }

    package static func == (lhs: PeerConnection, rhs: PeerConnection) -> Bool { lhs === rhs }

    package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

extension PeerConnection.Outbound {
    /// Short envelopes share a buffer, and so a TLS record; a long one gets its own.
    private static let sharingLimit = 16_384

    fileprivate mutating func append(header: [UInt8], payload: [UInt8]) {
        let byteCount = header.count + payload.count
        let last = self.pending.endIndex - 1
        if last >= 0, self.pending[last].readableBytes + byteCount <= Self.sharingLimit {
            self.pending[last].writeBytes(header)
            self.pending[last].writeBytes(payload)
        } else {
            var buffer = ByteBufferAllocator().buffer(capacity: byteCount)
            buffer.writeBytes(header)
            buffer.writeBytes(payload)
            self.pending.append(buffer)
        }
    }
}
