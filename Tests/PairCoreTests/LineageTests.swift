import PairCore
import Testing

@Suite("Lineage: which history this is")
struct LineageTests {
    @Test func `knows its epochs and the one before all`() {
        let lineage = Lineage([Self.entry(2, at: 0), Self.entry(5, at: 10)])

        #expect(lineage.epoch == Epoch(rawValue: 5))
        #expect(lineage.contains(.none))
        #expect(lineage.contains(Epoch(rawValue: 2)))
        #expect(!lineage.contains(Epoch(rawValue: 3)))
        #expect(Lineage.empty.epoch == .none)
    }

    @Test func `tells two changes apart that were counted alike`() {
        let common = Self.entry(2, at: 0)
        var other = Self.entry(4, at: 10)
        let mine = Lineage([common, other])
        other.wallSeconds += 1
        let later = Lineage([common, other])
        other.wallSeconds -= 1
        other.cause = .disable
        let another = Lineage([common, other])

        for theirs in [later, another] {
            #expect(mine.fork(from: theirs)?.txid == TXID(10))
            #expect(!mine.includes(theirs) && mine.shares(theirs))
        }
        #expect(mine.includes(mine))
    }

    @Test func `grows upwards`() {
        var lineage = Lineage.empty
        lineage.append(Self.entry(2, at: 0))
        lineage.append(Self.entry(3, at: 10))

        #expect(lineage == Lineage([Self.entry(2, at: 0), Self.entry(3, at: 10)]))
    }

    @Test func `remembers the newest changes when there have been very many`() {
        var lineage = Lineage.empty
        for number in 1...600 { lineage.append(Self.entry(UInt64(number), at: UInt64(number))) }

        #expect(lineage.entries.count == Lineage.longest)
        #expect(lineage.epoch == Epoch(rawValue: 600))
        #expect(lineage.contains(Epoch(rawValue: 3)), "forgotten, not foreign")
        #expect(!lineage.contains(Epoch(rawValue: 601)))
    }

    @Test func `finds the fork of two that remember different lengths of one history`() {
        var behind = Lineage.empty
        for number in 1...500 { behind.append(Self.entry(UInt64(number), at: UInt64(number))) }
        var ahead = behind
        for number in 501...600 { ahead.append(Self.entry(UInt64(number), at: UInt64(number))) }

        #expect(ahead.fork(from: behind) == Self.position(501))
        #expect(behind.fork(from: ahead) == Self.position(501))
        #expect(ahead.includes(behind) && !behind.includes(ahead))
    }

    @Test func `has nothing in common with one from before all that it remembers`() {
        let behind = Lineage([Self.entry(1, at: 1), Self.entry(2, at: 2)])
        var ahead = behind
        for number in 3...600 { ahead.append(Self.entry(UInt64(number), at: UInt64(number))) }

        #expect(!ahead.shares(behind) && !ahead.includes(behind))
        #expect(ahead.fork(from: behind) == Self.position(1))
        #expect(behind.fork(from: ahead) == Self.position(1))
    }

    @Test func `is not another one that only counts alike`() {
        let mine = Lineage([Self.entry(2, at: 1)])
        let theirs = Lineage([Self.entry(2, at: 9)])

        #expect(!mine.shares(theirs) && !mine.includes(theirs))
        #expect(mine.includes(.empty))
    }

    @Test func `does not part from itself`() {
        let lineage = Lineage([Self.entry(2, at: 0), Self.entry(3, at: 10)])

        #expect(lineage.fork(from: lineage) == nil)
        #expect(Lineage.empty.fork(from: .empty) == nil)
    }

    @Test func `parts from a shorter one where it went on`() {
        let short = Lineage([Self.entry(2, at: 0)])
        let long = Lineage([Self.entry(2, at: 0), Self.entry(3, at: 10), Self.entry(5, at: 20)])

        #expect(long.fork(from: short) == Self.position(10))
        #expect(short.fork(from: long) == Self.position(10))
    }

    @Test func `parts at the earlier of two forks`() {
        let mine = Lineage([Self.entry(2, at: 0), Self.entry(4, at: 30)])
        let theirs = Lineage([Self.entry(2, at: 0), Self.entry(3, at: 10)])

        #expect(mine.fork(from: theirs) == Self.position(10))
        #expect(theirs.fork(from: mine) == Self.position(10))
    }

    @Test func `parts where one epoch began at two positions`() {
        let mine = Lineage([Self.entry(2, at: 5)])
        let theirs = Lineage([Self.entry(2, at: 7)])

        #expect(mine.fork(from: theirs) == Self.position(5))
        #expect(theirs.fork(from: mine) == Self.position(5))
    }

    @Test(arguments: 1...16)
    func `parts at one place, seen from either side`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let shared = Self.entries(after: 0, at: 0, &generator)
            let epoch = shared.last?.epoch.rawValue ?? 0
            let txid = shared.last?.fork.txid.rawValue ?? 0
            let one = Lineage(shared + Self.entries(after: epoch, at: txid, &generator))
            let two = Lineage(shared + Self.entries(after: epoch, at: txid, &generator))

            let fork = one.fork(from: two)

            #expect(fork == two.fork(from: one))
            #expect((fork == nil) == (one == two))
            if let fork, let last = shared.last { #expect(fork.txid >= last.fork.txid) }
        }
    }

    private static func entries(
        after epoch: UInt64,
        at txid: UInt64,
        _ generator: inout SeededGenerator
    ) -> [LineageEntry] {
        var (epoch, txid) = (epoch, txid)
        return (0..<Int.random(in: 0...3, using: &generator)).map { _ in
            epoch += UInt64.random(in: 1...3, using: &generator)
            txid += UInt64.random(in: 0...50, using: &generator)
            return Self.entry(epoch, at: txid)
        }
    }

    private static func position(_ txid: UInt64) -> Position {
        Position(
            epoch: Epoch(rawValue: 1),
            txid: TXID(txid),
            digest: VaultDigest(txid, 0, 0, 0)
        )
    }

    private static func entry(_ epoch: UInt64, at txid: UInt64) -> LineageEntry {
        LineageEntry(
            epoch: Epoch(rawValue: epoch),
            owner: epoch % 2 == 0 ? .zero : .one,
            fork: Self.position(txid),
            cause: .enable,
            wallSeconds: 0
        )
    }
}
