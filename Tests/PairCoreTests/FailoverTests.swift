import PairCore
import Testing

@Suite("Failover: a secondary whose primary falls silent")
struct SilentPrimaryTests {
    @Test func `makes its epoch durable before it opens the gate`() throws {
        var pair = FailoverPair.protected()
        let before = pair.log.count

        pair.tick(900, only: [1])

        let effects = pair.log[before...].filter { $0.node == 1 }.map(\.effect)
        let opened = try #require(
            effects.firstIndex { if case .openGate = $0 { true } else { false } }
        )
        let durable = try #require(
            effects.firstIndex { effect in
                guard case .persist(let record) = effect else { return false }
                return record.role == .primary
            }
        )
        #expect(durable < opened)
        #expect(effects[opened] == .openGate(under: pair.disks[1].epoch))
        #expect(pair.disks[1].epoch.owner == .one)
        #expect(pair.disks[1].lineage.entries.last?.cause == .failover)
    }

    @Test(arguments: [300, 840] as [Int])
    func `waits out the whole timeout and not much more`(seconds: Int) {
        var pair = FailoverPair.protected(timeout: .seconds(seconds))

        let silent = Int(pair.nodes[1].silence / .seconds(1))
        pair.tick(seconds - silent - 1, only: [1])
        let early = pair.disks[1].role
        pair.tick(4, only: [1])

        #expect(early == .secondary)
        #expect(pair.disks[1].role == .primary)
    }

    @Test func `shows every condition by its name`() {
        var pair = FailoverPair.protected()

        let unmet = pair.nodes[1].conditions.filter { !$0.isMet }.map(\.name)
        pair.tick(300, only: [1])

        #expect(unmet == [.silence, .listened])
        #expect(pair.nodes[1].conditions.filter { !$0.isMet }.map(\.name) == [.silence])
    }

    @Test func `does not count a jump of a clock as silence`() {
        var pair = FailoverPair.protected()
        let leap = Failover.Tick(
            shortest: .seconds(3600),
            longest: .seconds(3600),
            wallSeconds: 0
        )

        pair.tell(1, .tick(leap))

        #expect(pair.nodes[1].silence < .seconds(10))
        #expect(pair.disks[1].role == .secondary)
    }

    @Test func `counts as armed for its primary only when it has answered`() {
        var pair = FailoverPair.protected()
        #expect(pair.nodes[0].secondaryIsArmed && pair.nodes[1].secondaryIsArmed)
        pair.ask(1, .suspend(for: .seconds(100_000)), 9)
        pair.deliver()
        pair.tick(140)
        #expect(!pair.nodes[0].secondaryIsArmed)

        pair.ask(1, .resume, 10)
        for _ in 0..<300 where !pair.disks[1].arming.isArmed {
            #expect(!pair.nodes[0].secondaryIsArmed, "the secondary does not know of it yet")
            pair.tick()
        }
        pair.tick()

        #expect(pair.nodes[0].secondaryIsArmed && pair.nodes[1].secondaryIsArmed)
    }

    @Test func `promotes itself only when it is armed`() {
        var pair = FailoverPair.protected()
        pair.ask(1, .suspend(for: .seconds(100_000)), 9)

        pair.tick(2_000, only: [1])

        #expect(pair.disks[1].role == .secondary)
    }

    @Test func `tells the operator who forced it, with nobody else in sight`() {
        var pair = FailoverPair.protected()
        pair.isCut = true

        pair.ask(1, .promote(isForced: true), 9)

        #expect(pair.disks[1].role == .primary)
        let reply = Failover.Effect.reply(FailoverPair.operation(9), .done)
        #expect(pair.log.contains { $0.node == 1 && $0.effect == reply })
    }

    @Test func `tells the operator who forced it that the vault is not fit`() {
        var pair = FailoverPair.protected()
        pair.isCut = true
        pair.isCheckingVault = true
        pair.ask(1, .promote(isForced: true), 9)

        let effects = pair.tell(1, .vaultChecked(.unfit("the disk is full")))

        #expect(pair.disks[1].role == .secondary)
        #expect(effects.contains(.reply(FailoverPair.operation(9), .aborted)))
    }

    @Test func `tells the operator that it is the isolated one`() {
        var pair = FailoverPair.protected()
        let timing = pair.nodes[1].configuration.timing
        let configuration = Failover.Configuration(
            timing: timing,
            failover: .available,
            hasReach: true
        )
        pair.tell(1, .configured(configuration))
        pair.isCut = true
        pair.tick(850, only: [1])
        pair.ask(1, .promote(isForced: false), 9)

        let effects = pair.tell(1, .reachProbed(answered: false))

        #expect(pair.disks[1].role == .secondary)
        #expect(effects.contains(.reply(FailoverPair.operation(9), .aborted)))
    }

    @Test func `goes on following when the primary is heard in the middle of its check`() {
        var pair = FailoverPair.protected()
        pair.isCheckingVault = true
        pair.tick(900, only: [1])
        #expect(pair.nodes[1].nodeState == .promoting)

        pair.tick(140)
        pair.tell(1, .vaultChecked(.sound(pair.nodes[1].position)))

        #expect(pair.disks[1].role == .secondary)
        #expect(pair.disks[0].role == .primary)
    }
}

@Suite("Failover: a secondary whose log connection breaks")
struct InterruptedSecondaryTests {
    @Test func `goes on streaming for a while, and is suspect then`() {
        var pair = FailoverPair.protected()

        pair.tell(1, .logInterrupted)
        let atOnce = pair.nodes[1].nodeState
        pair.tick(4)
        let shortly = pair.nodes[1].nodeState
        pair.tick(2)

        #expect(atOnce == .streaming && shortly == .streaming)
        #expect(pair.nodes[1].nodeState == .suspect)
        #expect(pair.disks[1].arming.isArmed, "it keeps its right to promote itself")
    }

    @Test func `streams again when the log flows again`() {
        var pair = FailoverPair.protected()
        pair.tell(1, .logInterrupted)
        pair.tick(10)

        pair.tell(1, .logResumed)

        #expect(pair.nodes[1].nodeState == .streaming)
    }

    @Test func `asks how to rejoin when the primary refuses to go on`() {
        var pair = FailoverPair.protected()
        pair.tell(1, .logInterrupted)

        let effects = pair.tell(1, .logLost)

        #expect(effects.contains(.stopLog))
        #expect(pair.nodes[1].nodeState == .lookingForPeer)
        pair.tick(3)
        #expect(pair.nodes[1].nodeState == .streaming)
    }

    @Test func `promotes itself from there when the timeout has passed`() {
        var pair = FailoverPair.protected()
        pair.isCut = true
        pair.tell(1, .logInterrupted)

        pair.tick(830, only: [1])
        let suspect = pair.nodes[1].nodeState
        pair.tick(20, only: [1])

        #expect(suspect == .suspect)
        #expect(pair.disks[1].role == .primary)
        #expect(pair.disks[1].lineage.entries.last?.cause == .failover)
    }

    @Test func `follows the next epoch of its primary`() {
        var pair = FailoverPair.protected()
        pair.tell(1, .logInterrupted)

        pair.tell(0, .continuityLost(after: pair.nodes[0].position, isReplaced: false))
        pair.deliver()
        pair.tick(3)

        #expect(pair.disks[1].epoch == pair.disks[0].epoch)
        #expect(pair.nodes[1].nodeState == .streaming)
    }
}

@Suite("Failover: pledges and late messages")
struct PledgeTests {
    @Test func `a heartbeat delayed past the pledge cannot arm again`() throws {
        var pair = FailoverPair.protected()
        pair.isCut = true
        pair.tick(140, only: [0])
        let late = try #require(pair.newestHeartbeat)
        pair.isCut = false
        pair.ask(1, .suspend(for: .seconds(100_000)), 9)

        pair.tell(1, .received(.heartbeat(late), fresh: pair.nonce()))

        #expect(late.isArmed)
        #expect(!pair.disks[1].arming.isArmed)
        pair.tick(3)
        #expect(pair.disks[0].right == .solo)
        pair.ask(1, .resume, 10)
        pair.isCut = true
        pair.tick(2_000, only: [1])
        #expect(pair.disks[1].role == .secondary)
    }

    @Test func `the primary keeps its lease until the pledge has come`() {
        var pair = FailoverPair.protected()
        pair.isCut = true

        pair.ask(1, .suspend(for: .seconds(600)), 9)
        pair.tick(5)

        #expect(pair.disks[0].right == .leased)
    }

    @Test func `a used nonce extends nothing and gets the old answer`() throws {
        var pair = FailoverPair.protected()
        pair.tick(131)
        var again = try #require(pair.newestHeartbeat)
        pair.tick(50, only: [1])
        let silence = pair.nodes[1].silence
        again.number.n += 100

        let effects = pair.tell(1, .received(.heartbeat(again), fresh: pair.nonce()))

        let answers = effects.compactMap { effect -> UInt64? in
            guard case .send(.heartbeat(let answer)) = effect else { return nil }
            return answer.acknowledged
        }
        #expect(answers == [again.number.n - 100])
        #expect(pair.nodes[1].silence == silence)
    }

    @Test func `a heartbeat with a foreign nonce, an old epoch or a repeated number is refused`()
        throws
    {
        var pair = FailoverPair.protected()
        pair.tick(131)
        let genuine = try #require(pair.newestHeartbeat)
        pair.tick(50, only: [1])
        let silence = pair.nodes[1].silence
        var foreign = genuine
        foreign.number.n += 100
        foreign.nonce = Nonce(9, 9, 9, 9)
        var old = genuine
        old.number.n += 100
        old.epoch = Epoch(rawValue: 2)

        for forged in [foreign, old, genuine] {
            pair.tell(1, .received(.heartbeat(forged), fresh: pair.nonce()))
        }

        #expect(pair.nodes[1].silence == silence)
    }

    @Test func `the lease counts from the sending, however late the answer`() throws {
        var pair = FailoverPair.protected(policy: .strict)
        pair.tick(131)
        pair.isCut = true
        pair.tick(600, only: [0])
        let held = pair.inFlight
        pair.isCut = false
        let heartbeat = try #require(pair.newestHeartbeat)
        pair.tell(1, .received(.heartbeat(heartbeat), fresh: pair.nonce()))
        let answer = pair.inFlight
        pair.inFlight = held

        pair.tick(100, only: [0])
        pair.inFlight = answer
        pair.deliver()

        guard case .primary(let primary) = pair.nodes[0].state, let lease = primary.lease else {
            Issue.record("node 0 is not primary")
            return
        }
        #expect(lease.end <= pair.nodes[0].clock.longest + .seconds(840 - 100))
    }
}

@Suite("Failover: a primary and the end of its lease")
struct LeaseTests {
    @Test func `strict closes before the lease ends, and opens after an answer`() {
        var pair = FailoverPair.protected(policy: .strict)
        pair.isCut = true

        pair.tick(829, only: [0])
        let fenced = pair.nodes[0].gate
        pair.isCut = false
        pair.tick(3, only: [0])

        #expect(fenced == .closed)
        #expect(pair.nodes[0].gate == .open)
    }

    @Test func `available stays open, and remembers that it is alone`() {
        var pair = FailoverPair.protected()
        pair.isCut = true

        pair.tick(900, only: [0])

        #expect(pair.nodes[0].gate == .open)
        #expect(pair.disks[0].aloneSince != nil)
        pair.isCut = false
        pair.tick(3, only: [0])
        #expect(pair.disks[0].aloneSince == nil)
    }

    @Test func `a gap closes the gate before anything else`() throws {
        var pair = FailoverPair.protected()

        let effects = pair.tell(
            0,
            .tick(
                Failover.Tick(shortest: .seconds(1), longest: .seconds(20), wallSeconds: 0)
            )
        )

        #expect(effects.first == .closeGate)
    }

    @Test(arguments: [true, false])
    func `a secondary seals its copy before it takes a vault that was replaced`(isReplaced: Bool) {
        var pair = FailoverPair.protected()
        let last = pair.nodes[0].position

        pair.tell(0, .continuityLost(after: last, isReplaced: isReplaced))
        pair.tell(1, .logLost)
        pair.deliver()
        pair.tick(3)

        let effects = pair.log.filter { $0.node == 1 }.map(\.effect)
        #expect(effects.contains(.sealTail(after: nil)) == isReplaced)
        #expect(pair.disks[0].lineage.entries.last?.cause == (isReplaced ? .replaced : .gap))
    }

    @Test func `a restart looks for its peer with a closed gate`() {
        var pair = FailoverPair.protected()
        pair.isCut = true

        pair.start(0)
        pair.tick(600, only: [0])
        let alone = pair.nodes[0].gate
        pair.isCut = false
        pair.tick(3)

        #expect(alone == .closed)
        #expect(pair.nodes[0].gate == .open)
    }

    @Test func `a restart of one that already served alone opens after the search`() {
        var pair = FailoverPair.protected()
        pair.isCut = true
        pair.tick(900, only: [0])

        pair.start(0)
        pair.tick(255, only: [0])
        let searching = pair.nodes[0].gate
        pair.tick(10, only: [0])

        #expect(searching == .closed)
        #expect(pair.nodes[0].gate == .open)
    }

    @Test func `a request that is typed again replaces the one that is on its way`() throws {
        var pair = FailoverPair()
        pair.ask(0, .standalone, 1)
        pair.deliver()
        pair.ask(0, .enableHA(discardingPeerVault: false), 2)
        let earlier = try #require(pair.inFlight.last)
        pair.inFlight = []
        pair.ask(0, .enableHA(discardingPeerVault: false), 3)
        pair.inFlight = [earlier]

        pair.deliver()
        #expect(pair.disks[1].role == .secondary, "it joins for the earlier word")
        pair.tick(30)

        #expect(pair.disks.map(\.role) == [.primary, .secondary])
    }

    @Test(arguments: [
        Request.Verb.disableHA(isForced: false), .switchover, .enableHA(discardingPeerVault: false),
    ])
    func `a request that did not get through is not carried out later`(verb: Request.Verb) {
        var pair = FailoverPair.protected()
        pair.isCut = true
        pair.ask(1, verb, 7)
        pair.tick(30, only: [1])
        let aborted = Failover.Effect.reply(FailoverPair.operation(7), .aborted)
        #expect(pair.log.count { $0.effect == aborted } == 1)

        pair.isCut = false
        pair.tell(1, .connected)
        pair.tick(60)

        #expect(pair.disks.map(\.role) == [.primary, .secondary])
        #expect(pair.disks.allSatisfy { $0.operation == nil })
    }

    @Test func `a suspension stops a promotion that waits for the check of the vault`() {
        var pair = FailoverPair.protected()
        pair.isCut = true
        pair.isCheckingVault = true
        pair.tick(850, only: [1])
        #expect(pair.nodes[1].nodeState == .promoting)

        pair.ask(1, .suspend(for: .seconds(600)), 7)
        pair.tell(1, .vaultChecked(.sound(pair.nodes[1].position)))
        pair.tick(500, only: [1])

        #expect(pair.disks[1].role == .secondary && !pair.disks[1].arming.isArmed)
        #expect(pair.nodes[1].nodeState == .lookingForPeer)
    }
}
