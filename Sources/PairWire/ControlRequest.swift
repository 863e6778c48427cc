import PairCore

/// One line of JSON from `pairctl` to the daemon: what the operator wants.
///
///     {"verb":"enableHA","parameters":{"discardPeerVault":false},"dryRun":false,"timeoutSeconds":10}
///
/// `parameters` is there for every verb that has any. The daemon answers with lines of
/// ``ControlReply``, the last of which ends the conversation.
package struct ControlRequest: Hashable, Sendable, Codable {
    package var command: ControlCommand
    /// Say what would be done, and change nothing.
    package var dryRun: Bool
    /// How long the operator waits for an answer; `nil` without limit.
    package var timeoutSeconds: Double?

    package init(_ command: ControlCommand, dryRun: Bool = false, timeout: Duration? = nil) {
        self.command = command
        self.dryRun = dryRun
        self.timeoutSeconds = timeout?.inSeconds
    }

    private enum CodingKeys: String, CodingKey {
        case verb
        case parameters
        case dryRun
        case timeoutSeconds
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let verb = try container.decode(ControlVerb.self, forKey: .verb)
        self.dryRun = try container.decodeIfPresent(Bool.self, forKey: .dryRun) ?? false
        self.timeoutSeconds = try container.decodeIfPresent(Double.self, forKey: .timeoutSeconds)
        func parameters<Value: Decodable>(_ type: Value.Type) throws -> Value {
            try container.decode(type, forKey: .parameters)
        }
        self.command =
            switch verb {
            case .status: .status
            case .initialize:
                .initialize(
                    try container.decodeIfPresent(
                        ControlCommand.Initialize.self,
                        forKey: .parameters
                    ) ?? .init(confirm: nil)
                )
            case .pairInvite: .pairInvite(try parameters(ControlCommand.Invite.self))
            case .pairJoin: .pairJoin(try parameters(ControlCommand.Join.self))
            case .pairShow: .pairShow
            case .pairRemove: .pairRemove(try parameters(ControlCommand.Remove.self))
            case .enableHA: .enableHA(try parameters(ControlCommand.Enable.self))
            case .disableHA: .disableHA(try parameters(ControlCommand.Disable.self))
            case .switchover: .switchover
            case .promote: .promote(try parameters(ControlCommand.Promote.self))
            case .suspend: .suspend(try parameters(ControlCommand.Suspend.self))
            case .resume: .resume
            case .resolve: .resolve(try parameters(ControlCommand.Resolve.self))
            case .tailList: .tailList
            case .tailShow: .tailShow(try parameters(ControlCommand.Tail.self))
            case .tailExport: .tailExport(try parameters(ControlCommand.Tail.self))
            case .tailDiscard: .tailDiscard(try parameters(ControlCommand.Tail.self))
            case .verify: .verify(try parameters(ControlCommand.Verify.self))
            case .wait: .wait(try parameters(ControlCommand.Wait.self))
            case .history: .history
            case .events: .events(try parameters(ControlCommand.Events.self))
            }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(self.command.verb, forKey: .verb)
        try container.encode(self.dryRun, forKey: .dryRun)
        try container.encodeIfPresent(self.timeoutSeconds, forKey: .timeoutSeconds)
        switch self.command {
        case .status, .pairShow, .switchover, .resume, .tailList, .history: break
        case .initialize(let value): try container.encode(value, forKey: .parameters)
        case .pairInvite(let value): try container.encode(value, forKey: .parameters)
        case .pairJoin(let value): try container.encode(value, forKey: .parameters)
        case .pairRemove(let value): try container.encode(value, forKey: .parameters)
        case .enableHA(let value): try container.encode(value, forKey: .parameters)
        case .disableHA(let value): try container.encode(value, forKey: .parameters)
        case .promote(let value): try container.encode(value, forKey: .parameters)
        case .suspend(let value): try container.encode(value, forKey: .parameters)
        case .resolve(let value): try container.encode(value, forKey: .parameters)
        case .tailShow(let value), .tailExport(let value), .tailDiscard(let value):
            try container.encode(value, forKey: .parameters)
        case .verify(let value): try container.encode(value, forKey: .parameters)
        case .wait(let value): try container.encode(value, forKey: .parameters)
        case .events(let value): try container.encode(value, forKey: .parameters)
        }
    }
}

/// The name of a verb on the control socket.
package enum ControlVerb: String, Hashable, Sendable, Codable, CaseIterable {
    case status
    /// `init` on the command line.
    case initialize = "init"
    case pairInvite
    case pairJoin
    case pairShow
    case pairRemove
    case enableHA
    case disableHA
    case switchover
    case promote
    case suspend
    case resume
    case resolve
    case tailList
    case tailShow
    case tailExport
    case tailDiscard
    case verify
    case wait
    case history
    case events

    /// Whether the monitoring group may say it; everything else is for root and the admin group.
    package var isReadOnly: Bool {
        switch self {
        case .status, .pairShow, .tailList, .history, .events: true
        case .initialize, .pairInvite, .pairJoin, .pairRemove, .enableHA, .disableHA, .switchover,
            .promote, .suspend, .resume, .resolve, .tailShow, .tailExport, .tailDiscard, .verify,
            .wait:
            false
        }
    }
}

/// A verb with what belongs to it.
///
/// The ones that this version of the daemon cannot carry out are here as well, so that it can
/// refuse them by name and an older `pairctl` never has to guess.
package enum ControlCommand: Hashable, Sendable {
    case status
    case initialize(Initialize)
    case pairInvite(Invite)
    case pairJoin(Join)
    case pairShow
    case pairRemove(Remove)
    case enableHA(Enable)
    case disableHA(Disable)
    case switchover
    case promote(Promote)
    case suspend(Suspend)
    case resume
    case resolve(Resolve)
    case tailList
    case tailShow(Tail)
    case tailExport(Tail)
    case tailDiscard(Tail)
    case verify(Verify)
    case wait(Wait)
    case history
    case events(Events)

    package var verb: ControlVerb {
        switch self {
        case .status: .status
        case .initialize: .initialize
        case .pairInvite: .pairInvite
        case .pairJoin: .pairJoin
        case .pairShow: .pairShow
        case .pairRemove: .pairRemove
        case .enableHA: .enableHA
        case .disableHA: .disableHA
        case .switchover: .switchover
        case .promote: .promote
        case .suspend: .suspend
        case .resume: .resume
        case .resolve: .resolve
        case .tailList: .tailList
        case .tailShow: .tailShow
        case .tailExport: .tailExport
        case .tailDiscard: .tailDiscard
        case .verify: .verify
        case .wait: .wait
        case .history: .history
        case .events: .events
        }
    }
}
