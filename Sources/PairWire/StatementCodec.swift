package import PairCore

// A statement on the wire: fixed order, every length checked, little-endian (PairCore's
// `ByteWriter`). It travels inside the pinned TLS session of the control connection.

extension ByteWriter {
    package mutating func statement(_ statement: Statement) {
        self.u64(statement.number.incarnation)
        self.u64(statement.number.n)
        self.nonce(statement.nonce)
        self.nonce(statement.echo)
        self.nonce(statement.heartbeatNonce)
        self.bool(statement.isProbe)
        self.u64(statement.epoch.rawValue)
        self.text(statement.role.rawValue)
        self.text(statement.state.rawValue)
        self.text(statement.right.rawValue)
        self.bool(statement.arming.isArmed)
        self.u64(statement.arming.generation)
        self.u64(statement.arming.revoked)
        self.bool(statement.gateIsOpen)
        self.bool(statement.gateWasOpen)
        self.lineage(statement.lineage)
        self.position(statement.position)
        self.bool(statement.hasVault)
        self.bool(statement.isSeeding)
        self.bool(statement.isSuspended)
        self.bool(statement.relinquish != nil)
        if let relinquish = statement.relinquish { self.relinquish(relinquish) }
        self.bool(statement.operation != nil)
        if let operation = statement.operation { self.operation(operation) }
        self.u8(UInt8(min(statement.aborted.count, 64)))
        for operation in statement.aborted.suffix(64) { self.identifier(operation) }
        self.bool(statement.request != nil)
        if let request = statement.request { self.request(request) }
        self.bool(statement.offer != nil)
        if let offer = statement.offer { self.offer(offer) }
        self.text(statement.policy.failover.rawValue)
        self.duration(statement.policy.timeout)
    }

    mutating func nonce(_ nonce: Nonce) {
        self.u64(nonce.lanes.0)
        self.u64(nonce.lanes.1)
        self.u64(nonce.lanes.2)
        self.u64(nonce.lanes.3)
    }

    private mutating func relinquish(_ relinquish: NodeRecord.Relinquish) {
        self.identifier(relinquish.operation)
        self.position(relinquish.position)
        self.u8(relinquish.successor.rawValue)
    }

    private mutating func operation(_ operation: NodeRecord.Operation) {
        self.identifier(operation.id)
        self.u8(operation.verb.rawValue)
        self.u8(operation.step)
        self.text(operation.by, limit: 256)
        self.i64(operation.since)
    }

    private mutating func request(_ request: Request) {
        self.identifier(request.id)
        self.text(request.by, limit: 256)
        switch request.verb {
        case .enableHA(let isDiscarding):
            self.u8(1)
            self.bool(isDiscarding)
        case .disableHA(let isForced):
            self.u8(2)
            self.bool(isForced)
        case .switchover: self.u8(3)
        case .promote(let isForced):
            self.u8(4)
            self.bool(isForced)
        case .suspend(let duration):
            self.u8(5)
            self.duration(duration)
        case .resume: self.u8(6)
        case .standalone: self.u8(7)
        }
    }

    private mutating func offer(_ offer: RejoinOffer) {
        switch offer.rejoin {
        case .seed: self.u8(1)
        case .stream: self.u8(2)
        case .fastForward: self.u8(3)
        case .delta(let isSealing): self.u8(isSealing ? 5 : 4)
        case .undoTail: self.u8(6)
        }
        self.optionalPosition(offer.fork)
        self.u64(offer.incarnation)
        self.position(offer.position)
    }
}

extension ByteReader {
    package mutating func statement() throws(ByteError) -> Statement {
        Statement(
            number: MessageNumber(
                incarnation: try self.u64("incarnation"),
                n: try self.u64("number")
            ),
            nonce: try self.nonce("nonce"),
            echo: try self.nonce("echo"),
            heartbeatNonce: try self.nonce("heartbeat nonce"),
            isProbe: try self.bool("probe"),
            epoch: Epoch(rawValue: try self.u64("epoch")),
            role: try self.word("role"),
            state: try self.word("state"),
            right: try self.word("right"),
            arming: NodeRecord.Arming(
                isArmed: try self.bool("armed"),
                generation: try self.u64("generation"),
                revoked: try self.u64("revoked")
            ),
            gateIsOpen: try self.bool("gate"),
            gateWasOpen: try self.bool("gate before"),
            lineage: try self.lineage(),
            position: try self.position("position"),
            hasVault: try self.bool("has vault"),
            isSeeding: try self.bool("seeding"),
            isSuspended: try self.bool("suspended"),
            relinquish: try self.bool("relinquishes") ? try self.relinquish() : nil,
            operation: try self.bool("has operation") ? try self.operation() : nil,
            aborted: try self.aborted(),
            request: try self.bool("has request") ? try self.verbRequest() : nil,
            offer: try self.bool("has offer") ? try self.offer() : nil,
            policy: PairPolicy(
                failover: try self.word("policy"),
                timeout: try self.span("timeout")
            )
        )
    }

    /// A length of time that a configuration or an operator may name: up to 10,000 minutes.
    private mutating func span(_ field: ByteError.StaticName) throws(ByteError) -> Duration {
        let span = try self.duration(field)
        guard span >= .zero, span <= .seconds(600_000) else {
            throw .outOfRange(field: field, value: UInt64(clamping: span.components.seconds))
        }
        return span
    }

    mutating func nonce(_ field: ByteError.StaticName) throws(ByteError) -> Nonce {
        Nonce(try self.u64(field), try self.u64(field), try self.u64(field), try self.u64(field))
    }

    private mutating func relinquish() throws(ByteError) -> NodeRecord.Relinquish {
        let operation = try self.identifier(OperationID.self, "operation")
        let position = try self.position("relinquished position")
        return NodeRecord.Relinquish(
            operation: operation,
            position: position,
            successor: try self.bit("successor")
        )
    }

    private mutating func bit(_ field: ByteError.StaticName) throws(ByteError) -> NodeBit {
        let value = try self.u8(field)
        guard let bit = NodeBit(rawValue: value) else {
            throw .outOfRange(field: field, value: UInt64(value))
        }
        return bit
    }

    private mutating func operation() throws(ByteError) -> NodeRecord.Operation {
        let id = try self.identifier(OperationID.self, "operation")
        let code = try self.u8("verb")
        guard let verb = NodeRecord.Operation.Verb(rawValue: code) else {
            throw .outOfRange(field: "verb", value: UInt64(code))
        }
        return NodeRecord.Operation(
            id: id,
            verb: verb,
            step: try self.u8("step"),
            by: try self.text(limit: 256, "by"),
            since: try self.i64("since")
        )
    }

    private mutating func aborted() throws(ByteError) -> [OperationID] {
        let count = try self.u8("aborted operations")
        guard count <= 64 else {
            throw .outOfRange(field: "aborted operations", value: UInt64(count))
        }
        var operations: [OperationID] = []
        for _ in 0..<count {
            operations.append(try self.identifier(OperationID.self, "aborted operation"))
        }
        return operations
    }

    private mutating func verbRequest() throws(ByteError) -> Request {
        let id = try self.identifier(OperationID.self, "request")
        let by = try self.text(limit: 256, "by")
        let code = try self.u8("verb")
        let verb: Request.Verb =
            switch code {
            case 1: .enableHA(discardingPeerVault: try self.bool("discards"))
            case 2: .disableHA(isForced: try self.bool("forced"))
            case 3: .switchover
            case 4: .promote(isForced: try self.bool("forced"))
            case 5: .suspend(for: try self.span("for"))
            case 6: .resume
            case 7: .standalone
            default: throw .outOfRange(field: "verb", value: UInt64(code))
            }
        return Request(id: id, verb: verb, by: by)
    }

    private mutating func offer() throws(ByteError) -> RejoinOffer {
        let code = try self.u8("rejoin")
        let rejoin: Rejoin =
            switch code {
            case 1: .seed
            case 2: .stream
            case 3: .fastForward
            case 4: .delta(sealingImage: false)
            case 5: .delta(sealingImage: true)
            case 6: .undoTail
            default: throw .outOfRange(field: "rejoin", value: UInt64(code))
            }
        let fork = try self.optionalPosition("fork")
        return RejoinOffer(
            rejoin: rejoin,
            fork: fork,
            incarnation: try self.u64("incarnation"),
            position: try self.position("position")
        )
    }
}
