import PairCore
import Testing

@Suite("Failover: a switchover")
struct SwitchoverTests {
    @Test func `exchanges the roles with the marker before the record`() throws {
        var pair = FailoverPair.relinquished()
        let effects = pair.log.filter { $0.node == 0 }.map(\.effect)
        let relinquish = try #require(
            effects.firstIndex { effect in
                guard case .persist(let record) = effect else { return false }
                return record.relinquish != nil
            }
        )
        pair.deliver()
        pair.tick(3)

        #expect(effects[relinquish - 1] == .setMarker)
        #expect(pair.disks.map(\.role) == [.secondary, .primary])
        #expect(pair.disks[1].lineage.entries.last?.cause == .switchover)
        #expect(pair.disks[0].epoch == pair.disks[1].epoch)
        #expect(pair.disks[1].right == .leased)
    }

    @Test func `never acts on an offer that it has called off`() throws {
        var pair = FailoverPair.relinquished()
        let offer = try #require(pair.inFlight.last)
        pair.inFlight = []
        pair.tell(1, .positionChanged(Position(epoch: .none, txid: TXID(9), digest: .empty)))
        pair.tick(2)
        #expect(pair.disks[1].abortedOperations == [FailoverPair.operation(7)])

        pair.tell(1, .positionChanged(.start))
        guard case .statement(var statement) = offer.message else {
            Issue.record("the offer is no statement")
            return
        }
        statement.number.n += 1_000_000
        pair.tell(1, .received(.statement(statement), fresh: pair.nonce()))

        #expect(pair.disks[1].role == .secondary)
    }

    @Test func `stays closed in doubt until the peer has spoken, over restarts`() {
        var pair = FailoverPair.relinquished()
        pair.inFlight = []
        pair.isCut = true

        pair.tick(2_000, only: [0])
        pair.start(0)
        pair.tick(2_000, only: [0])

        #expect(pair.nodes[0].gate == .closed)
        #expect(pair.nodes[0].nodeState == .inDoubt)
        pair.isCut = false
        pair.tick(5)
        #expect(pair.nodes.filter { $0.gate == .open }.count == 1)
        #expect(pair.disks[1].role == .primary)
    }

    @Test func `is called off when the successor does not answer, and writers go on`() {
        var pair = FailoverPair.protected()
        pair.isCut = true

        pair.ask(0, .switchover, 7)
        pair.tick(10, only: [0])

        #expect(pair.nodes[0].gate == .open)
        #expect(pair.nodes[0].nodeState == .streaming)
        #expect(
            pair.log.contains { entry in
                entry.effect == .reply(FailoverPair.operation(7), .aborted)
            }
        )
    }

    @Test func `begins while the answer to a heartbeat is on its way`() {
        var pair = FailoverPair.protected()
        for _ in 0..<132 { pair.tickWithoutDelivery(0) }

        pair.ask(0, .switchover, 7)
        pair.tick(5)

        #expect(pair.disks.map(\.role) == [.secondary, .primary])
    }

    @Test(arguments: [Request.Verb.switchover, .promote(isForced: false)])
    func `typed on the secondary does the same`(verb: Request.Verb) throws {
        var pair = FailoverPair.protected()

        pair.ask(1, verb, 7)
        // What the primary said before it was asked says nothing about the request.
        pair.tell(0, .connected)
        pair.inFlight.sort { $0.to > $1.to }
        pair.tick(5)

        #expect(pair.disks.map(\.role) == [.secondary, .primary])
        let done = Failover.Effect.reply(FailoverPair.operation(7), .done)
        let answered = try #require(pair.log.firstIndex { $0.effect == done })
        let promoted = try #require(
            pair.log.firstIndex {
                if case .report(.promoted(_, .switchover)) = $0.effect { true } else { false }
            }
        )
        #expect(promoted < answered)
    }

    @Test func `typed on the secondary and called off is not done, and does not begin again`() {
        var pair = FailoverPair.protected()
        pair.isClosingSlowly = true
        pair.ask(1, .switchover, 7)
        pair.tick(60)

        #expect(pair.disks.map(\.role) == [.primary, .secondary])
        #expect(pair.nodes[0].gate == .open)
        let reply = pair.log.compactMap { entry -> Failover.Reply? in
            guard entry.node == 1, case .reply(_, let reply) = entry.effect else { return nil }
            return reply
        }
        #expect(reply.suffix(2) == [.started, .aborted])
        let starts = pair.log.count { $0.effect == .report(.switchoverStarted) }
        #expect(starts == 1)
    }
}

@Suite("Failover: switching HA off and on")
struct PairingTests {
    @Test(arguments: [0, 1])
    func `disable leaves the primary serving alone and the other parked`(node: Int) {
        var pair = FailoverPair.protected()

        pair.ask(node, .disableHA(isForced: false), 7)
        pair.tick(3)

        #expect(pair.disks.map(\.role) == [.standalone, .none])
        #expect(pair.nodes.map(\.gate) == [.open, .closed])
        #expect(!pair.disks[1].arming.isArmed)
    }

    @Test func `the two-step reversal ends with the roles exchanged`() {
        var pair = FailoverPair.protected()

        pair.ask(0, .disableHA(isForced: false), 7)
        pair.tick(3)
        pair.ask(1, .enableHA(discardingPeerVault: false), 8)
        pair.tick(10)

        #expect(pair.disks.map(\.role) == [.secondary, .primary])
        #expect(pair.disks[1].right == .leased)
    }

    @Test func `asking twice changes nothing`() {
        var pair = FailoverPair.protected()
        let before = pair.disks

        pair.ask(0, .enableHA(discardingPeerVault: false), 7)
        pair.deliver()

        #expect(pair.disks == before)
        #expect(
            pair.log.contains {
                $0.effect == .reply(FailoverPair.operation(7), .nothingToDo)
            }
        )
    }

    @Test func `is refused while the peer is out of sight`() {
        var pair = FailoverPair.protected()
        pair.isCut = true
        pair.tick(300, only: [0])

        pair.ask(0, .disableHA(isForced: false), 7)

        #expect(
            pair.log.contains {
                $0.effect
                    == .reply(FailoverPair.operation(7), .refused(.peerUnreachable))
            }
        )
        #expect(pair.disks[0].role == .primary)
    }
}
