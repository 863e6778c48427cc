import PairCore
import Testing

@Suite("LateHeartbeats: what a restart brings, and what is wrong")
struct LateHeartbeatsTests {
    private func times(_ seconds: [Int]) -> [Bool] {
        var late = LateHeartbeats()
        return seconds.map { late.note(at: Instant(sinceStart: .seconds($0))) }
    }

    @Test func `lets the few after a restart pass`() {
        #expect(self.times([0, 1, 2]) == [false, false, false])
    }

    @Test func `notices when they go on`() {
        #expect(self.times([0, 1, 2, 3, 4]) == [false, false, false, true, true])
    }

    @Test func `forgets what is long ago`() {
        #expect(self.times([0, 1, 2, 70, 71, 72]).allSatisfy { !$0 })
    }
}
