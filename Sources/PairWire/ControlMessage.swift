package import PairCore

/// What the nodes say on the control connection.
package enum ControlMessage: Hashable, Sendable {
    case presence(Presence)
    /// The sender wants to become primary; the receiver says whether it can be its secondary.
    case enableProposal(EnableProposal)
    /// The sender is primary now; the receiver takes its place as secondary.
    case enableOrder(EnableOrder)
    case enableAnswer(EnableAnswer)
    /// An operator's request, typed on the sender and carried out by the receiver.
    case forward(id: UInt64, request: [UInt8])
    /// One line of the answer; the last one is marked.
    case forwarded(id: UInt64, line: [UInt8], isLast: Bool)

    /// What a node must know to say whether it can become the secondary.
    package struct EnableProposal: Hashable, Sendable {
        package var operation: OperationID
        package var epoch: Epoch
        package var vault: VaultID
        package var pageSize: PageSize
        /// The operator named this node as the one whose vault may be given up.
        package var discardsVault: Bool

        package init(
            operation: OperationID, epoch: Epoch, vault: VaultID, pageSize: PageSize,
            discardsVault: Bool
        ) {
            self.operation = operation
            self.epoch = epoch
            self.vault = vault
            self.pageSize = pageSize
            self.discardsVault = discardsVault
        }
    }

    /// The primary's word that the epoch is its own and durable.
    package struct EnableOrder: Hashable, Sendable {
        package var proposal: EnableProposal
        package var lineage: Lineage

        package init(proposal: EnableProposal, lineage: Lineage) {
            self.proposal = proposal
            self.lineage = lineage
        }
    }

    /// The answer to a proposal or an order.
    package struct EnableAnswer: Hashable, Sendable {
        package var operation: OperationID
        package var refusal: Refusal?

        package init(operation: OperationID, refusal: Refusal?) {
            self.operation = operation
            self.refusal = refusal
        }
    }

    /// Why not, with the exit code that `pairctl` ends with.
    package struct Refusal: Hashable, Sendable, Error {
        package var exitCode: UInt8
        package var text: String

        package init(exitCode: UInt8, text: String) {
            self.exitCode = exitCode
            self.text = text
        }
    }
}

extension ControlMessage {
    /// The envelope's type on the control connection.
    package enum Kind: UInt8, Sendable {
        case presence = 1
        case enableProposal = 2
        case enableOrder = 3
        case enableAnswer = 4
        case forward = 5
        case forwarded = 6
    }

    package var kind: Kind {
        switch self {
        case .presence: .presence
        case .enableProposal: .enableProposal
        case .enableOrder: .enableOrder
        case .enableAnswer: .enableAnswer
        case .forward: .forward
        case .forwarded: .forwarded
        }
    }

    package var payload: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .presence(let presence): writer.presence(presence)
        case .enableProposal(let proposal): writer.proposal(proposal)
        case .enableOrder(let order):
            writer.proposal(order.proposal)
            writer.lineage(order.lineage)
        case .enableAnswer(let answer):
            writer.identifier(answer.operation)
            writer.bool(answer.refusal != nil)
            if let refusal = answer.refusal {
                writer.u8(refusal.exitCode)
                writer.text(refusal.text)
            }
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
        case .enableProposal: self = .enableProposal(try reader.proposal())
        case .enableOrder:
            self = .enableOrder(
                EnableOrder(proposal: try reader.proposal(), lineage: try reader.lineage()))
        case .enableAnswer:
            let operation = try reader.identifier(OperationID.self, "operation")
            var refusal: Refusal?
            if try reader.bool("refused") {
                refusal = Refusal(
                    exitCode: try reader.u8("exit code"),
                    text: try reader.text(limit: 4096, "refusal"))
            }
            self = .enableAnswer(EnableAnswer(operation: operation, refusal: refusal))
        case .forward:
            self = .forward(
                id: try reader.u64("request id"),
                request: try reader.block(limit: 65_536, "request"))
        case .forwarded:
            let id = try reader.u64("request id")
            let isLast = try reader.bool("last")
            self = .forwarded(
                id: id, line: try reader.block(limit: 65_536, "line"), isLast: isLast)
        }
        try reader.finish()
    }
}

extension ByteWriter {
    fileprivate mutating func proposal(_ proposal: ControlMessage.EnableProposal) {
        self.identifier(proposal.operation)
        self.u64(proposal.epoch.rawValue)
        self.identifier(proposal.vault)
        self.u8(proposal.pageSize.log2)
        self.bool(proposal.discardsVault)
    }
}

extension ByteReader {
    fileprivate mutating func proposal() throws(ByteError) -> ControlMessage.EnableProposal {
        ControlMessage.EnableProposal(
            operation: try self.identifier(OperationID.self, "operation"),
            epoch: Epoch(rawValue: try self.u64("epoch")),
            vault: try self.identifier(VaultID.self, "vault"),
            pageSize: try self.pageSize("page size"),
            discardsVault: try self.bool("discards"))
    }
}
