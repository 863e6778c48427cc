import Glibc
import NIOCore
import NIOPosix

/// The TCP options of every connection between the nodes.
enum SocketTuning {
    /// A peer that vanished without a word is found within about this time.
    static let deadPeer = 5
    /// How long the log's receiver may leave its socket full before the kernel gives up on it.
    ///
    /// A receiver with a slow disk stops reading for a while, and to the kernel that looks like a
    /// peer that is gone. The other connections, which are never full, find out about a dead peer.
    static let stalledLog = 60

    /// How much is taken off a socket at once.
    static let readByteCount = 262_144

    static let options:
        [(ChannelOptions.Types.SocketOption, ChannelOptions.Types.SocketOption.Value)] = [
            (.socketOption(.so_keepalive), 1),
            (.tcpOption(.tcp_nodelay), 1),
            (Self.tcp(TCP_KEEPIDLE), 1),
            (Self.tcp(TCP_KEEPINTVL), 1),
            (Self.tcp(TCP_KEEPCNT), 4),
            (Self.tcp(TCP_USER_TIMEOUT), Self.milliseconds(Self.deadPeer)),
        ]

    static let userTimeout = Self.tcp(TCP_USER_TIMEOUT)

    static func milliseconds(_ seconds: Int) -> ChannelOptions.Types.SocketOption.Value {
        ChannelOptions.Types.SocketOption.Value(seconds * 1000)
    }

    static var receiveAllocator: AdaptiveRecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(
            minimum: 2048,
            initial: 16_384,
            maximum: Self.readByteCount
        )
    }

    private static func tcp(_ name: Int32) -> ChannelOptions.Types.SocketOption {
        ChannelOptions.Types.SocketOption(level: .tcp, name: NIOBSDSocket.Option(rawValue: name))
    }
}

extension ServerBootstrap {
    func peerChildOptions() -> ServerBootstrap {
        SocketTuning.options
            .reduce(self) { $0.childChannelOption($1.0, value: $1.1) }
            .childChannelOption(.recvAllocator, value: SocketTuning.receiveAllocator)
    }
}

extension ClientBootstrap {
    func peerOptions() -> ClientBootstrap {
        SocketTuning.options
            .reduce(self) { $0.channelOption($1.0, value: $1.1) }
            .channelOption(.recvAllocator, value: SocketTuning.receiveAllocator)
    }
}
