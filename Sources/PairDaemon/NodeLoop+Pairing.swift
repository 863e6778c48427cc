import Logging
import PairCore
import PairNet
import PairStore
import PairWire

// Trust: becoming a pair, and ceasing to be one.
extension NodeLoop {
    func invite(_ call: OperatorCall, _ parameters: ControlCommand.Invite) {
        guard self.record.peer == nil else {
            return call.finish(
                .refused,
                "this node is paired with \(self.peerName); pairctl pair show names it"
            )
        }
        let ttl = Duration.seconds(parameters.ttlSeconds)
        guard ttl >= .seconds(60), ttl <= .seconds(3600) else {
            return call.finish(.usage, "--ttl: from 1m to 60m")
        }
        if call.request.dryRun { return call.finish(.done, "a code would be made") }
        let shell = self.shell
        var limits = PairingInviter.Limits()
        limits.lifetime = ttl
        do throws(CryptographyError) {
            let inviter = try PairingInviter(
                party: self.party,
                link: shell.links,
                limits: limits,
                keeping: { result throws(PairingRefusal) in try await shell.keep(result) },
                observing: { event in
                    switch event {
                    case .codeFailed(let source, let left):
                        shell.log.emit(
                            .pairCodeFailed,
                            level: .warning,
                            "possible interception",
                            ["source": source, "tries left": "\(left)"]
                        )
                    case .burned(let source):
                        shell.log.emit(.pairCodeBurned, level: .warning, "", ["source": source])
                    case .expired: shell.log.emit(.pairCodeFailed, "the code has expired")
                    case .failed(let source, let error):
                        shell.log.emit(
                            .pairCodeFailed,
                            level: .warning,
                            "\(error)",
                            ["source": source]
                        )
                    case .established: break
                    }
                }
            )
            inviter.open()
            self.invitation = inviter
            self.shell.log.emit(.pairInvited, "", ["by": call.by])
            call.finish(
                .done,
                "",
                PairInvitation(
                    code: inviter.code.text,
                    address: self.ownAddress,
                    fingerprint: "\(shell.identity.keyPin.fingerprint)",
                    expiresAt: WallTime(
                        secondsSince1970: WallClock.seconds + Int64(parameters.ttlSeconds)
                    )
                )
            )
        } catch {
            call.finish(.failed, "\(error)")
        }
    }

    func join(_ call: OperatorCall, _ parameters: ControlCommand.Join) {
        guard self.record.peer == nil else {
            return call.finish(.refused, "this node is paired with \(self.peerName) already")
        }
        guard let address = PeerAddress(parameters.address) else {
            return call.finish(.usage, "\(parameters.address): write HOST:PORT")
        }
        let code: PairingCode
        do throws(PairingCodeError) {
            code = try PairingCode(parameters.code)
        } catch {
            return call.finish(.usage, "\(error)")
        }
        if call.request.dryRun {
            return call.finish(.done, "this node would join the pair at \(address)")
        }
        let shell = self.shell
        let joiner = PairingJoiner(party: self.party)
        let (name, model, own) = (self.localName, self.record.identity.model, self.ownAddress)
        shell.detached {
            do throws(PairingError) {
                let result = try await joiner.join(
                    address,
                    code: code,
                    on: shell.links.eventLoop,
                    keeping: { result throws(PairingRefusal) in try await shell.keep(result) }
                )
                call.finish(
                    .done,
                    "paired with \(result.name); nothing has been copied yet",
                    PairDescription(
                        pair: result.pair,
                        name: shell.configuration.pairName,
                        fingerprint: "\(result.fingerprint)",
                        local: PairDescription.Member(
                            name: name,
                            id: shell.keeper.current.identity.node,
                            model: model,
                            address: own,
                            keyPin: shell.identity.keyPin.bytes
                        ),
                        peer: PairDescription.Member(
                            name: result.name,
                            id: result.node,
                            model: result.model,
                            address: "\(result.address)",
                            keyPin: result.keyPin.bytes
                        )
                    )
                )
            } catch {
                shell.log.emit(.pairCodeFailed, level: .warning, "\(error)")
                guard error.isFailure else { return call.finish(.refused, "\(error)") }
                call.finish(
                    .failed,
                    "not paired with \(address): \(error). Check there: systemctl status paird, its "
                        + "listen.replication, and the firewall between the nodes"
                )
            }
        }
    }

    private var party: PairingParty {
        let record = self.record
        return PairingParty(
            identity: self.shell.identity,
            node: record.identity.node,
            incarnation: record.incarnation,
            name: record.identity.name,
            model: record.identity.model,
            pageSize: self.content.pageSize,
            engineVersion: Vault.engineVersion,
            port: self.shell.configuration.replicationListener.port
        )
    }

    /// HOST:PORT for the other node's operator; the host is a guess where this node listens on all.
    var ownAddress: String {
        let listener = self.shell.configuration.replicationListener
        let isAny = listener.host == "0.0.0.0" || listener.host == "::"
        return isAny ? "\(self.localName):\(listener.port)" : "\(listener)"
    }

    /// Makes the peer durable before the other side hears of it; the machine starts anew with it.
    func finishPairing(_ result: PairingResult, done: @Sendable (PairingRefusal?) -> Void) {
        guard self.record.peer == nil else { return done(.alreadyPaired) }
        var record = self.record
        record.peer = NodeRecord.Peer(
            pair: result.pair,
            vault: nil,
            bit: result.ownBit,
            node: result.node,
            name: result.name,
            model: result.model,
            keyPin: result.keyPin.bytes,
            signingKey: result.signingKey.bytes,
            address: "\(result.address)",
            minimumProtocol: result.version,
            wasEnabled: false
        )
        record.peerAcknowledged = nil
        do throws(NodeStateError) {
            try self.shell.keeper.store(record)
        } catch {
            return done(.declined(reason: "\(error)"))
        }
        self.invitation = nil
        self.restartMachine()
        self.shell.applyPeer()
        self.shell.log.emit(
            .pairEstablished,
            "",
            [
                "peer": result.name, "address": "\(result.address)",
                "fingerprint": "\(result.fingerprint)",
            ]
        )
        done(nil)
    }

    func removePair(_ call: OperatorCall, _ parameters: ControlCommand.Remove) {
        let record = self.record
        guard record.peer != nil else {
            return call.finish(.done, "nothing to do: this node has no peer")
        }
        guard record.role == .none || record.role == .standalone else {
            return call.finish(
                .refused,
                "HA is on (\(record.role.rawValue)); first: pairctl disable-ha"
            )
        }
        if call.request.dryRun {
            return call.finish(.done, "\(self.peerName) would no longer be trusted")
        }
        var changed = record
        changed.peer = nil
        do {
            try self.shell.keeper.store(changed)
            if parameters.wipeKeys {
                try Identity.wipe(from: self.shell.configuration.stateDirectory + "/keys")
            }
        } catch {
            return call.finish(.failed, "\(error)")
        }
        self.shell.log.emit(.pairRemoved, "", ["by": call.by])
        self.presence = nil
        self.isDistrusted = false
        self.restartMachine()
        self.shell.applyPeer()
        let marked =
            self.isMarked ? "; to write to this vault again: pairctl init --standalone" : ""
        let keys = parameters.wipeKeys ? "; restart paird to make new keys" : ""
        call.finish(.done, "the peer is no longer trusted\(marked)\(keys)")
    }

    /// Gives the machine the record as it is now; its role is none or standalone.
    private func restartMachine() {
        let position = self.position
        self.gateToken += 1
        self.failover = nil
        self.startMachine(position: position)
        // What was under way was asked of the machine before.
        self.endCalls("called off: the pair is another now; type: pairctl status")
    }

    var pairDescription: PairDescription {
        let record = self.record
        return PairDescription(
            pair: record.peer?.pair,
            name: self.shell.configuration.pairName,
            fingerprint: record.peer.flatMap {
                Fingerprint.ofPair($0, own: self.shell.identity, node: record.identity.node)?
                    .description
            },
            local: PairDescription.Member(
                name: self.localName,
                id: record.identity.node,
                model: record.identity.model,
                address: self.ownAddress,
                keyPin: self.shell.identity.keyPin.bytes
            ),
            peer: record.peer.map {
                PairDescription.Member(
                    name: $0.name,
                    id: $0.node,
                    model: $0.model,
                    address: $0.address,
                    keyPin: $0.keyPin
                )
            }
        )
    }
}
