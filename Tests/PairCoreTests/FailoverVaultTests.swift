import PairCore
import Testing

/// A node whose vault is gone, or is not the one that it was.
@Suite("A vault that is gone")
struct FailoverVaultTests {
    /// The position of a vault that somebody has made in the place of the pair's.
    private let foreign = Position(
        epoch: Epoch(rawValue: 2),
        txid: TXID(1),
        digest: .empty
    )

    @Test func `leaves its primary silent until the secondary has promoted itself`() {
        var pair = FailoverPair.protected()

        pair.start(0, isVaultMissing: true)
        let mark = pair.log.count
        pair.tick(600)
        let early = (pair.nodes[0].nodeState, pair.nodes[1].record.role)
        let words = pair.effects(of: 0, since: mark)
        pair.tick(300)

        #expect(early == (.starting, .secondary))
        #expect(!words.contains { if case .send(.heartbeat) = $0 { true } else { false } })
        #expect(pair.nodes[1].record.role == .primary && pair.nodes[1].gate == .open)
        #expect(pair.nodes[0].record.role == .secondary)
        let effects = pair.effects(of: 0, since: mark)
        #expect(effects.contains(.takeCopy(of: pair.disks[1].epoch)))
        #expect(!effects.contains(.sealTail(after: nil)))
    }

    @Test func `makes its node rejoin one that was promoted meanwhile`() {
        var pair = FailoverPair.protected()
        pair.tick(900, only: [1])

        pair.start(0, isVaultMissing: true)
        pair.deliver()
        pair.tick(3)

        #expect(pair.nodes[1].record.role == .primary && pair.nodes[1].gate == .open)
        #expect(pair.effects(of: 0).contains(.takeCopy(of: pair.disks[1].epoch)))
        #expect(pair.disks[0].quarantineReason == nil)
    }

    @Test(arguments: [false, true])
    func `is not made up for by one that an application makes`(isRestarted: Bool) {
        var pair = FailoverPair.protected()
        pair.start(0, isVaultMissing: true)

        let mark = pair.log.count
        pair.tell(0, .vaultFound(self.foreign, isOurs: false))
        if isRestarted { pair.start(0) }
        pair.tick(600)
        let early = (pair.nodes[0].nodeState, pair.nodes[0].gate)
        pair.tick(300)

        #expect(early == (.hold, .closed))
        #expect(pair.nodes[1].record.role == .primary && pair.nodes[1].gate == .open)
        let effects = pair.effects(of: 0, since: mark)
        #expect(effects.contains(.sealTail(after: nil)))
        #expect(!effects.contains { if case .openGate = $0 { true } else { false } })
    }

    @Test func `is served again when it is back`() {
        var pair = FailoverPair.protected()
        let position = pair.nodes[0].position
        pair.start(0, isVaultMissing: true)
        pair.tick(30)

        pair.tell(0, .vaultFound(position, isOurs: true))
        pair.deliver()
        pair.tick(3)

        #expect(pair.nodes[0].gate == .open && pair.disks[0].quarantineReason == nil)
        #expect(pair.nodes[1].record.role == .secondary)
    }

    @Test func `is replaced for good by an operator's word`() {
        var pair = FailoverPair.protected()
        pair.start(0, isVaultMissing: true)
        pair.ask(0, .promote(isForced: true), 20)
        let missing = pair.log.last?.effect
        pair.tell(0, .vaultFound(self.foreign, isOurs: false))

        let mark = pair.log.count
        pair.ask(0, .promote(isForced: true), 21)
        pair.tell(1, .logLost)
        pair.deliver()
        pair.tick(3)

        #expect(missing == .reply(FailoverPair.operation(20), .refused(.vaultLost)))
        #expect(pair.nodes[0].gate == .open)
        #expect(pair.disks[0].lineage.entries.map(\.cause).suffix(2) == [.replaced, .forced])
        #expect(pair.effects(of: 1, since: mark).contains(.sealTail(after: nil)))
    }

    @Test func `is neither handed over nor given up by a verb`() {
        var pair = FailoverPair.protected()
        pair.start(0, isVaultMissing: true)
        pair.deliver()
        for (node, verb) in [
            (0, Request.Verb.switchover), (0, .enableHA(discardingPeerVault: false)),
            (0, .disableHA(isForced: false)), (1, .switchover),
            (1, .enableHA(discardingPeerVault: false)),
        ] {
            pair.ask(node, verb, 30)
            guard case .reply(_, .refused(let refusal)) = pair.log.last?.effect else {
                Issue.record("\(verb) on node \(node): \(String(describing: pair.log.last))")
                continue
            }
            #expect(refusal == (node == 0 ? .vaultLost : .peerVaultLost))
        }
        pair.ask(1, .promote(isForced: false), 31)
        guard case .reply(_, .refused(.unsafe)) = pair.log.last?.effect else {
            Issue.record("an unforced promotion: \(String(describing: pair.log.last))")
            return
        }
        pair.ask(1, .promote(isForced: true), 32)
        pair.deliver()

        #expect(pair.nodes[1].gate == .open && pair.nodes[0].record.role == .secondary)
    }

    @Test func `of a node that serves alone is taken from the peer's copy`() {
        var pair = FailoverPair.protected()
        pair.ask(0, .disableHA(isForced: false), 40)
        pair.deliver()
        pair.tick(3)

        pair.start(0, isVaultMissing: true)
        let alone = pair.nodes[0].gate
        pair.ask(1, .enableHA(discardingPeerVault: false), 41)
        pair.deliver()
        pair.tick(3)

        #expect(alone == .closed)
        #expect(pair.nodes[1].record.role == .primary && pair.nodes[1].gate == .open)
        #expect(pair.nodes[0].record.role == .secondary)
        #expect(pair.effects(of: 0).contains(.takeCopy(of: pair.disks[1].epoch)))
    }

    @Test func `under a secondary is taken anew, and nobody promotes that node meanwhile`() {
        var pair = FailoverPair.protected()

        pair.tell(1, .vaultLost)
        pair.deliver()
        pair.tick(3)
        let taking = pair.effects(of: 1).contains(.takeCopy(of: pair.disks[0].epoch))
        pair.tick(1_800, only: [1])

        #expect(taking)
        #expect(pair.nodes[1].record.role == .secondary && !pair.disks[1].arming.isArmed)
        #expect(pair.disks[0].right == .solo)
    }

    /// A pair whose nodes are at transaction 10, and node 0 knows it of node 1.
    @Test func `of a node that serves alone, and then made anew, is not copied over unsealed`() {
        var pair = FailoverPair.shipped()
        pair.ask(0, .disableHA(isForced: false), 40)
        pair.deliver()
        pair.tick(3)
        pair.start(0, isVaultMissing: true)
        let mark = pair.log.count

        pair.tell(0, .vaultFound(self.foreign, isOurs: false))
        let served = pair.effects(of: 0, since: mark)
        pair.tick(3)
        pair.ask(0, .enableHA(discardingPeerVault: false), 41)
        pair.deliver()
        pair.tick(5)

        // Durable before it is served.
        let persisted = served.firstIndex { if case .persist = $0 { true } else { false } }
        let opened = served.firstIndex { if case .openGate = $0 { true } else { false } }
        #expect(persisted != nil && opened != nil && (persisted ?? 1) < (opened ?? 0))
        #expect(pair.nodes[0].gate == .open)
        #expect(pair.seals(1, since: mark))
    }

    @Test func `is not opened by a forced disable-ha`() {
        var pair = FailoverPair.shipped()
        pair.start(0, isVaultMissing: true)
        pair.tell(0, .vaultFound(self.foreign, isOurs: false))
        pair.isCut = true
        pair.inFlight = []
        pair.tick(200)

        pair.ask(0, .disableHA(isForced: true), 50)

        let reply = Failover.Effect.reply(FailoverPair.operation(50), .refused(.vaultLost))
        #expect(pair.log.last?.effect == reply && pair.nodes[0].gate == .closed)
    }

    @Test func `that comes back after its node has given in is sealed`() {
        var pair = FailoverPair.shipped()
        pair.tick(900, only: [1])
        pair.start(0, isVaultMissing: true)
        pair.tick(3)
        let mark = pair.log.count
        #expect(pair.nodes[0].record.role == .secondary)

        // More lies there than the log has: what was committed while no daemon ran.
        pair.tell(0, .vaultSuspected)
        let late = Position(epoch: Epoch(rawValue: 2), txid: TXID(11), digest: .empty)
        pair.tell(0, .vaultFound(late, isOurs: false))
        pair.deliver()
        pair.tick(3)

        #expect(pair.seals(0, since: mark))
        #expect(pair.disks[0].quarantineReason == nil)
    }

    @Test func `is remembered by a node in doubt, too`() {
        var pair = FailoverPair.relinquished()
        pair.inFlight = []
        pair.isCut = true
        pair.start(0, isVaultMissing: true)

        pair.tell(0, .vaultFound(self.foreign, isOurs: false))
        pair.ask(0, .promote(isForced: true), 70)

        let reply = Failover.Effect.reply(FailoverPair.operation(70), .refused(.vaultLost))
        #expect(pair.log.last?.effect == reply && pair.nodes[0].gate == .closed)
        #expect(pair.disks[0].quarantineReason != nil)
        // The offer is withdrawn by that; the peer, which is armed, promotes itself.
        pair.isCut = false
        pair.tick(900)
        #expect(pair.nodes[1].gate == .open && pair.nodes[0].record.role == .secondary)
    }

    @Test func `that a secondary gets back while its primary is gone can be served by hand`() {
        var pair = FailoverPair.shipped()
        let position = pair.nodes[1].position
        pair.isCut = true
        pair.inFlight = []
        pair.tell(1, .vaultLost)
        pair.ask(1, .promote(isForced: true), 79)
        let gone = pair.log.last?.effect

        pair.tell(1, .vaultFound(position, isOurs: true))
        pair.tick(900, only: [1])
        let waiting = pair.nodes[1].record.role
        pair.ask(1, .promote(isForced: true), 80)

        #expect(gone == .reply(FailoverPair.operation(79), .refused(.vaultLost)))
        #expect(waiting == .secondary, "it was not armed any more")
        #expect(pair.nodes[1].record.role == .primary && pair.nodes[1].gate == .open)
    }

    @Test func `is known for another one on a node that was parked since`() {
        var pair = FailoverPair.shipped()
        pair.isCut = true
        pair.inFlight = []
        pair.tick(900, only: [1])
        pair.ask(1, .disableHA(isForced: true), 90)
        pair.tick(1, only: [1])
        pair.start(0, isVaultMissing: true)
        pair.tell(0, .vaultFound(self.foreign, isOurs: false))
        pair.isCut = false
        pair.tick(3)
        let parked = pair.nodes[0].nodeState
        let mark = pair.log.count

        pair.ask(1, .enableHA(discardingPeerVault: false), 91)
        pair.deliver()
        pair.tick(5)

        #expect(parked == .parked)
        #expect(pair.seals(0, since: mark))
    }

    @Test func `keeps its node from leading where both follow, and the other one leads`() {
        var pair = FailoverPair.protected()
        for node in [0, 1] {
            pair.disks[node].role = .secondary
            pair.disks[node].arming = .never
        }

        pair.start(0, isVaultMissing: true)
        pair.start(1)
        pair.deliver()
        pair.tick(10)

        #expect(pair.nodes[1].record.role == .primary && pair.nodes[1].gate == .open)
        #expect(pair.nodes[0].record.role == .secondary)
    }

    @Test(arguments: [true, false])
    func `that was replaced does not win against a promoted peer`(hasWritten: Bool) {
        var pair = FailoverPair.protected()
        let last = Position(epoch: pair.disks[0].epoch, txid: TXID(10), digest: .empty)
        for node in [0, 1] { pair.tell(node, .positionChanged(last)) }
        pair.isCut = true
        pair.tick(900, only: [1])
        if hasWritten { pair.tell(1, .positionChanged(last.next(in: pair.disks[1].epoch))) }

        pair.start(0)
        pair.tell(0, .continuityLost(after: last, isReplaced: true))
        pair.tell(0, .positionChanged(last.next(in: pair.disks[0].epoch)))
        pair.isCut = false
        pair.tick(5)

        #expect(pair.nodes[1].record.role == .primary && pair.nodes[1].gate == .open)
        #expect(pair.nodes[0].record.role == .secondary)
        #expect(pair.effects(of: 0).contains(.sealTail(after: nil)))
    }

    @Test func `loses to any other, whatever the epochs`() {
        func claim(
            _ epoch: UInt64,
            _ commits: UInt64,
            hasVault: Bool = true,
            isReplaced: Bool = false
        ) -> DualPrimary.Claim {
            DualPrimary.Claim(
                epoch: Epoch(rawValue: epoch),
                commits: commits,
                gateWasOpen: false,
                hasVault: hasVault,
                isReplaced: isReplaced
            )
        }
        let whole = claim(3, 0)
        let gone = claim(4, 9, hasVault: false)
        let (genuine, replaced) = (claim(3, 2), claim(4, 9, isReplaced: true))

        #expect(DualPrimary(mine: whole, theirs: gone) == .survive)
        #expect(DualPrimary(mine: gone, theirs: whole) == .yield)
        #expect(DualPrimary(mine: genuine, theirs: replaced) == .survive)
        #expect(DualPrimary(mine: replaced, theirs: genuine) == .yield)
    }
}

extension Position {
    /// The next transaction after this one.
    fileprivate func next(in epoch: Epoch) -> Position {
        Position(epoch: epoch, txid: self.txid.next, digest: self.digest)
    }
}
