import Foundation

/// Pages of the documentation, as they lie in the checkout.
enum Documents {
    static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: self.root.appending(path: path), encoding: .utf8)
    }

    /// The rows of the table below a heading, without its head.
    static func rows(_ page: String, afterHeading heading: String) throws -> [String] {
        let text = try self.text("Sources/PairCore/PairCore.docc/\(page).md")
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let start = lines.firstIndex(of: heading) else { return [] }
        let section = lines[(start + 1)...].prefix { !$0.hasPrefix("## ") }
        return Array(section.filter { $0.hasPrefix("|") }.dropFirst(2))
    }

    /// Every Swift file below a folder, as one text.
    static func code(below path: String, except names: Set<String>) throws -> String {
        let folder = self.root.appending(path: path)
        let files = try FileManager.default.contentsOfDirectory(
            at: folder,
            includingPropertiesForKeys: nil
        )
        return try files.filter {
            $0.pathExtension == "swift" && !names.contains($0.lastPathComponent)
        }.map { try String(contentsOf: $0, encoding: .utf8) }.joined(separator: "\n")
    }
}
