import NIOCore

/// Cuts a stream of bytes at newlines, which are left out.
///
/// A line over the limit is an error, and nothing comes out after it. A rest without a newline at
/// the end of the stream is dropped: it is half a line.
final class LineDecoder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let limit: Int
    private var held = ByteBuffer()
    /// How much of `held` has no newline for sure.
    private var searched = 0
    private var hasFailed = false

    init(limit: Int) { self.limit = limit }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.hasFailed else { return }
        var bytes = self.unwrapInboundIn(data)
        self.held.writeBuffer(&bytes)
        while let line = self.next() { context.fireChannelRead(self.wrapInboundOut(line)) }
        self.held.discardReadBytes()
        if self.held.readableBytes > self.limit {
            self.hasFailed = true
            context.fireErrorCaught(ControlLineTooLong(limit: self.limit))
        }
    }

    private func next() -> ByteBuffer? {
        let view = self.held.readableBytesView
        guard let newline = view.dropFirst(self.searched).firstIndex(of: UInt8(ascii: "\n")) else {
            self.searched = view.count
            return nil
        }
        let count = newline - view.startIndex
        guard count <= self.limit else { return nil }
        self.searched = 0
        let line = self.held.readSlice(length: count)
        self.held.moveReaderIndex(forwardBy: 1)
        return line
    }
}

/// A line of the control socket is longer than anybody has reason to make it.
struct ControlLineTooLong: Error {
    let limit: Int
}
