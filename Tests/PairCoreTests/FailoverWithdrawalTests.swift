import PairCore
import Testing

/// Operations that are held up, and how operators get out of them.
@Suite("Failover: an operation that is held up")
struct FailoverWithdrawalTests {
    /// Node 0 serves alone, and node 1, on which enable-ha was typed, is in sync; but an application
    /// keeps node 0's gate from closing.
    private func heldUp() -> FailoverPair {
        var pair = FailoverPair.protected()
        pair.ask(0, .disableHA(isForced: false), 10)
        pair.deliver()
        pair.tick(3)
        pair.isClosingSlowly = true
        pair.ask(1, .enableHA(discardingPeerVault: false), 11)
        pair.deliver()
        for _ in 0..<300 where pair.nodes[0].gate != .closing { pair.tick(1) }
        return pair
    }

    @Test(arguments: [0, 1])
    func `is ended by disable-ha on either node`(node: Int) {
        var pair = self.heldUp()
        #expect(pair.nodes[0].gate == .closing)

        pair.ask(node, .disableHA(isForced: false), 12)
        pair.deliver()
        pair.tick(5)

        #expect(pair.nodes[0].record.role == .standalone && pair.nodes[0].gate == .open)
        #expect(pair.nodes[1].record.role == .none)
        #expect(pair.replies(to: 11) == [.started, .aborted])
        #expect(pair.replies(to: 12) == [.started, .done])
    }

    @Test func `lets applications write between two tries`() {
        var pair = self.heldUp()
        let mark = pair.log.count

        pair.tick(60)

        let tries = pair.effects(of: 0, since: mark).count { $0 == .closeGate }
        #expect((1...6).contains(tries), "\(tries) tries in a minute")
        pair.isClosingSlowly = false
        pair.tick(30)
        #expect(pair.nodes[1].record.role == .primary && pair.nodes[1].gate == .open)
    }

    @Test func `is joined by the same verb`() {
        var pair = self.heldUp()

        pair.ask(1, .enableHA(discardingPeerVault: false), 12)
        pair.deliver()
        pair.tick(60)
        let early = pair.replies(to: 12)
        pair.isClosingSlowly = false
        pair.tick(60)

        #expect(early == [.started])
        #expect(pair.nodes[1].record.role == .primary)
        #expect(pair.replies(to: 12) == [.started, .done])
    }

    @Test func `is withdrawn by enable-ha when it switches HA off and the peer is away`() {
        var pair = FailoverPair.protected()
        pair.isCut = true
        pair.ask(0, .disableHA(isForced: false), 10)
        pair.tick(60)
        let waiting = pair.replies(to: 10)

        pair.tick(60)
        pair.isCut = false
        pair.tick(1, only: [0])
        pair.inFlight = []
        pair.ask(0, .enableHA(discardingPeerVault: false), 11)
        pair.tick(5)

        #expect(waiting == [.started])
        #expect(pair.replies(to: 10) == [.started, .aborted])
        #expect(pair.nodes[0].record.role == .primary && pair.disks[0].operation == nil)
        #expect(pair.nodes[1].record.role == .secondary)
    }

    @Test func `is withdrawn by enable-ha even before the peer is back`() {
        var pair = FailoverPair.protected()
        pair.isCut = true
        pair.ask(0, .disableHA(isForced: false), 10)
        pair.tick(200)
        pair.ask(0, .enableHA(discardingPeerVault: false), 11)
        pair.tick(200)
        pair.isCut = false
        pair.tick(60)

        #expect(pair.replies(to: 10) == [.started, .aborted])
        #expect(pair.replies(to: 11) == [.started, .done])
        #expect(pair.nodes[0].record.role == .primary && pair.disks[0].operation == nil)
        #expect(pair.nodes[1].record.role == .secondary)
    }

    @Test(arguments: [true, false])
    func `does without a peer that has just died, when a person vouches for that`(isLate: Bool) {
        var pair = FailoverPair.protected()
        pair.isCut = true
        if isLate {
            pair.ask(0, .disableHA(isForced: false), 9)
            pair.tick(3, only: [0])
        }

        pair.ask(0, .disableHA(isForced: true), 10)
        let early = pair.nodes[0].record.role
        pair.tick(10, only: [0])

        #expect((early, pair.nodes[0].record.role) == (.primary, .standalone))
        #expect(pair.replies(to: 10) == [.started, .done])
        #expect(pair.nodes[0].gate == .open)
        #expect(pair.disks[0].lineage.entries.last?.cause == .forced)
    }

    @Test func `is not done without the peer after a restart`() {
        var pair = FailoverPair.protected()
        pair.isCut = true
        pair.ask(0, .disableHA(isForced: true), 10)
        pair.tick(900, only: [1])
        let mark = pair.log.count

        pair.start(0)
        pair.isCut = false
        pair.tick(10)

        #expect(pair.nodes[1].record.role == .primary && pair.nodes[1].gate == .open)
        #expect(pair.nodes[0].record.role == .secondary)
        #expect(!pair.hasOpened(0, since: mark))
    }

    @Test(arguments: [2, 60])
    func `is not taken up again from a peer that had asked for it`(wait: Int) {
        var pair = FailoverPair.protected()
        pair.isClosingSlowly = true
        pair.ask(1, .enableHA(discardingPeerVault: false), 11)
        pair.deliver()
        for _ in 0..<300 where pair.nodes[0].gate != .closing { pair.tick(1) }
        pair.tick(wait)

        pair.ask(0, .disableHA(isForced: false), 12)
        pair.deliver()
        pair.isClosingSlowly = false
        pair.tick(60)

        #expect(pair.replies(to: 11) == [.started, .aborted])
        #expect(pair.replies(to: 12) == [.started, .done])
        #expect(pair.nodes[0].record.role == .standalone)
        #expect(pair.nodes[1].record.role == .none)
    }

    @Test func `is not carried out by a peer that hears of it too late`() {
        var pair = FailoverPair.protected()
        pair.ask(0, .disableHA(isForced: false), 10)
        pair.deliver()
        pair.tick(3)
        // Asked for, and withdrawn, while node 0 hangs; then it hears everything in order.
        pair.ask(1, .enableHA(discardingPeerVault: false), 11)
        pair.tickWithoutDelivery(1)
        pair.ask(1, .disableHA(isForced: false), 12)
        let answered = pair.replies(to: 12)

        pair.deliver()
        pair.tick(30)

        #expect(pair.replies(to: 11) == [.started, .aborted])
        #expect(answered == [.done])
        #expect(pair.nodes[0].record.role == .standalone && pair.nodes[0].gate == .open)
        #expect(pair.nodes[1].record.role == .none && pair.disks[0].operation == nil)
    }

    @Test func `ends with the primary's role`() {
        var pair = FailoverPair.protected()
        pair.isCut = true
        pair.ask(0, .disableHA(isForced: false), 10)
        pair.tick(900)
        pair.tell(
            1,
            .positionChanged(Position(epoch: Epoch(rawValue: 3), txid: TXID(9), digest: .empty))
        )

        pair.isCut = false
        pair.tick(10)

        #expect(pair.nodes[0].record.role == .secondary)
        #expect(pair.replies(to: 10) == [.started, .aborted])
    }

    @Test func `says what has held it up`() {
        var pair = FailoverPair.protected()
        pair.isClosingSlowly = true
        pair.ask(1, .switchover, 10)
        pair.deliver()
        pair.tick(10)

        #expect(pair.effects(of: 0).contains(.report(.switchoverAborted(.gateHeld))))
        #expect(pair.replies(to: 10) == [.started, .aborted])
        #expect(pair.nodes[0].gate == .open)
    }
}

/// A primary with the right to itself, whose peer a person has promoted behind its back.
@Suite("Failover: a restart with the right to itself")
struct FailoverSoloRestartTests {
    private func suspended() -> FailoverPair {
        var pair = FailoverPair.protected()
        pair.ask(1, .suspend(for: .seconds(36_000)), 10)
        pair.deliver()
        pair.tick(3)
        return pair
    }

    @Test func `opens when the peer has been heard to follow`() {
        var pair = self.suspended()

        pair.start(0)
        let early = pair.nodes[0].gate
        pair.deliver()

        #expect(pair.disks[0].right == .solo)
        #expect((early, pair.nodes[0].gate) == (.closed, .open))
    }

    @Test func `opens after a moment when nobody is heard`() {
        var pair = self.suspended()
        pair.isCut = true

        pair.start(0)
        pair.tick(4, only: [0])
        let early = pair.nodes[0].gate
        pair.tick(2, only: [0])

        #expect((early, pair.nodes[0].gate) == (.closed, .open))
    }

    @Test func `does not open against a peer that a person has promoted`() {
        var pair = self.suspended()
        let fork = Position(epoch: pair.disks[0].epoch, txid: TXID(10), digest: .empty)
        for node in [0, 1] { pair.tell(node, .positionChanged(fork)) }
        pair.isCut = true
        pair.ask(1, .promote(isForced: true), 11)
        pair.tick(3, only: [1])
        func commit(_ node: Int, _ pair: inout FailoverPair) {
            let here = Position(epoch: pair.disks[node].epoch, txid: TXID(11), digest: .empty)
            pair.tell(node, .positionChanged(here))
        }
        commit(1, &pair)

        let mark = pair.log.count
        pair.start(0)
        // What an application has committed while no daemon ran.
        pair.tell(0, .continuityLost(after: fork, isReplaced: false))
        commit(0, &pair)
        pair.isCut = false
        pair.tick(10)

        #expect(pair.nodes[1].record.role == .primary && pair.nodes[1].gate == .open)
        #expect(pair.nodes[0].record.role == .secondary)
        #expect(!pair.hasOpened(0, since: mark))
    }
}

/// High availability is switched on where one node serves alone, and the other is parked.
@Suite("Failover: an enable-ha")
struct FailoverEnablingTests {
    /// One node serves alone, and the other is parked.
    private func alone(_ serving: Int) -> FailoverPair {
        var pair = FailoverPair.shipped()
        pair.ask(0, .disableHA(isForced: false), 30)
        pair.deliver()
        pair.tick(5)
        if serving == 1 {
            pair.ask(1, .enableHA(discardingPeerVault: false), 31)
            pair.deliver()
            for _ in 0..<60 where pair.disks[1].role != .primary { pair.drain(0) }
            pair.tick(30)
            pair.ask(1, .disableHA(isForced: false), 32)
            pair.deliver()
            pair.tick(5)
        }
        #expect(pair.disks[serving].role == .standalone && pair.disks[1 - serving].role == .none)
        return pair
    }

    /// While they did not hear each other, an operator on each has said which vault is to be served.
    @Test(arguments: [0, 1])
    func `of two that were asked for at once one goes on`(serving: Int) {
        var pair = self.alone(serving)
        pair.isCut = true

        for node in [0, 1] {
            pair.ask(node, .enableHA(discardingPeerVault: false), 40 + UInt64(node))
        }
        pair.tick(30)
        pair.isCut = false
        for _ in 0..<60 { pair.drain(serving) }

        let roles = Set(pair.disks.map(\.role))
        #expect(roles == [.primary, .secondary], "\(pair.disks.map(\.role))")
    }

    @Test(arguments: [0, 1])
    func `of two that were asked for at once the one with a vault goes on`(serving: Int) {
        var pair = self.alone(serving)
        pair.isCut = true
        for node in [0, 1] {
            pair.ask(node, .enableHA(discardingPeerVault: false), 40 + UInt64(node))
        }
        pair.tell(serving, .vaultLost)
        pair.tick(30)

        let mark = pair.log.count
        pair.isCut = false
        for _ in 0..<60 { pair.drain(1 - serving) }

        #expect(!pair.hasOpened(serving, since: mark))
        #expect(pair.replies(to: 40 + UInt64(serving)) == [.started, .refused(.vaultLost)])
        #expect(pair.nodes[1 - serving].gate == .open)
        #expect(pair.disks[1 - serving].role == .primary)
        #expect(pair.disks[serving].role == .secondary)
        let copy = Failover.Effect.takeCopy(of: pair.disks[1 - serving].epoch)
        #expect(pair.effects(of: serving, since: mark).contains(copy))
    }

    /// - Parameter isJoined: the peer has joined for it, and has not been heard yet.
    @Test(arguments: [false, true], [false, true])
    func `is called off by the loss of the vault`(isJoined: Bool, isRestarted: Bool) {
        var pair = self.alone(0)
        pair.isCut = !isJoined
        pair.ask(0, .enableHA(discardingPeerVault: false), 40)
        while let index = pair.inFlight.firstIndex(where: { $0.to == 1 }) {
            let (node, message) = pair.inFlight.remove(at: index)
            pair.tell(node, .received(message, fresh: pair.nonce()))
        }
        #expect((pair.disks[1].role == .secondary) == isJoined)

        let mark = pair.log.count
        if isRestarted {
            pair.start(0, isVaultMissing: true)
        } else {
            pair.tell(0, .vaultLost)
        }
        pair.isCut = false
        pair.tick(10)

        #expect(pair.disks.map(\.role) == [.standalone, .none])
        #expect(pair.disks[0].operation == nil && pair.nodes[0].gate == .closed)
        #expect(!pair.hasOpened(0, since: mark))
    }
}
