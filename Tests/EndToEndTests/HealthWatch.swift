import Foundation
import PairLab
import Synchronization

/// Asks both nodes' `/primary` twenty times a second, as a balancer does, and finds what must not
/// be: both say yes while they can reach each other, or one says yes where a write is refused.
final class HealthWatch: Sendable {
    struct Record: Sendable {
        var looks = 0
        /// How often each node has said yes.
        var yes: [LabNode: Int] = [:]
        var complaints: [String] = []
    }

    private let lab: LabPair
    private let state = Mutex((record: Record(), isStopped: false))

    init(_ lab: LabPair) { self.lab = lab }

    var record: Record { self.state.withLock { $0.record } }

    func stop() { self.state.withLock { $0.isStopped = true } }

    /// The epoch under which a node says yes; `nil` when it does not.
    private func yes(_ node: LabNode) async -> String? {
        guard let answer = try? await self.lab.health(node, "/primary"), answer.status == 200
        else { return nil }
        return answer.headers["x-pair-epoch"] ?? "?"
    }

    func run() async {
        while !self.state.withLock({ $0.isStopped }) {
            let next = ContinuousClock.now + .milliseconds(50)
            var found: [String] = []
            // A change may happen between two questions; only who says yes before and after the
            // other's yes said it at the same time.
            let first = await self.yes(.one)
            let second = await self.yes(.two)
            let again = await self.yes(.one)
            if let first, let second, again == first {
                found.append("both say yes, under epoch \(first) and \(second)")
            }
            for (node, epoch) in [(LabNode.one, again), (.two, second)] where epoch != nil {
                if let refusal = await self.refusal(node), await self.yes(node) == epoch {
                    found.append("\(node.name) says yes and refuses: \(refusal)")
                }
            }
            self.state.withLock { state in
                state.record.looks += 1
                if first != nil { state.record.yes[.one, default: 0] += 1 }
                if second != nil { state.record.yes[.two, default: 0] += 1 }
                state.record.complaints = Array((state.record.complaints + found).prefix(10))
            }
            while ContinuousClock.now < next {
                try? await Task.sleep(until: next, clock: .continuous)
            }
        }
    }

    /// What a new connection hears that wants to write.
    private func refusal(_ node: LabNode) async -> String? {
        guard
            let answer = try? await self.lab.sql(
                node,
                "BEGIN IMMEDIATE; UPDATE counter SET value = value; ROLLBACK;"
            )
        else { return nil }
        return answer.status == 0 ? nil : answer.errors
    }
}
