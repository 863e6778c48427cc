#if PLANTED_BUGS
    import PairCore
    import Testing

    /// The mistakes whose schedules are too rare for the simulator, which leaves them to this suite.
    @Suite("Failover: three mistakes made on purpose")
    struct PlantedBugTests {
        @Test func `acting on an offer that was called off promotes, and is seen`() throws {
            #expect(try self.roleAfterLateOffer(planting: nil) == .secondary)
            #expect(try self.roleAfterLateOffer(planting: .ignoreAbort) == .primary)
        }

        @Test func `a late heartbeat takes back a pledge, and is seen`() throws {
            #expect(try !self.isArmedAfterLateHeartbeat(planting: nil))
            #expect(try self.isArmedAfterLateHeartbeat(planting: .ignorePledge))
        }

        @Test func `a replayed heartbeat extends the timer, and is seen`() throws {
            #expect(try self.silenceAfterReplay(planting: nil) >= .seconds(100))
            #expect(try self.silenceAfterReplay(planting: .acceptReplay) < .seconds(5))
        }

        /// Node 0 offers, node 1 calls that off because it holds something else, and then the offer
        /// comes once more when node 1 holds what was offered.
        private func roleAfterLateOffer(planting bug: PlantedBug?) throws -> Role {
            var pair = FailoverPair.relinquished()
            pair.plant(bug, in: 1)
            guard case .statement(var offer) = try #require(pair.inFlight.last).message else {
                throw NoOffer()
            }
            pair.inFlight = []
            pair.tell(1, .positionChanged(Position(epoch: .none, txid: TXID(9), digest: .empty)))
            pair.tick(2)
            try #require(pair.disks[1].abortedOperations == [FailoverPair.operation(7)])
            pair.inFlight = []
            pair.tell(1, .positionChanged(offer.position))
            offer.number.n += 1_000_000
            pair.tell(1, .received(.statement(offer), fresh: pair.nonce()))
            return pair.disks[1].role
        }

        /// A heartbeat under way while node 1 pledges and is willing again, and node 0 has taken the
        /// pledge for its right to be alone.
        private func isArmedAfterLateHeartbeat(planting bug: PlantedBug?) throws -> Bool {
            var pair = FailoverPair.protected()
            pair.plant(bug, in: 1)
            var late: PeerMessage?
            var patience = 300
            while late == nil, patience > 0 {
                pair.tickWithoutDelivery(0)
                late = pair.inFlight.map(\.message).last { message in
                    if case .heartbeat = message { true } else { false }
                }
                if late != nil { pair.inFlight = [] } else { pair.deliver() }
                patience -= 1
            }
            let heartbeat = try #require(late)
            pair.ask(1, .suspend(for: .seconds(60)), 7)
            pair.ask(1, .resume, 8)
            for (node, message) in pair.inFlight where node == 0 {
                pair.tell(0, .received(message, fresh: pair.nonce()))
            }
            try #require(pair.disks[0].right == .solo)
            try #require(!pair.disks[1].arming.isArmed)
            pair.tell(1, .received(heartbeat, fresh: pair.nonce()))
            return pair.disks[1].arming.isArmed
        }

        /// 110 s after a heartbeat its twin comes, with a newer number and the nonce that was used.
        private func silenceAfterReplay(planting bug: PlantedBug?) throws -> Duration {
            var pair = FailoverPair.protected()
            pair.plant(bug, in: 1)
            guard var twin = pair.newestHeartbeat else { throw NoOffer() }
            pair.isCut = true
            pair.tick(110, only: [1])
            twin.number.n += 1_000_000
            pair.tell(1, .received(.heartbeat(twin), fresh: pair.nonce()))
            return pair.nodes[1].silence
        }

        /// The machine did not say what the test is about.
        private struct NoOffer: Error {}
    }
#endif
