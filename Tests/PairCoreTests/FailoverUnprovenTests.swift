import PairCore
import Testing

/// A vault that nothing proves to be the pair's is never given up, served or marked without a word.
@Suite("A vault that nothing proves")
struct FailoverUnprovenTests {
    private let foreign = Position(epoch: Epoch(rawValue: 2), txid: TXID(1), digest: .empty)

    /// Node 0 starts in doubt, and its shell has found another vault in the old one's place.
    private func startReplaced(_ pair: inout FailoverPair) {
        let last = pair.nodes[0].position
        pair.disks[0].quarantineReason = Failover.Quarantine.replacing.rawValue
        pair.start(0)
        pair.tell(0, .continuityLost(after: last, isReplaced: true))
    }

    @Test func `is sealed by a node in doubt whose successor has taken over`() {
        var pair = FailoverPair.relinquished()
        let offers = pair.inFlight
        pair.isCut = true
        pair.inFlight = []
        for (node, message) in offers where node == 1 {
            pair.tell(1, .received(message, fresh: pair.nonce()))
        }
        #expect(pair.disks[1].role == .primary)
        self.startReplaced(&pair)

        let mark = pair.log.count
        pair.isCut = false
        pair.tick(10)

        #expect(pair.seals(0, since: mark))
        #expect(pair.disks[0].lineage.entries.contains { $0.cause == .replaced })
    }

    @Test func `is named in the lineage when the doubt ends, before it can be served`() {
        var pair = FailoverPair.relinquished()
        pair.inFlight = []
        let last = pair.nodes[0].position
        let behind = Position(epoch: pair.disks[0].epoch, txid: TXID(99), digest: .empty)
        pair.tell(1, .positionChanged(behind))
        self.startReplaced(&pair)
        pair.tick(5)
        #expect(pair.disks[0].relinquish == nil && pair.nodes[0].nodeState == .hold)
        #expect(pair.disks[0].lineage.entries.last?.cause == .replaced)
        pair.tell(1, .positionChanged(last))

        let mark = pair.log.count
        pair.ask(0, .promote(isForced: true), 80)
        pair.tell(1, .logLost)
        pair.deliver()
        pair.tick(10)

        #expect(pair.nodes[0].gate == .open)
        #expect(pair.seals(1, since: mark))
    }

    @Test func `is named in the lineage when an operator ends the doubt`() {
        var pair = FailoverPair.relinquished()
        pair.inFlight = []
        pair.isCut = true
        self.startReplaced(&pair)

        pair.ask(0, .promote(isForced: true), 80)

        #expect(pair.replies(to: 80) == [.done])
        #expect(pair.disks[0].lineage.entries.map(\.cause).suffix(2) == [.replaced, .forced])
        let mark = pair.log.count
        pair.isCut = false
        pair.tick(10)
        #expect(pair.seals(1, since: mark))
    }

    @Test func `does not lead before a copy of the pair's`() {
        var pair = FailoverPair.shipped()
        for node in [0, 1] {
            pair.disks[node].role = .secondary
            pair.disks[node].arming = .never
        }
        pair.isCut = true
        pair.inFlight = []
        pair.start(0)
        pair.tell(0, .vaultFound(self.foreign, isOurs: false))
        pair.start(1)

        pair.isCut = false
        pair.tick(10)

        #expect(pair.disks[1].role == .primary && pair.disks[0].role == .secondary)
        #expect(pair.seals(0))
        #expect(!pair.seals(1))
    }

    @Test(arguments: [false, true])
    func `that has taken the lost one's place is not served by a disable-ha of before`(
        isFound: Bool
    ) {
        var pair = FailoverPair.shipped()
        pair.isCut = true
        pair.inFlight = []
        pair.ask(0, .disableHA(isForced: false), 10)
        pair.tick(3)
        pair.tell(0, .vaultLost)
        if isFound { pair.tell(0, .vaultFound(self.foreign, isOurs: false)) }

        let mark = pair.log.count
        pair.isCut = false
        pair.tick(200)
        pair.tell(0, .vaultFound(self.foreign, isOurs: false))

        #expect(pair.replies(to: 10).last == .aborted)
        #expect(!pair.hasOpened(0, since: mark))
        #expect(pair.disks[1].role == .secondary)
    }

    @Test func `and a doubt have a way out when the peer is lost for good`() {
        var pair = FailoverPair.relinquished()
        let position = pair.nodes[0].position
        pair.inFlight = []
        pair.isCut = true
        pair.start(0, isVaultMissing: true)
        // In doubt it is not looked at.
        pair.tell(0, .vaultFound(position, isOurs: true))
        pair.ask(0, .promote(isForced: true), 70)
        #expect(pair.replies(to: 70) == [.refused(.vaultLost)])
        #expect(pair.disks[0].relinquish == nil)

        pair.tell(0, .vaultFound(position, isOurs: true))
        pair.ask(0, .promote(isForced: true), 71)

        #expect(pair.replies(to: 71) == [.done])
        #expect(pair.nodes[0].gate == .open)
    }

    @Test func `a switchover that was called off is not carried out when it is heard late`() {
        var pair = FailoverPair.shipped()
        pair.ask(1, .switchover, 20)
        for _ in 0..<60 {
            pair.tickWithoutDelivery(1)
            pair.tickWithoutDelivery(0)
        }
        #expect(pair.replies(to: 20).last == .aborted)

        pair.deliver()
        for _ in 0..<10 { pair.drain(0) }

        #expect(pair.disks[0].role == .primary && pair.nodes[0].gate == .open)
        #expect(pair.disks[1].role == .secondary)
    }

    /// Its content may be all that is left of what was committed.
    @Test func `is sealed wherever the primary's log does not lead through it`() {
        var pair = FailoverPair.shipped()
        let other = Position(epoch: pair.disks[0].epoch, txid: TXID(8), digest: .empty)

        pair.start(1)
        pair.tell(1, .positionChanged(other))
        pair.tick(5)

        #expect(pair.seals(1))
    }

    /// A parked node 1 at transaction 10, whose vault has been removed, and an application has begun to
    /// make another.
    private func bare() -> FailoverPair {
        var pair = FailoverPair.shipped()
        pair.ask(0, .disableHA(isForced: false), 10)
        pair.deliver()
        pair.tick(3)
        pair.tell(1, .vaultSuspected)
        pair.tell(1, .vaultFound(self.foreign, isOurs: false, hasTables: false))
        return pair
    }

    @Test func `is given up without an archive when it has no tables`() {
        var pair = self.bare()

        pair.ask(0, .enableHA(discardingPeerVault: false), 11)
        pair.deliver()
        pair.tick(5)

        #expect(pair.disks[1].role == .secondary && pair.disks[1].quarantineReason == nil)
        #expect(pair.effects(of: 1).contains(.takeCopy(of: pair.disks[0].epoch)))
        #expect(!pair.seals(1))
    }

    @Test func `is named in the lineage before it is served, though it has no tables`() {
        var pair = self.bare()

        pair.ask(1, .standalone, 11)
        pair.deliver()
        pair.ask(1, .enableHA(discardingPeerVault: true), 12)
        pair.deliver()
        pair.tick(5)

        #expect(pair.disks[1].role == .primary && pair.disks[0].role == .secondary)
        #expect(pair.disks[1].lineage.entries.contains { $0.cause == .replaced })
        #expect(pair.seals(0))
    }
}
