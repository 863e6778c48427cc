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
            refused: { self.shell?.post(.linkRefused(source: $0, reason: "\($1)")) }
        )
    }

    /// Checks the signature before anything of the bytes is believed.
    private func takeHeartbeat(_ payload: [UInt8], _ shell: NodeShell) {
        let record = shell.keeper.current
        guard let peer = record.peer, let key = SigningKey(peer.signingKey),
            payload.count == HeartbeatCodec.byteCount + 64
        else { return shell.post(.heartbeatRejected(reason: "malformed")) }
        let bytes = Array(payload[..<HeartbeatCodec.byteCount])
        guard
            key.verifies(
                signature: Array(payload[HeartbeatCodec.byteCount...]),
                of: bytes
            )
        else {
            return shell.post(.heartbeatRejected(reason: "signature"))
        }
        let codec = HeartbeatCodec(
            pair: peer.pair,
            sender: peer.node,
            receiver: record.identity.node
        )
        do throws(HeartbeatError) {
            shell.post(.heartbeat(try codec.decode(bytes)))
        } catch {
            switch error {
            case .unknownVersion: shell.post(.heartbeatRejected(reason: "version"))
            case .notForThisNode: shell.post(.heartbeatRejected(reason: "foreign"))
            case .malformed: shell.post(.heartbeatRejected(reason: "malformed"))
            }
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
                shell.post(.heard(try ControlMessage(kind: kind, payload: payload[...])))
            case .log:
                guard let kind = LogMessage.Kind(rawValue: type) else {
                    throw .outOfRange(field: "message type", value: UInt64(type))
                }
                let message = try LogMessage(kind: kind, payload: payload[...])
                if !shell.router.receive(message, on: connection) { connection.close() }
            case .heartbeat: self.takeHeartbeat(payload, shell)
            case .pair: break
            }
        } catch {
            shell.post(.garbled(reason: "\(connection.purpose): \(error)"))
            connection.close()
        }
    }
}
