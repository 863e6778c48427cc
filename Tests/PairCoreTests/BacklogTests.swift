import PairCore
import Testing

@Suite("Backlog: what is at risk now")
struct BacklogTests {
    @Test func `is empty when everything is acknowledged`() {
        var backlog = Backlog(acknowledged: TXID(5))
        backlog.append(TXID(6), byteCount: 100, at: Self.instant(1))
        backlog.append(TXID(8), byteCount: 50, at: Self.instant(2))

        backlog.acknowledge(TXID(8))

        #expect(backlog.transactions == 0)
        #expect(backlog.byteCount == 0)
        #expect(backlog.since == nil)
        #expect(backlog.acknowledged == TXID(8))
    }

    @Test func `tells how much waits, and since when`() {
        var backlog = Backlog(acknowledged: TXID(5))
        backlog.append(TXID(6), byteCount: 100, at: Self.instant(1))
        backlog.append(TXID(8), byteCount: 50, at: Self.instant(2))

        backlog.acknowledge(TXID(6))

        #expect(backlog.transactions == 2)
        #expect(backlog.byteCount == 50)
        #expect(backlog.since == Self.instant(2))
    }

    @Test func `counts an entry whole until its last transaction is acknowledged`() {
        var backlog = Backlog(acknowledged: .zero)
        backlog.append(TXID(10), byteCount: 1000, at: Self.instant(1))

        backlog.acknowledge(TXID(9))

        #expect(backlog.transactions == 1)
        #expect(backlog.byteCount == 1000)
        #expect(backlog.since == Self.instant(1))
    }

    @Test func `takes no note of what is acknowledged already`() {
        var backlog = Backlog(acknowledged: TXID(5))

        backlog.append(TXID(5), byteCount: 100, at: Self.instant(1))

        #expect(backlog == Backlog(acknowledged: TXID(5)))
    }

    @Test func `begins with what the peer is not known to have`() {
        var backlog = Backlog(
            acknowledged: TXID(5),
            last: TXID(9),
            byteCount: 400,
            since: Self.instant(1)
        )
        backlog.append(TXID(10), byteCount: 100, at: Self.instant(2))

        backlog.acknowledge(TXID(8))
        #expect(backlog.transactions == 2)
        #expect(backlog.byteCount == 500)
        #expect(backlog.since == Self.instant(1))
        backlog.acknowledge(TXID(9))
        #expect(backlog.transactions == 1)
        #expect(backlog.byteCount == 100)
        #expect(backlog.since == Self.instant(2))
    }

    @Test func `begins with nothing where the peer has all`() {
        let backlog = Backlog(
            acknowledged: TXID(9),
            last: TXID(9),
            byteCount: 400,
            since: Self.instant(1)
        )

        #expect(backlog == Backlog(acknowledged: TXID(9)))
    }

    @Test func `falls back to what the peer still has, since nobody knows when`() {
        var backlog = Backlog(acknowledged: TXID(5))
        backlog.append(TXID(9), byteCount: 100, at: Self.instant(1))
        backlog.acknowledge(TXID(9))

        backlog.fallBack(to: TXID(2), byteCount: 700)

        #expect(backlog.acknowledged == TXID(2))
        #expect(backlog.transactions == 7)
        #expect(backlog.byteCount == 700)
        #expect(backlog.since == nil)
        backlog.acknowledge(TXID(9))
        #expect(backlog.transactions == 0 && backlog.byteCount == 0)
    }

    @Test func `never goes back by what is acknowledged`() {
        var backlog = Backlog(acknowledged: TXID(5))
        backlog.acknowledge(TXID(3))

        #expect(backlog.acknowledged == TXID(5))
    }

    /// Every other seed acknowledges so seldom that entries must be merged.
    @Test(arguments: 1...16)
    func `never tells less than the truth, however long it grows`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var backlog = Backlog(acknowledged: .zero)
        var truth: [(txid: UInt64, byteCount: UInt64, since: Instant)] = []
        var newest: UInt64 = 0

        for step in 0..<6000 {
            if Int.random(in: 0..<(seed % 2 == 0 ? 20 : 1500), using: &generator) > 0 {
                let count = UInt64.random(in: 1...3, using: &generator)
                let bytes = UInt64.random(in: 1...4096, using: &generator)
                for offset in 1...count {
                    // The whole weight is on the last one: counted until that is acknowledged.
                    truth.append(
                        (newest + offset, offset == count ? bytes : 0, Self.instant(step))
                    )
                }
                newest += count
                backlog.append(TXID(newest), byteCount: Int(bytes), at: Self.instant(step))
            } else {
                let known = backlog.acknowledged.rawValue
                let reached = UInt64.random(in: known...newest, using: &generator)
                backlog.acknowledge(TXID(reached))
                truth.removeAll { $0.txid <= reached }
            }
            guard step % 16 == 0 else { continue }

            #expect(backlog.transactions == UInt64(truth.count))
            #expect(backlog.byteCount >= truth.reduce(0) { $0 + $1.byteCount })
            if let oldest = truth.first {
                #expect((backlog.since ?? Self.instant(.max)) <= oldest.since)
            }
        }

        backlog.acknowledge(TXID(newest))
        #expect(backlog.byteCount == 0 && backlog.since == nil)
    }

    @Test func `stays small while nothing is acknowledged`() {
        var backlog = Backlog(acknowledged: .zero)
        for txid in UInt64(1)...100_000 {
            backlog.append(TXID(txid), byteCount: 10, at: Self.instant(Int(txid)))
        }

        #expect(backlog.transactions == 100_000)
        #expect(backlog.byteCount == 1_000_000)
        #expect(backlog.since == Self.instant(1))
    }

    private static func instant(_ seconds: Int) -> Instant {
        Instant(sinceStart: .seconds(seconds))
    }
}
