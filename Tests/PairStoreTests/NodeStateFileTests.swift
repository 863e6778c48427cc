import Foundation
import PairCore
import PairStore
import TestThreads
import Testing

@Suite("The node's memory: two generations on the disk", .partOfMachine, .ownThreads)
struct NodeStateFileTests {
    let folder: TemporaryFolder

    init() throws { self.folder = try TemporaryFolder() }

    @Test func `remembers nothing at first`() throws {
        let file = try self.open()

        #expect(try file.load() == NodeStateFile.Loaded(record: nil, damage: nil))
    }

    @Test func `remembers the newest record over restarts`() throws {
        for incarnation in 1...5 {
            let file = try self.open()
            let loaded = try file.load()
            #expect(loaded.record?.incarnation ?? 0 == UInt64(incarnation - 1))
            #expect(loaded.damage == nil)
            try file.store(Self.record(UInt64(incarnation)))
        }
    }

    @Test func `falls back to the generation before when the newest is damaged`() throws {
        let file = try self.open()
        for incarnation in 1...3 { try file.store(Self.record(UInt64(incarnation))) }
        let whole = try Data(contentsOf: self.url("node.state"))

        for index in whole.indices {
            var bytes = whole
            bytes[index] ^= 0x10
            try bytes.write(to: self.url("node.state"))
            let loaded = try self.open().load()
            #expect(loaded.record == Self.record(2), "byte \(index)")
            #expect(loaded.damage != nil)
        }
        for count in whole.indices {
            try whole.prefix(count).write(to: self.url("node.state"))
            #expect(try self.open().load().record == Self.record(2))
        }
    }

    @Test func `never replaces the last whole generation by a damaged one`() throws {
        let file = try self.open()
        for incarnation in 1...2 { try file.store(Self.record(UInt64(incarnation))) }
        try Data("garbage".utf8).write(to: self.url("node.state"))

        let again = try self.open()
        #expect(try again.load().record == Self.record(1))
        try again.store(Self.record(7))

        try Data("garbage".utf8).write(to: self.url("node.state"))
        #expect(try self.open().load().record == Self.record(1))
    }

    @Test(arguments: [true, false])
    func `is whole whichever step of a write was the last`(afterRename: Bool) throws {
        let file = try self.open()
        for incarnation in 1...3 { try file.store(Self.record(UInt64(incarnation))) }
        // A crash between moving the newest away and putting the new one in its place.
        try FileManager.default.removeItem(at: self.url("node.state.previous"))
        try FileManager.default.moveItem(
            at: self.url("node.state"),
            to: self.url("node.state.previous")
        )
        if afterRename { try Data("torn".utf8).write(to: self.url("node.state.new")) }

        let again = try self.open()

        #expect(try again.load() == NodeStateFile.Loaded(record: Self.record(3), damage: nil))
        try again.store(Self.record(4))
        #expect(try self.open().load().record == Self.record(4))
    }

    @Test func `says so when nothing can be believed`() throws {
        let file = try self.open()
        for incarnation in 1...2 { try file.store(Self.record(UInt64(incarnation))) }
        try Data("garbage".utf8).write(to: self.url("node.state"))
        try Data().write(to: self.url("node.state.previous"))

        #expect(throws: NodeStateError.self) { try self.open().load() }
    }

    @Test func `refuses a folder that others can read`() throws {
        _ = try self.open()
        chmod(self.folder("state"), 0o755)

        let error = #expect(throws: NodeStateError.self) { try self.open() }

        #expect(error?.description.contains("chmod 700") == true)
    }

    private func open() throws -> NodeStateFile {
        try NodeStateFile(directory: self.folder("state"))
    }

    private func url(_ name: String) -> URL {
        URL(fileURLWithPath: self.folder("state/" + name))
    }

    private static func record(_ incarnation: UInt64) -> NodeRecord {
        var record = NodeRecord(
            identity: NodeRecord.Identity(node: NodeID(high: 1, low: 2), name: "a", model: "b")
        )
        record.incarnation = incarnation
        return record
    }
}
