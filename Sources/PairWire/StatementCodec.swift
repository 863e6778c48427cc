package import PairCore

/// The bytes of a statement, exactly as they are signed.
///
/// Little-endian, in the order of the fields of ``PairCore/Statement``; an optional is a byte 0 or 1
/// before it, a list a u16 count before it. "paird-st\0v1" and a zero byte come first, then pair,
/// sender and receiver, which must be the reader's. Every enumeration is a number of a list below
/// that only ever grows at its end. Lists are bounded, so that a statement never exceeds the limit of
/// the control connection's envelopes.
package struct StatementCodec: Sendable {
    package static let longestLineage = 512
    private static let longestAborted = 64
    private static let longestText = 256
    private static let magic: [UInt8] = Array("paird-st\0v1".utf8) + [0]

    package let pair: PairID
    package let sender: NodeID
    package let receiver: NodeID

    package init(pair: PairID, sender: NodeID, receiver: NodeID) {
        self.pair = pair
        self.sender = sender
        self.receiver = receiver
    }

    package func encode(_ statement: Statement) -> [UInt8] {
        var writer = ByteWriter(reserving: 1024)
        writer.bytes(Self.magic)
        writer.identifier(self.pair)
        writer.identifier(self.sender)
        writer.identifier(self.receiver)
        writer.u64(statement.number.incarnation)
        writer.u64(statement.number.n)
        writer.nonce(statement.nonce)
        writer.nonce(statement.echo)
        writer.nonce(statement.heartbeatNonce)
        writer.bool(statement.isProbe)
        writer.u64(statement.epoch.rawValue)
        writer.number(of: statement.role, in: WireLists.roles)
        writer.number(of: statement.state, in: WireLists.states)
        writer.number(of: statement.right, in: WireLists.rights)
        writer.bool(statement.arming.isArmed)
        writer.u64(statement.arming.generation)
        writer.u64(statement.arming.revoked)
        writer.bool(statement.gateIsOpen)
        writer.bool(statement.gateWasOpen)
        writer.u16(UInt16(statement.lineage.entries.count))
        for entry in statement.lineage.entries { writer.entry(entry) }
        writer.position(statement.position)
        writer.bool(statement.hasVault)
        writer.bool(statement.isSeeding)
        writer.optional(statement.suspension) { writer, suspension in
            writer.milliseconds(suspension.remaining)
            writer.text(suspension.by)
        }
        writer.optional(statement.relinquish) { writer, relinquish in
            writer.identifier(relinquish.operation)
            writer.position(relinquish.position)
            writer.u8(relinquish.successor.rawValue)
        }
        writer.optional(statement.operation) { writer, operation in
            writer.identifier(operation.id)
            writer.u8(operation.verb.rawValue)
            writer.u8(operation.step)
            writer.text(operation.by)
            writer.i64(operation.since)
        }
        writer.u16(UInt16(statement.aborted.count))
        for id in statement.aborted { writer.identifier(id) }
        writer.optional(statement.request) { $0.request($1) }
        writer.optional(statement.offer) { $0.offer($1) }
        writer.number(of: statement.policy.failover, in: WireLists.policies)
        writer.milliseconds(statement.policy.timeout)
        return writer.bytes
    }

    package func decode(_ bytes: [UInt8]) throws(StatementError) -> Statement {
        do {
            return try self.read(bytes)
        } catch let error as StatementError {
            throw error
        } catch let error as ByteError {
            throw .malformed(error)
        } catch {
            throw .malformed(.outOfRange(field: "statement", value: 0))
        }
    }

    private func read(_ bytes: [UInt8]) throws -> Statement {
        var reader = ByteReader(bytes)
        guard try reader.bytes(Self.magic.count, "magic").elementsEqual(Self.magic) else {
            throw StatementError.unknownVersion
        }
        guard try reader.identifier(PairID.self, "pair") == self.pair,
            try reader.identifier(NodeID.self, "sender") == self.sender,
            try reader.identifier(NodeID.self, "receiver") == self.receiver
        else { throw StatementError.notForThisNode }
        let statement = Statement(
            number: MessageNumber(
                incarnation: try reader.u64("incarnation"),
                n: try reader.u64("n")
            ),
            nonce: try reader.nonce("nonce"),
            echo: try reader.nonce("echo"),
            heartbeatNonce: try reader.nonce("heartbeat nonce"),
            isProbe: try reader.bool("probe"),
            epoch: Epoch(rawValue: try reader.u64("epoch")),
            role: try reader.value(in: WireLists.roles, "role"),
            state: try reader.value(in: WireLists.states, "state"),
            right: try reader.value(in: WireLists.rights, "right"),
            arming: NodeRecord.Arming(
                isArmed: try reader.bool("armed"),
                generation: try reader.u64("generation"),
                revoked: try reader.u64("revoked")
            ),
            gateIsOpen: try reader.bool("gate is open"),
            gateWasOpen: try reader.bool("gate was open"),
            lineage: try Self.lineage(&reader),
            position: try reader.position("position"),
            hasVault: try reader.bool("vault"),
            isSeeding: try reader.bool("seeding"),
            suspension: try reader.bool("suspended")
                ? NodeRecord.Suspension(
                    remaining: try reader.milliseconds("suspended for"),
                    by: try reader.text(limit: Self.longestText, "suspended by")
                ) : nil,
            relinquish: try reader.bool("relinquish")
                ? NodeRecord.Relinquish(
                    operation: try reader.identifier(OperationID.self, "relinquish"),
                    position: try reader.position("relinquish"),
                    successor: try reader.bit("successor")
                ) : nil,
            operation: try reader.bool("operation") ? try Self.operation(&reader) : nil,
            aborted: try reader.list(atMost: Self.longestAborted, "aborted") { reader in
                try reader.identifier(OperationID.self, "aborted")
            },
            request: try reader.bool("request") ? try Self.request(&reader) : nil,
            offer: try reader.bool("offer") ? try Self.offer(&reader) : nil,
            policy: PairPolicy(
                failover: try reader.value(in: WireLists.policies, "policy"),
                timeout: try reader.milliseconds("timeout")
            )
        )
        try reader.finish()
        return statement
    }

    /// Epochs must rise: the reader's machine relies on it.
    private static func lineage(_ reader: inout ByteReader) throws -> Lineage {
        var newest = Epoch.none
        let entries = try reader.list(atMost: self.longestLineage, "lineage") { reader in
            let entry = LineageEntry(
                epoch: Epoch(rawValue: try reader.u64("lineage epoch")),
                owner: try reader.bit("owner"),
                fork: try reader.position("fork"),
                cause: try reader.value(in: WireLists.causes, "cause"),
                wallSeconds: try reader.i64("lineage time")
            )
            guard entry.epoch > newest, entry.epoch.owner == entry.owner else {
                throw ByteError.outOfRange(field: "lineage epoch", value: entry.epoch.rawValue)
            }
            newest = entry.epoch
            return entry
        }
        return Lineage(entries)
    }

    private static func operation(_ reader: inout ByteReader) throws -> NodeRecord.Operation {
        let id = try reader.identifier(OperationID.self, "operation")
        let raw = try reader.u8("verb")
        guard let verb = NodeRecord.Operation.Verb(rawValue: raw) else {
            throw ByteError.outOfRange(field: "verb", value: UInt64(raw))
        }
        return NodeRecord.Operation(
            id: id,
            verb: verb,
            step: try reader.u8("step"),
            by: try reader.text(limit: self.longestText, "by"),
            since: try reader.i64("since")
        )
    }

    private static func request(_ reader: inout ByteReader) throws -> Request {
        let id = try reader.identifier(OperationID.self, "request")
        let by = try reader.text(limit: self.longestText, "by")
        let raw = try reader.u8("request verb")
        let verb: Request.Verb =
            switch raw {
            case 1: .enableHA(discardingPeerVault: try reader.bool("discarding"))
            case 2: .disableHA(isForced: try reader.bool("forced"))
            case 3: .switchover
            case 4: .promote(isForced: try reader.bool("forced"))
            case 5: .suspend(for: try reader.milliseconds("duration"))
            case 6: .resume
            case 7: .standalone
            default: throw ByteError.outOfRange(field: "request verb", value: UInt64(raw))
            }
        return Request(id: id, verb: verb, by: by)
    }

    private static func offer(_ reader: inout ByteReader) throws -> RejoinOffer {
        let raw = try reader.u8("rejoin")
        let rejoin: Rejoin =
            switch raw {
            case 1: .seed
            case 2: .stream
            case 3: .fastForward
            case 4: .delta(sealingImage: false)
            case 5: .delta(sealingImage: true)
            case 6: .undoTail
            default: throw ByteError.outOfRange(field: "rejoin", value: UInt64(raw))
            }
        return RejoinOffer(
            rejoin: rejoin,
            fork: try reader.bool("fork") ? try reader.position("fork") : nil,
            incarnation: try reader.u64("incarnation"),
            position: try reader.position("position")
        )
    }
}

/// Why bytes are not a statement to this node.
package enum StatementError: Error, Equatable, Sendable {
    case unknownVersion
    /// Another pair, another sender, or another receiver.
    case notForThisNode
    case malformed(ByteError)
}
