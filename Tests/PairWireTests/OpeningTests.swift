import PairCore
import PairWire
import TestThreads
import Testing

@Suite("Opening: the first message on a connection", .ownThreads)
struct OpeningTests {
    private func opening(
        _ purpose: ConnectionPurpose = .log,
        _ versions: ProtocolRange = .supported
    ) -> Opening {
        Opening(
            versions: versions,
            purpose: purpose,
            node: NodeID(high: 1, low: 2),
            pair: PairID(high: 3, low: 4),
            incarnation: 5,
            nonce: Array(0..<32)
        )
    }

    @Test(arguments: ConnectionPurpose.allCases)
    func `comes back as it was`(purpose: ConnectionPurpose) throws {
        let opening = self.opening(purpose)

        #expect(try Opening(decoding: opening.encoded()) == opening)
    }

    @Test func `refuses whatever is cut`() {
        let bytes = self.opening().encoded()

        for count in 0..<bytes.count {
            #expect(throws: ByteError.self) { try Opening(decoding: Array(bytes.prefix(count))) }
        }
    }

    @Test func `does not mind what a later version says after it`() throws {
        let opening = self.opening()

        #expect(try Opening(decoding: opening.encoded() + [1, 2, 3]) == opening)
    }

    @Test func `refuses a purpose nobody knows and a range without a version`() {
        var unknown = self.opening().encoded()
        unknown[4] = 9
        var empty = self.opening().encoded()
        empty[2] = 0

        #expect(throws: ByteError.outOfRange(field: "purpose", value: 9)) {
            try Opening(decoding: unknown)
        }
        #expect(throws: ByteError.outOfRange(field: "maximum version", value: 0)) {
            try Opening(decoding: empty)
        }
    }

    @Test func `agrees on the newest version that both speak`() throws {
        let old = try #require(ProtocolRange(minimum: 1, maximum: 3))
        let new = try #require(ProtocolRange(minimum: 2, maximum: 5))
        let newest = try #require(ProtocolRange(minimum: 4, maximum: 5))

        #expect(old.newestCommon(with: new) == 3)
        #expect(new.newestCommon(with: old) == 3)
        #expect(old.newestCommon(with: newest) == nil)
        #expect(old.raised(to: 3)?.minimum == 3)
        #expect(old.raised(to: 4) == nil)
    }

    @Test(arguments: 1...7)
    func `spells every refusal`(value: Int) throws {
        let refusal = try OpeningRefusal(decoding: [UInt8(value)])

        #expect(refusal.encoded() == [UInt8(value)])
        #expect(!refusal.description.isEmpty)
    }
}
