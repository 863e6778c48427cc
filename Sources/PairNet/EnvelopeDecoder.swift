import NIOCore
import PairCore
import PairWire

/// Cuts a stream of bytes into envelopes.
///
/// A payload is copied once, from the decrypted bytes into the array that the receiver keeps, and
/// its checksum is computed on the way. A header that announces too much is refused before memory
/// is reserved for it. After an error nothing more comes out.
final class EnvelopeDecoder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Envelope

    private enum State {
        case header([UInt8])
        case payload(EnvelopeHeader, received: [UInt8], checksum: UInt32)
        case failed
    }

    /// The longest payload that is welcome; may change between two envelopes.
    var payloadLimit: Int
    private var state = State.header([])

    init(payloadLimit: Int) { self.payloadLimit = payloadLimit }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        do throws(EnvelopeError) {
            while let envelope = try self.next(from: &bytes) {
                context.fireChannelRead(self.wrapInboundOut(envelope))
            }
        } catch {
            self.state = .failed
            context.fireErrorCaught(error)
        }
    }

    private func next(from bytes: inout ByteBuffer) throws(EnvelopeError) -> Envelope? {
        while true {
            switch self.state {
            case .header(var header):
                let missing = EnvelopeHeader.byteCount - header.count
                header += bytes.readBytes(length: min(missing, bytes.readableBytes)) ?? []
                guard header.count == EnvelopeHeader.byteCount else {
                    self.state = .header(header)
                    return nil
                }
                let decoded = try EnvelopeHeader(decoding: header[...], limit: self.payloadLimit)
                var payload: [UInt8] = []
                payload.reserveCapacity(decoded.payloadByteCount)
                self.state = .payload(
                    decoded,
                    received: payload,
                    checksum: decoded.checksumSeed
                )

            case .payload(let header, var received, var checksum):
                // The array must have one owner while it grows.
                self.state = .failed
                let missing = header.payloadByteCount - received.count
                bytes.readWithUnsafeReadableBytes { readable in
                    let run = UnsafeRawBufferPointer(
                        rebasing: readable[..<min(missing, readable.count)]
                    )
                    checksum = CRC32C.checksum(run, continuing: checksum)
                    received.append(contentsOf: run)
                    return run.count
                }
                guard received.count == header.payloadByteCount else {
                    self.state = .payload(header, received: received, checksum: checksum)
                    return nil
                }
                try header.verify(payloadChecksum: checksum)
                self.state = .header([])
                return Envelope(type: header.type, payload: received)

            case .failed:
                return nil
            }
        }
    }
}
