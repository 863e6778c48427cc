extension NodeRecord.Operation {
    /// What the operation waits for, in an operator's words.
    package var stepText: String {
        switch self.verb {
        case .enableHA: Self.enabling(self.step)
        case .disableHA: "waits for the peer's pledge not to promote itself"
        case .switchover: "waits for the peer to be ready to take over"
        case .promote: "takes over"
        }
    }

    private static func enabling(_ step: UInt8) -> String {
        switch step {
        case Failover.EnablingStep.joining: "waits for both copies to be in sync"
        case Failover.EnablingStep.joiningThenHandingOver:
            "waits for both copies to be in sync, then exchanges the roles"
        case Failover.EnablingStep.asking: "asks the peer to take its place"
        case Failover.EnablingStep.askingDiscarding:
            "asks the peer to archive its vault and give it up"
        default: "goes on"
        }
    }
}
