import Foundation
import PairCore
import Testing

@Suite("VaultDigest: the sum of all page hashes")
struct DigestTests {
    @Test(arguments: 1...8)
    func `is the same after any order of changes`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let hashes = (0..<200).map { _ in Self.hash(&generator) }

        let forwards = Self.digest(of: hashes)
        let shuffled = Self.digest(of: hashes.shuffled(using: &generator))

        #expect(forwards == shuffled)
        #expect(forwards != .empty)
    }

    @Test(arguments: 1...8)
    func `follows changes as if all pages were read again`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var pages = (0..<50).map { _ in Self.hash(&generator) }
        var kept = Self.digest(of: pages)

        for _ in 0..<500 {
            let old: PageHash
            let new: PageHash
            switch Int.random(in: 0..<4, using: &generator) {
            case 0:
                (old, new) = (.absent, Self.hash(&generator))
                pages.append(new)
            case 1 where !pages.isEmpty:
                (old, new) = (pages.removeLast(), .absent)
            default:
                guard let index = pages.indices.randomElement(using: &generator) else { continue }
                (old, new) = (pages[index], Self.hash(&generator))
                pages[index] = new
            }
            kept.replace(old, with: new)
        }

        #expect(kept == Self.digest(of: pages))
    }

    @Test func `sums lane by lane and carries nothing over`() {
        var digest = VaultDigest(.max, 0, 1, 2)

        digest.replace(PageHash(0, 1, 0, 0), with: PageHash(1, 0, 5, 0))

        #expect(digest == VaultDigest(0, .max, 6, 2))
    }

    @Test func `is empty again when every page is gone`() {
        var digest = VaultDigest.empty
        digest.replace(.absent, with: PageHash(1, 2, 3, 4))
        digest.replace(PageHash(1, 2, 3, 4), with: .absent)

        #expect(digest == .empty)
    }

    @Test func `differs when any lane does`() {
        let digest = VaultDigest(1, 2, 3, 4)
        let others = [
            VaultDigest(0, 2, 3, 4), VaultDigest(1, 0, 3, 4), VaultDigest(1, 2, 0, 4),
            VaultDigest(1, 2, 3, 0),
        ]

        #expect(!others.contains(digest))
    }

    @Test func `is written as 64 digits, and read again`() throws {
        let digest = VaultDigest(1, 0x0123_4567_89ab_cdef, .max, 0)
        let json = try JSONEncoder().encode([digest])

        #expect(
            digest.description == "0000000000000001" + "0123456789abcdef" + "ffffffffffffffff"
                + "0000000000000000"
        )
        #expect(try JSONDecoder().decode([VaultDigest].self, from: json) == [digest])
    }

    @Test(arguments: [
        "", "00", String(repeating: "0", count: 63), String(repeating: "g", count: 64),
    ])
    func `is not read from anything else`(text: String) throws {
        let json = try JSONEncoder().encode([text])

        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([VaultDigest].self, from: json)
        }
    }

    private static func hash(_ generator: inout SeededGenerator) -> PageHash {
        PageHash(generator.next(), generator.next(), generator.next(), generator.next())
    }

    private static func digest(of pages: [PageHash]) -> VaultDigest {
        pages.reduce(into: .empty) { $0.replace(.absent, with: $1) }
    }
}
