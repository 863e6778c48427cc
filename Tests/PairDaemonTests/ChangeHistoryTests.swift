import Foundation
import PairCore
import PairDaemon
import Testing

@Suite("The history of changes")
struct ChangeHistoryTests {
    private let now = WallTime(secondsSince1970: 1_800_000_000)
    private let folder = FileManager.default.temporaryDirectory.path + "/history-\(UUID())"

    private func change(_ epoch: UInt64, at seconds: Int64 = 1_800_000_000) -> StatusReport.Change {
        StatusReport.Change(self.entry(epoch, at: seconds), ownerName: "ams-1", from: "nyc-1")
    }

    private func entry(_ epoch: UInt64, at seconds: Int64 = 1_800_000_000) -> LineageEntry {
        LineageEntry(
            epoch: Epoch(rawValue: epoch),
            owner: .zero,
            fork: Position(epoch: .none, txid: TXID(epoch * 10), digest: .empty),
            cause: .switchover,
            wallSeconds: seconds
        )
    }

    private func inFolder(_ body: (String) throws -> Void) throws {
        try FileManager.default.createDirectory(
            atPath: self.folder,
            withIntermediateDirectories: true
        )
        defer { try? FileManager.default.removeItem(atPath: self.folder) }
        try body(self.folder + "/history.jsonl")
    }

    private func loaded() throws -> ChangeHistory {
        var history = ChangeHistory(directory: self.folder)
        try history.load(at: self.now)
        return history
    }

    @Test func `outlives the daemon, with what came out later`() throws {
        try self.inFolder { _ in
            var history = try self.loaded()
            for epoch: UInt64 in [2, 3, 4] { history.note(self.change(epoch)) }
            try history.save()
            var amended = self.change(3)
            amended.by = "alice"
            amended.pausedSeconds = 0.084
            history.note(amended)
            #expect(try self.loaded().change(self.entry(3))?.by == nil, "not before it is saved")
            try history.save()

            let read = try self.loaded()

            #expect(read.changes == [self.change(2), amended, self.change(4)])
            #expect(read.changes == history.changes)
            #expect(read.change(self.entry(3))?.story == "switchover by alice, writes paused 84 ms")
            #expect(read.change(self.entry(5)) == nil)
        }
    }

    @Test func `loses no more than the line that a crash cut off`() throws {
        try self.inFolder { path in
            var history = try self.loaded()
            for epoch: UInt64 in [2, 3] { history.note(self.change(epoch)) }
            try history.save()
            let bytes = try Data(contentsOf: URL(filePath: path))
            try bytes.dropLast(20).write(to: URL(filePath: path))

            var cut = try self.loaded()
            #expect(cut.changes == [self.change(2)])
            cut.note(self.change(4))
            try cut.save()

            #expect(try self.loaded().changes == [self.change(2), self.change(4)])
        }
    }

    @Test func `keeps the newest ten thousand of five years`() throws {
        try self.inFolder { path in
            let encoder = JSONEncoder()
            let old = self.change(1, at: self.now.millisecondsSince1970 / 1000 - 6 * 365 * 86_400)
            let changes = [old] + (2...20_100).map { self.change($0) }
            var text = Data()
            for change in changes { text += try encoder.encode(change) + Data("\n".utf8) }
            try text.write(to: URL(filePath: path))

            let history = try self.loaded()

            #expect(history.changes == Array(changes.suffix(10_000)))
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 10_000)
        }
    }
}
