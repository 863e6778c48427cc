import Foundation

/// The checkout that this test was built from.
enum SourceTree {
    /// The folder that holds `Sources`.
    static let root: URL = {
        var folder = URL(filePath: #filePath).deletingLastPathComponent()
        while !FileManager.default.fileExists(atPath: folder.appending(path: "Sources").path),
            folder.path != "/"
        {
            folder.deleteLastPathComponent()
        }
        return folder
    }()

    /// Every text that is ours: the known folders and files, nothing that a build or an editor left.
    static let texts: [SourceFile] = {
        var files = ["Sources", "Tests", "etc", "systemd", ".ci"].flatMap { Self.files(under: $0) }
        for name in ["Package.swift", "README.md", ".swift-format", ".editorconfig", ".gitignore"] {
            if let file = Self.file(name) { files.append(file) }
        }
        return files
    }()

    static let swift: [SourceFile] = Self.texts.filter { $0.path.hasSuffix(".swift") }

    /// One file by its path below ``root``; `nil` when it is not there or not text.
    static func file(_ path: String) -> SourceFile? {
        let url = Self.root.appending(path: path)
        guard let text = try? String(contentsOf: url, encoding: .utf8) else { return nil }
        return SourceFile(path: path, text: text)
    }

    private static func files(under folder: String) -> [SourceFile] {
        let url = Self.root.appending(path: folder).resolvingSymlinksInPath()
        guard let walk = FileManager.default.enumerator(atPath: url.path) else { return [] }
        return walk.compactMap { $0 as? String }.sorted().compactMap { name in
            (try? String(contentsOf: url.appending(path: name), encoding: .utf8))
                .map { SourceFile(path: folder + "/" + name, text: $0) }
        }
    }
}

/// A text and where it lies below the checkout's root.
struct SourceFile: Sendable {
    let path: String
    let text: String
    let lines: [Substring]
    /// Of a Swift file; of others no lines.
    let code: SwiftCode

    init(path: String, text: String) {
        self.path = path
        self.text = text
        self.lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        self.code = SwiftCode(path.hasSuffix(".swift") ? text : "")
    }

    var name: String { self.path.split(separator: "/").last.map(String.init) ?? self.path }

    /// The target that a file below `Sources` belongs to.
    var target: String? {
        let parts = self.path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }

    var isTest: Bool { self.path.hasPrefix("Tests/") }

    /// `path:line`, as an editor takes it.
    func place(_ index: Int) -> String { "\(self.path):\(index + 1)" }
}
