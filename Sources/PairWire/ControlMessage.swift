package import PairCore

/// What the nodes say on the control connection.
package enum ControlMessage: Hashable, Sendable {
    case presence(Presence)
    /// Everything that the procedures of the pair are made of: `StatementCodec`'s bytes and the
    /// sender's signature over them.
    case statement(signed: [UInt8])
    /// An operator's request, typed on the sender and carried out by the receiver.
    case forward(id: UInt64, request: [UInt8])
    /// One line of the answer; the last one is marked.
    case forwarded(id: UInt64, line: [UInt8], isLast: Bool)
}

extension ControlMessage {
    /// The envelope's type on the control connection.
    package enum Kind: UInt8, Sendable {
        case presence = 1
        case statement = 2
        case forward = 5
        case forwarded = 6
    }

    package var kind: Kind {
        switch self {
        case .presence: .presence
        case .statement: .statement
        case .forward: .forward
        case .forwarded: .forwarded
        }
    }

    package var payload: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .presence(let presence): writer.presence(presence)
        case .statement(let signed): return signed
        case .forward(let id, let request):
            writer.u64(id)
            writer.block(request)
        case .forwarded(let id, let line, let isLast):
            writer.u64(id)
            writer.bool(isLast)
            writer.block(line)
        }
        return writer.bytes
    }

    /// Reads one message.
    ///
    /// - Throws: `ByteError` when the bytes are not a whole message of that kind.
    package init(kind: Kind, payload: ArraySlice<UInt8>) throws(ByteError) {
        var reader = ByteReader(payload)
        switch kind {
        case .presence: self = .presence(try reader.presence())
        case .statement:
            self = .statement(signed: Array(payload))
            return
        case .forward:
            self = .forward(
                id: try reader.u64("request id"),
                request: try reader.block(limit: 65_536, "request")
            )
        case .forwarded:
            let id = try reader.u64("request id")
            let isLast = try reader.bool("last")
            self = .forwarded(
                id: id,
                line: try reader.block(limit: 65_536, "line"),
                isLast: isLast
            )
        }
        try reader.finish()
    }
}
