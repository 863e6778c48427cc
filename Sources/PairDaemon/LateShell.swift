import Logging
import PairCore
import PairNet
import PairStore
import PairWire
import Synchronization

/// Stands between the peer link and the shell, which needs the link to be made first.
final class LateShell: Sendable {
    private let inner = Mutex<NodeShell?>(nil)

    func set(_ shell: NodeShell) { self.inner.withLock { $0 = shell } }

    private var shell: NodeShell? { self.inner.withLock { $0 } }

    /// What every log line says of the moment.
    var metadata: Logger.Metadata {
        guard let shell = self.shell else { return [:] }
        let facts = shell.view.facts
        var metadata: Logger.Metadata = [
            "role": .string(facts.role.rawValue), "epoch": .string("\(facts.epoch)"),
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
            refused: { self.shell?.post(.linkRefused(source: $0, reason: "\($1)")) },
            dialFailed: { _, _, failure in
                guard failure.isDistrust else { return }
                self.shell?.post(.linkDistrusted)
            }
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
