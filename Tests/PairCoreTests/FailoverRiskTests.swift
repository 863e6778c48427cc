import PairCore
import Testing

/// From this a primary tells after a restart what would be lost with it.
@Suite("What the secondary is known to have")
struct FailoverRiskTests {
    private func position(_ txid: UInt64) -> Position {
        Position(epoch: Epoch(rawValue: 4), txid: TXID(txid), digest: .empty)
    }

    /// A pair in which seven transactions have reached the secondary.
    private func pair() -> FailoverPair {
        var pair = FailoverPair.protected()
        for node in 0...1 { pair.tell(node, .positionChanged(self.position(7))) }
        pair.tell(0, .peerApplied(self.position(7), inSync: true))
        return pair
    }

    @Test func `is where a promotion began`() {
        var pair = self.pair()
        pair.tick(900, only: [1])

        #expect(pair.disks[1].role == .primary)
        #expect(pair.disks[1].peerAcknowledged == self.position(7))
    }

    @Test func `is what was last acknowledged, over a time of serving alone`() {
        var pair = self.pair()
        pair.ask(0, .disableHA(isForced: false), 11)
        pair.deliver()
        pair.tick(10)
        #expect(pair.disks[0].role == .standalone)
        pair.tell(0, .positionChanged(self.position(9)))
        let mark = pair.log.count
        pair.ask(0, .enableHA(discardingPeerVault: false), 12)
        pair.deliver()

        let begun = pair.effects(of: 0, since: mark).compactMap { effect -> NodeRecord? in
            if case .persist(let record) = effect, record.role == .primary { record } else { nil }
        }
        #expect(begun.first?.peerAcknowledged == self.position(7))
    }

    @Test(arguments: [true, false])
    func `is nothing once another vault is served`(isReplaced: Bool) {
        var pair = self.pair()

        pair.tell(0, .continuityLost(after: self.position(7), isReplaced: isReplaced))

        #expect(pair.disks[0].lineage.entries.last?.cause == (isReplaced ? .replaced : .gap))
        #expect(pair.disks[0].peerAcknowledged == (isReplaced ? nil : self.position(7)))
    }

    @Test(arguments: [true, false])
    func `goes by what a joiner still has`(hasVault: Bool) {
        var pair = self.pair()

        pair.start(1, isVaultMissing: !hasVault)
        pair.tick(3)
        pair.deliver()

        let common = hasVault ? self.position(7) : nil
        #expect(pair.nodes[0].record.peerAcknowledged == common)
    }
}
