import PairCore
import Testing

@Suite("Failover: a timeout that changes while the pair works")
struct FailoverPolicyTests {
    private let short = Duration.seconds(300)
    private let long = Duration.seconds(840)

    @Test func `is made durable by the secondary before it answers`() throws {
        var pair = FailoverPair.protected(timeout: self.long)
        pair.log = []

        pair.configure(0, timeout: self.short)
        pair.tick(2)

        #expect(pair.disks.map(\.policy.timeout) == [self.short, self.short])
        let said = pair.log.filter { $0.node == 1 }.map(\.effect)
        let durable = try #require(
            said.firstIndex { effect in
                guard case .persist(let record) = effect else { return false }
                return record.policy.timeout == self.short
            }
        )
        let answered = try #require(
            said.firstIndex { effect in
                guard case .send(.heartbeat(let heartbeat)) = effect else { return false }
                return heartbeat.policy.timeout == self.short
            }
        )
        #expect(durable < answered)
    }

    @Test func `gives no longer lease before the secondary has answered`() {
        var pair = FailoverPair.protected(policy: .strict, timeout: self.short)
        pair.isCut = true

        pair.configure(0, timeout: self.long)
        pair.tick(300, only: [0])

        #expect(pair.nodes[0].gate == .closed)
        #expect(pair.disks[1].policy.timeout == self.short)
    }

    @Test func `holds for the secondary as soon as it has heard of it`() {
        var pair = FailoverPair.protected(policy: .strict, timeout: self.short)

        pair.configure(0, timeout: self.long)
        pair.tick(2)
        pair.isCut = true
        pair.tick(800)
        let patient = pair.disks[1].role
        pair.tick(60)

        #expect(patient == .secondary)
        #expect(pair.disks[1].role == .primary)
        #expect(pair.nodes[0].gate == .closed)
    }

    @Test func `shortens the lease of a primary that nobody answers`() {
        #expect(self.gatesOpenAfterUnansweredCut { _ in } == 1)
    }

    #if PLANTED_BUGS
        @Test func `would open two gates if it did not`() {
            #expect(self.gatesOpenAfterUnansweredCut { $0.plant(.keepLongLease, in: 0) } == 2)
            #expect(self.gateAfterLateAnswer { $0.plant(.keepLongLease, in: 0) } == .open)
        }
    #endif

    /// How many gates are open at most, when the secondary hears of a shorter timeout and its answer,
    /// with everything after it, is lost.
    private func gatesOpenAfterUnansweredCut(_ prepare: (inout FailoverPair) -> Void) -> Int {
        var pair = FailoverPair.protected(policy: .strict, timeout: self.long)
        prepare(&pair)
        pair.configure(0, timeout: self.short)
        pair.tell(0, .tick(FailoverPair.second))
        let said = pair.inFlight
        pair.inFlight = []
        for (node, message) in said where node == 1 {
            pair.tell(1, .received(message, fresh: pair.nonce()))
        }
        pair.inFlight = []
        pair.isCut = true
        var most = 0
        for _ in 0..<900 {
            pair.tick()
            most = max(most, pair.nodes.count { $0.gate == .open })
        }
        return most
    }

    @Test func `counts an answer to what was said before for no more than has been said since`() {
        #expect(self.gateAfterLateAnswer { _ in } == .closed)
    }

    @Test func `is the primary's word, and a secondary keeps it over restarts`() {
        var pair = FailoverPair.protected(timeout: self.long)
        pair.configure(1, timeout: self.short)
        #expect(pair.disks[1].policy.timeout == self.long)
        pair.isCut = true

        pair.start(1)
        pair.tick(800, only: [1])
        #expect(pair.disks[1].role == .secondary)
        pair.tick(60, only: [1])

        #expect(pair.disks[1].role == .primary)
        #expect(pair.disks[1].policy.timeout == self.short, "now its own file counts")
    }

    /// The gate 300 s after an answer that came late.
    ///
    /// Between the heartbeat and its answer the timeout was short for a moment, and the secondary may
    /// have heard of that.
    private func gateAfterLateAnswer(
        _ prepare: (inout FailoverPair) -> Void
    ) -> Failover.Gate {
        var pair = FailoverPair.protected(policy: .strict, timeout: self.long)
        prepare(&pair)
        let sent = pair.newestHeartbeat
        while pair.newestHeartbeat == sent {
            pair.inFlight = []
            pair.tickWithoutDelivery(0)
        }
        pair.configure(0, timeout: self.short)
        pair.configure(0, timeout: self.long)

        pair.deliver()
        pair.isCut = true
        pair.tick(300, only: [0])
        return pair.nodes[0].gate
    }
}
