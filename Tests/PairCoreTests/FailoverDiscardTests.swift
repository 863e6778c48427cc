import PairCore
import Testing

@Suite("Failover: two nodes that each serve a vault of their own")
struct FailoverDiscardTests {
    private static func digest(_ number: UInt64) -> VaultDigest { VaultDigest(number, 0, 0, 0) }

    /// Both serve alone, and have written.
    private func strangers() -> FailoverPair {
        var pair = FailoverPair()
        pair.ask(0, .standalone, 1)
        pair.ask(1, .standalone, 2)
        for node in 0...1 {
            let position = Position(
                epoch: pair.disks[node].epoch,
                txid: TXID(UInt64(20 + node)),
                digest: Self.digest(UInt64(node + 1))
            )
            pair.tell(node, .positionChanged(position))
        }
        pair.deliver()
        return pair
    }

    private func effects(_ pair: FailoverPair, of node: Int) -> [Failover.Effect] {
        pair.log.filter { $0.node == node }.map(\.effect)
    }

    @Test func `refuse to give anything up unless they are told what`() {
        var pair = self.strangers()

        pair.ask(0, .enableHA(discardingPeerVault: false), 3)
        pair.tick(3)

        let reply = Failover.Effect.reply(FailoverPair.operation(3), .refused(.bothServe))
        #expect(self.effects(pair, of: 0).contains(reply))
        #expect(pair.disks.map(\.role) == [.standalone, .standalone])
    }

    @Test func `become a pair, and the vault that is given up is sealed whole before`() throws {
        var pair = self.strangers()

        pair.ask(0, .enableHA(discardingPeerVault: true), 3)
        pair.tick(3)

        #expect(pair.disks.map(\.role) == [.primary, .secondary])
        #expect(pair.nodes.map(\.gate) == [.open, .closed])
        #expect(pair.disks[0].epoch > pair.disks[1].epoch)
        let joiner = self.effects(pair, of: 1)
        #expect(joiner.contains(.sealTail(after: nil)))
        #expect(!joiner.contains { if case .takeCopy = $0 { true } else { false } })
        let marked = try #require(joiner.firstIndex(of: .setMarker))
        let closed = try #require(joiner.firstIndex(of: .closeGate))
        #expect(closed < marked)
    }

    @Test func `go on alone when the operator has changed his mind meanwhile`() {
        var pair = self.strangers()
        pair.isClosingSlowly = true
        pair.ask(0, .enableHA(discardingPeerVault: true), 3)
        pair.tick(1)
        #expect(pair.nodes[1].gate == .closing)

        pair.ask(0, .disableHA(isForced: false), 4)
        pair.tick(1)
        pair.tell(1, .gateClosed(pair.nodes[1].position))

        #expect(pair.disks.map(\.role) == [.standalone, .standalone])
        #expect(pair.nodes.map(\.gate) == [.open, .open])
    }

    @Test func `ask again after a restart`() {
        var pair = self.strangers()
        pair.isCut = true
        pair.ask(0, .enableHA(discardingPeerVault: true), 3)
        pair.start(0)
        pair.isCut = false

        pair.tick(70)

        #expect(pair.disks.map(\.role) == [.primary, .secondary])
    }
}

@Suite("Failover: a suspension")
struct FailoverSuspensionTests {
    @Test func `is known on both nodes, with its end and who asked for it`() throws {
        var pair = FailoverPair.protected()

        pair.ask(0, .suspend(for: .seconds(600)), 9)
        pair.deliver()
        pair.tick(10)

        let (mine, peers) = (pair.nodes[0].suspension, pair.nodes[1].suspension)
        #expect(mine?.by == "alice" && peers?.by == "alice")
        let difference = try #require(mine).remaining - #require(peers).remaining
        #expect(difference <= .seconds(1) && difference >= .seconds(-1))
        #expect(try #require(mine).remaining <= .seconds(591))
    }

    @Test func `is replaced by a later one, shorter or longer`() throws {
        var pair = FailoverPair.protected()
        for (number, seconds) in [(9, 600), (10, 6_000), (11, 60)] as [(UInt64, Int64)] {
            pair.ask(0, .suspend(for: .seconds(seconds)), number)
            pair.deliver()
            pair.tick(3)

            let remaining = try #require(pair.disks[1].suspension).remaining
            #expect(remaining <= .seconds(seconds) && remaining > .seconds(seconds - 10))
            let reply = Failover.Effect.reply(FailoverPair.operation(number), .done)
            #expect(pair.log.contains { $0.node == 0 && $0.effect == reply })
        }
    }

    @Test func `ends for the primary too when the secondary is out of sight`() {
        var pair = FailoverPair.protected()
        pair.ask(0, .suspend(for: .seconds(60)), 9)
        pair.deliver()
        pair.isCut = true

        pair.tick(30, only: [0])
        let before = pair.nodes[0].suspension
        pair.tick(40, only: [0])

        #expect(before != nil && pair.nodes[0].suspension == nil)
    }
}
