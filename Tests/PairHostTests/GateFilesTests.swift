import Foundation
import PairCore
import PairHost
import Testing

@Suite("Gate files: what systemd's path units see")
struct GateFilesTests {
    @Test func `shows exactly one file, and none while the vault is left alone`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "gate-\(UUID().uuidString)"
        )
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = GateFiles(directory: folder.path)
        func names() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: folder.path)
        }

        try files.show(.open)
        #expect(try names() == ["gate-open"])
        try files.show(.closed)
        #expect(try names() == ["gate-closed"])
        try files.show(.closed)
        #expect(try names() == ["gate-closed"])
        try files.show(.unmanaged)
        #expect(try names().isEmpty)
    }

    @Test func `names the call and the file when it cannot write`() {
        let files = GateFiles(directory: "/nonexistent-folder")

        #expect(throws: GateFileError.self) { try files.show(.open) }
    }
}
