import PairCore
import Testing

@Suite("Failover: a primary that closed because its peer might have promoted itself")
struct FailoverPledgeTests {
    /// A clock has jumped on node 0, and node 1 has lost its right to promote itself.
    private func doubtful(policy: FailoverPolicy) -> FailoverPair {
        var pair = FailoverPair.protected(policy: policy)
        pair.isClosingSlowly = true
        let leap = Failover.Tick(
            shortest: .seconds(3600),
            longest: .seconds(3600),
            wallSeconds: 0
        )
        pair.tell(0, .tick(leap))
        pair.disks[1].arming.isArmed = false
        pair.start(1)
        pair.deliver()
        pair.tick(2)
        return pair
    }

    @Test(arguments: [FailoverPolicy.available, .strict])
    func `opens again when the pledge came before the gate had closed`(policy: FailoverPolicy) {
        var pair = self.doubtful(policy: policy)
        #expect(pair.disks[0].right == .solo && pair.nodes[0].gate == .closing)

        pair.isClosingSlowly = false
        pair.tell(0, .gateClosed(pair.nodes[0].position))
        pair.tick(3)

        #expect(pair.nodes[0].gate == .open)
        #expect(pair.disks[0].role == .primary)
    }

    @Test func `stays closed while nothing has been pledged`() {
        var pair = FailoverPair.protected()
        pair.isCut = true
        pair.tell(
            0,
            .tick(
                Failover.Tick(
                    shortest: .seconds(3600),
                    longest: .seconds(3600),
                    wallSeconds: 0
                )
            )
        )
        pair.tick(600)

        #expect(pair.disks[0].right == .leased)
        #expect(pair.nodes[0].gate == .closed)
    }
}
