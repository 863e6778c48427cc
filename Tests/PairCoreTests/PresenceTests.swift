import PairCore
import Testing

@Suite("Presence: what a node says of itself")
struct PresenceTests {
    @Test func `knows the page size of a vault that has one`() throws {
        let size = try #require(PageSize(byteCount: 8192))

        #expect(VaultContent.withTables(size).pageSize == size)
        #expect(VaultContent.withoutTables(size).pageSize == size)
        #expect(VaultContent.missing.pageSize == nil)
        #expect(VaultContent.unusable("not a database").pageSize == nil)
    }

    @Test func `tells a vault with tables from one in which nothing would be lost`() throws {
        let size = try #require(PageSize(byteCount: 4096))

        #expect(VaultContent.withTables(size) != .withoutTables(size))
    }
}

@Suite("Identifiers: 128 bits as text")
struct IdentifierTests {
    @Test func `are 32 digits, the high half first`() {
        let node = NodeID(high: 0x0123_4567_89ab_cdef, low: 1)

        #expect(node.description == "0123456789abcdef0000000000000001")
        #expect(NodeID(node.description) == node)
    }

    @Test(arguments: [
        "", "0123", String(repeating: "0", count: 31), String(repeating: "x", count: 32),
    ])
    func `are read from nothing else`(text: String) {
        #expect(PairID(text) == nil)
    }
}
