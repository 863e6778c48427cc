import PairCore
import Testing

@Suite("PairFacts: what is missing, and what may have happened out of sight")
struct PairFactsLossTests {
    private func facts(_ role: Role, _ state: NodeState, _ gate: GateState) -> PairFacts {
        PairFacts(
            role: role,
            state: state,
            gate: gate,
            names: PairFacts.Names(local: "ams-1", peer: "nyc-1"),
            silence: .seconds(30),
            timeout: .seconds(840),
            equalSince: .seconds(1),
            unacknowledgedFor: .zero,
            peerGate: nil,
            troubles: []
        )
    }

    @Test(arguments: [Role.primary, .standalone, .secondary])
    func `a vault that is gone comes before everything else`(role: Role) {
        var facts = self.facts(role, .starting, .closed)
        facts.vaultLoss = PairFacts.Reservation("it is gone", next: "put it back")

        let judgement = facts.judgement

        #expect(judgement.verdict == .down)
        #expect(judgement.reasons.first == "it is gone" && judgement.next == "put it back")
    }

    @Test func `a primary alone says what its armed peer does, or may have done`() {
        var facts = self.facts(.primary, .alone, .open)
        let unarmed = facts.judgement
        facts.mayPromotePeer = true
        let early = facts.judgement
        facts.silence = .seconds(900)
        let late = facts.judgement

        #expect(unarmed.reasons == ["nyc-1 is not connected for 30 s"])
        #expect(early.reasons.last == "nyc-1 promotes itself when it has heard nothing for 14m")
        #expect(late.reasons.last?.hasPrefix("nyc-1 may have promoted itself") == true)
        #expect([unarmed, early, late].allSatisfy { $0.verdict == .unprotected })
    }

    @Test func `a secondary that lacks commits of unknown age is no protection`() {
        var facts = self.facts(.primary, .streaming, .open)
        facts.silence = .zero
        #expect(facts.judgement.verdict == .protected)

        facts.isBehind = true

        #expect(facts.judgement.verdict == .unprotected)
        #expect(facts.judgement.reasons == ["nyc-1 does not have all yet"])
    }
}
