import PairCore
import Testing

@Suite("An operation's step, as an operator reads it")
struct OperationStepTests {
    @Test(arguments: [
        (NodeRecord.Operation.Verb.enableHA, 1, "waits for both copies to be in sync"),
        (.enableHA, 2, "waits for both copies to be in sync, then exchanges the roles"),
        (.enableHA, 3, "asks the peer to take its place"),
        (.enableHA, 4, "asks the peer to archive its vault and give it up"),
        (.disableHA, 1, "waits for the peer's pledge not to promote itself"),
        (.switchover, 1, "waits for the peer to be ready to take over"),
    ])
    func `is told in words`(verb: NodeRecord.Operation.Verb, step: UInt8, text: String) {
        #expect(Self.operation(verb, step).stepText == text)
    }

    @Test func `has words also where a later version has written it`() {
        #expect(Self.operation(.enableHA, 9).stepText == "goes on")
    }

    private static func operation(
        _ verb: NodeRecord.Operation.Verb,
        _ step: UInt8
    ) -> NodeRecord.Operation {
        NodeRecord.Operation(
            id: OperationID(high: 1, low: 2),
            verb: verb,
            step: step,
            by: "root",
            since: 0
        )
    }
}
