import Logging
import PairCore
import PairNet
import PairStore
import PairWire
import Synchronization

/// Stands between the peer link and the shell, which needs the link to be made first.
final class LateShell: Sendable {
    private let inner = Mutex<NodeShell?>(nil)
    /// At most ten lines in ten seconds about strangers; all of them are counted.
    private let refusals = Mutex(LineQuota(lines: 10, per: .seconds(10)))

    func set(_ shell: NodeShell) { self.inner.withLock { $0 = shell } }

    private var shell: NodeShell? { self.inner.withLock { $0 } }

    /// What every log line says of the moment.
    var metadata: Logger.Metadata {
        guard let shell = self.shell else { return [:] }
        // What is durable, which is what this event may already be about.
        let record = shell.keeper.current
        var metadata: Logger.Metadata = [
            "role": .string(record.role.rawValue), "epoch": .string("\(record.epoch)"),
        ]
        if let position = shell.vault.newestPosition {
            metadata["position"] = .string("\(position)")
        }
        return metadata
    }

    var observer: PeerLink.Observer {
        PeerLink.Observer(
            connected: { self.shell?.post(.linkUp($0)) },
            message: { connection, type, payload in
                self.take(connection, type, payload)
            },
            disconnected: { self.shell?.post(.linkDown($0, reason: "\($1)")) },
            refused: { self.refused(from: $0, $1) },
            dialFailed: { self.dialFailed($0, $1, $2) },
            handshake: { self.shell?.metrics.count(.handshakes, $0.rawValue) }
        )
    }

    /// Strangers are counted here, past the node's queue, which they must not be able to fill.
    private func refused(from source: String, _ refusal: PeerLink.ConnectionRefusal) {
        guard let shell = self.shell else { return }
        shell.metrics.count(.rejected, "replication", refusal.word)
        guard self.refusals.withLock({ $0.admit(at: shell.now) }) else { return }
        let isTLS = if case .opening(.tls) = refusal { true } else { false }
        // Both nodes dial; that one of two connections is given up is how it should be.
        let isDuplicate = refusal == .opening(.refusedHere(.duplicate))
        shell.log.emit(
            isTLS ? .tlsRefused : .peerRejected,
            level: isDuplicate ? .debug : .warning,
            "",
            ["source": source, "reason": "\(refusal)"]
        )
    }

    /// A peer that cannot be reached is news of the node's loop; one that is not who it was, or
    /// that does not know this node any more, is news here.
    private func dialFailed(
        _ purpose: ConnectionPurpose,
        _ address: PeerAddress,
        _ failure: OpeningFailure
    ) {
        guard let shell = self.shell else { return }
        if failure.isDistrust { shell.post(.linkDistrusted) }
        guard case .tls(let error) = failure else { return }
        switch error {
        case .refusedKey, .keyRefusedThere, .handshakeFailed, .wrongApplicationProtocol: break
        case .handshakeTimedOut, .closedDuringHandshake, .recordFailed, .truncated,
            .notEstablished:
            return
        }
        guard self.refusals.withLock({ $0.admit(at: shell.now) }) else { return }
        shell.log.emit(
            .tlsRefused,
            level: .warning,
            "",
            ["source": "\(address)", "reason": "\(error)"]
        )
    }

    /// Takes bytes and the 64 bytes of their signature; nothing is believed before that is right.
    private func takeSigned(_ payload: [UInt8], isHeartbeat: Bool, _ shell: NodeShell) {
        let record = shell.keeper.current
        guard let peer = record.peer, let key = SigningKey(peer.signingKey), payload.count > 64
        else { return shell.post(.heartbeatRejected(reason: "malformed")) }
        let bytes = Array(payload.dropLast(64))
        guard key.verifies(signature: Array(payload.suffix(64)), of: bytes) else {
            return shell.post(.heartbeatRejected(reason: "signature"))
        }
        let own = record.identity.node
        do {
            if isHeartbeat {
                let codec = HeartbeatCodec(pair: peer.pair, sender: peer.node, receiver: own)
                shell.post(.spoken(.heartbeat(try codec.decode(bytes))))
            } else {
                let codec = StatementCodec(pair: peer.pair, sender: peer.node, receiver: own)
                shell.post(.spoken(.statement(try codec.decode(bytes))))
            }
        } catch HeartbeatError.unknownVersion, StatementError.unknownVersion {
            shell.post(.heartbeatRejected(reason: "version"))
        } catch HeartbeatError.notForThisNode, StatementError.notForThisNode {
            shell.post(.heartbeatRejected(reason: "foreign"))
        } catch {
            shell.post(.heartbeatRejected(reason: "malformed"))
        }
    }

    /// Runs on the link's event loop: decodes, and sends the log its own way.
    private func take(_ connection: PeerConnection, _ type: UInt8, _ payload: [UInt8]) {
        guard let shell = self.shell else { return }
        do throws(ByteError) {
            switch connection.purpose {
            case .control:
                guard let kind = ControlMessage.Kind(rawValue: type) else {
                    throw .outOfRange(field: "message type", value: UInt64(type))
                }
                let message = try ControlMessage(kind: kind, payload: payload[...])
                if case .statement(let signed) = message {
                    self.takeSigned(signed, isHeartbeat: false, shell)
                } else {
                    shell.post(.heard(message))
                }
            case .log:
                guard let kind = LogMessage.Kind(rawValue: type) else {
                    throw .outOfRange(field: "message type", value: UInt64(type))
                }
                let message = try LogMessage(kind: kind, payload: payload[...])
                if !shell.router.receive(message, on: connection) { connection.close() }
            case .heartbeat: self.takeSigned(payload, isHeartbeat: true, shell)
            case .pair: break
            }
        } catch {
            shell.post(.garbled(reason: "\(connection.purpose): \(error)"))
            connection.close()
        }
    }
}

/// Lets so many lines through in a span of time, and no more.
struct LineQuota {
    private let lines: Int
    private let span: Duration
    private var began: Instant?
    private var used = 0

    init(lines: Int, per span: Duration) {
        self.lines = lines
        self.span = span
    }

    mutating func admit(at now: Instant) -> Bool {
        if self.began.map({ now - $0 >= self.span }) ?? true {
            self.began = now
            self.used = 0
        }
        self.used += 1
        return self.used <= self.lines
    }
}
