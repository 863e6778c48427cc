import PairCore
import Testing

@Suite("SendWindow: how much may be under way")
struct SendWindowTests {
    @Test func `admits up to its limit`() {
        var window = SendWindow(limit: 100)
        window.send(60)

        #expect(window.admits(40))
        #expect(!window.admits(41))
    }

    @Test func `admits one message of any size when nothing is under way`() {
        var window = SendWindow(limit: 100)
        #expect(window.admits(5000))

        window.send(5000)

        #expect(window.underWay == 5000)
        #expect(!window.admits(1))
    }

    @Test func `opens again by what was taken`() {
        var window = SendWindow(limit: 100)
        window.send(100)

        let isTrue = window.acknowledge(70)

        #expect(isTrue)
        #expect(window.underWay == 30)
        #expect(window.admits(70))
        #expect(!window.admits(71))
    }

    @Test(arguments: [UInt64(49), 101, .max])
    func `believes no word that cannot be true`(taken: UInt64) {
        var window = SendWindow(limit: 100)
        window.send(100)
        _ = window.acknowledge(50)

        let isTrue = window.acknowledge(taken)

        #expect(!isTrue)
        #expect(window.taken == 50)
    }

    @Test(arguments: 1...8)
    func `is never exceeded by more than the one message that had to go`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var window = SendWindow(limit: 10_000)
        for _ in 0..<5000 {
            let byteCount = Int.random(in: 1...12_000, using: &generator)
            let before = window.underWay
            if window.admits(byteCount) {
                window.send(byteCount)
                #expect(window.underWay <= max(window.limit, before == 0 ? UInt64(byteCount) : 0))
            }
            let taken = UInt64.random(in: window.taken...window.sent, using: &generator)
            let isTrue = window.acknowledge(taken)
            #expect(isTrue)
        }
    }
}
