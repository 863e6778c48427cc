import PairCore
import Testing

@Suite("The word that was meant")
struct NearMissTests {
    private let verbs = ["status", "switchover", "enable-ha", "disable-ha", "tail", "wait"]

    @Test(arguments: [
        ("swichover", "switchover"), ("Status", "status"), ("stauts", "status"),
        ("enableha", "enable-ha"), ("wiat", "wait"), ("wai", "wait"), ("explode", nil), ("", nil),
    ])
    func `is found when it is near`(typed: String, meant: String?) {
        #expect(NearMiss.of(typed, among: self.verbs) == meant)
    }

    @Test func `is nothing where there is nothing to choose from`() {
        #expect(NearMiss.of("status", among: []) == nil)
    }
}
