import FoundationEssentials
import PairCore
import PairWire

extension OperatorCall {
    /// Ends the conversation.
    func finish<Payload>(
        _ exit: ControlExit,
        _ message: String,
        _ payload: Payload?
    ) where Payload: Codable & Hashable & Sendable {
        self.write(
            ControlReply.final(ControlOutcome(exit, message: message, payload: payload)),
            isLast: true
        )
    }

    func finish(_ exit: ControlExit, _ message: String) {
        self.finish(exit, message, Optional<ControlNothing>.none)
    }

    /// Says what is happening meanwhile.
    func tell(_ text: String, doneBytes: UInt64? = nil, totalBytes: UInt64? = nil) {
        self.write(
            ControlReply<ControlNothing>.progress(
                ControlProgress(text, doneBytes: doneBytes, totalBytes: totalBytes)
            ),
            isLast: false
        )
    }

    /// Who asked, and why, for the log.
    var fields: [String: String] {
        var fields = ["by": self.by]
        if case .promote(let parameters) = self.request.command {
            fields["reason"] = parameters.reason
        }
        return fields
    }

    /// Whether the operator has set a time, and it is over.
    func isOutOfTime(at now: Instant, grace: Duration = .zero) -> Bool {
        self.request.timeoutSeconds.map { now - self.asked >= .seconds($0) + grace } ?? false
    }

    /// Whether it may end in a change of primary.
    var mayChangePrimary: Bool {
        switch self.request.command {
        case .enableHA, .disableHA, .switchover, .promote, .initialize: true
        default: false
        }
    }

    /// Whether the operator wants to hear only when the pair is protected.
    var waitsForProtection: Bool {
        if case .enableHA(let parameters) = self.request.command { parameters.wait } else { false }
    }

    /// Whether the operator wants to hear as soon as it has begun: a whole copy may take hours.
    var isContentWithBeginning: Bool {
        if case .enableHA(let parameters) = self.request.command { !parameters.wait } else { false }
    }

    private func write(_ reply: some Encodable, isLast: Bool) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            self.reply(ReplyLine(bytes: Array(try encoder.encode(reply)), isLast: isLast))
        } catch {
            let text = #"{"exitCode":1,"message":"the answer could not be written"}"#
            self.reply(ReplyLine(bytes: Array(text.utf8), isLast: true))
        }
    }
}

extension OperatorCall.ReplyLine {
    static let unknownRequest = Self(
        bytes: Array(#"{"exitCode":64,"message":"this is no request that paird knows"}"#.utf8),
        isLast: true
    )
}
