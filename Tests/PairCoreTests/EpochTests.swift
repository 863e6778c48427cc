import PairCore
import Testing

@Suite("Epoch: whose turn it is")
struct EpochTests {
    @Test(arguments: [
        (0, NodeBit.zero, 2), (0, .one, 1), (1, .zero, 2), (1, .one, 3), (2, .zero, 4),
        (2, .one, 3), (7, .zero, 8), (7, .one, 9),
    ])
    func `goes on with the smallest number that the node owns`(
        epoch: UInt64,
        node: NodeBit,
        next: UInt64
    ) {
        #expect(Epoch(rawValue: epoch).next(ownedBy: node) == Epoch(rawValue: next))
    }

    @Test func `is never taken by both nodes, even when both promote themselves`() {
        for rawValue in UInt64(0)..<1000 {
            let epoch = Epoch(rawValue: rawValue)
            let mine = epoch.next(ownedBy: .zero)
            let theirs = epoch.next(ownedBy: .one)

            #expect(mine != theirs)
            #expect(mine > epoch && theirs > epoch)
            #expect(mine.owner == .zero && theirs.owner == .one)
        }
    }

    @Test func `belongs to nobody before the first`() {
        #expect(Epoch.none.owner == nil)
        #expect(Epoch.none < Epoch(rawValue: 1))
    }

    @Test func `is written as its number`() {
        #expect("\(Epoch(rawValue: 7))" == "7")
    }
}

@Suite("TXID: how far a history has got")
struct TXIDTests {
    @Test func `counts without gaps`() {
        #expect(TXID.zero.next == TXID(1))
        #expect(TXID(7).advanced(by: 3) == TXID(10))
        #expect("\(TXID(991_823))" == "991823")
    }

    @Test func `knows how far it is ahead, and nothing about how far behind`() {
        #expect(TXID(10).distance(from: TXID(7)) == 3)
        #expect(TXID(7).distance(from: TXID(7)) == 0)
        #expect(TXID(7).distance(from: TXID(10)) == 0)
        #expect(TXID(.max).distance(from: .zero) == .max)
    }
}

@Suite("PageSize: what SQLite can have")
struct PageSizeTests {
    @Test(arguments: [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536])
    func `knows every size and its logarithm`(byteCount: Int) throws {
        let size = try #require(PageSize(byteCount: byteCount))

        #expect(1 << Int(size.log2) == byteCount)
    }

    @Test(arguments: [0, -4096, 256, 513, 4095, 6144, 131_072, .max, .min])
    func `refuses every other`(byteCount: Int) {
        #expect(PageSize(byteCount: byteCount) == nil)
    }

    @Test func `leaves out the page of the lock bytes`() throws {
        let small = try #require(PageSize(byteCount: 512))
        let usual = try #require(PageSize(byteCount: 4096))
        let large = try #require(PageSize(byteCount: 65_536))

        #expect(small.lockPage == PageNumber(2_097_153))
        #expect(usual.lockPage == PageNumber(262_145))
        #expect(large.lockPage == PageNumber(16_385))
    }
}
