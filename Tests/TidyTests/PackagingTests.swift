import Foundation
import Testing

@Suite("Tidy: what is around the code")
struct PackagingTests {
    /// What the package depends on; another line here needs a decision record.
    static let dependencies = [
        "apple/swift-nio 2.101.2",
        "apple/swift-argument-parser 1.8.2",
        "apple/swift-log 1.16.2",
        "swift-server/swift-service-lifecycle 2.13.0",
        "jpsim/Yams 6.2.2",
        "HdrHistogram/hdrhistogram-swift 0.2.0",
    ]

    @Test func `depends on what was agreed, in exact versions`() throws {
        let manifest = try #require(SourceTree.file("Package.swift"))
        let declared = manifest.text
            .matches(
                of: /\.package\(\s*url: "https:\/\/github\.com\/([^"]+)",\s*exact: "([^"]+)"\s*\)/
            )
            .map { "\($0.1) \($0.2)" }

        #expect(declared == Self.dependencies)
        #expect(manifest.text.components(separatedBy: ".package(").count - 1 == declared.count)
    }

    @Test func `gives a reason for every dependency`() throws {
        let lines = try #require(SourceTree.file("Package.swift")).lines
        for (index, line) in lines.enumerated() where line.contains(".package(") {
            #expect(lines[index - 1].contains("// "), "Package.swift:\(index + 1): no reason above")
        }
    }

    @Test func `holds every Swift target to the same settings`() throws {
        let manifest = try #require(SourceTree.file("Package.swift")).text
        let targets = manifest.matches(
            of: /\.(?:target|executableTarget|testTarget)\(\s*name: "([^"]+)"/
        )
        let inC = ["CWALIndex"]
        for (index, target) in targets.enumerated() where !inC.contains(String(target.1)) {
            let end =
                index + 1 < targets.count ? targets[index + 1].range.lowerBound : manifest.endIndex
            let declaration = manifest[target.range.lowerBound..<end]
            #expect(
                declaration.contains("swiftSettings: strict")
                    || declaration.contains("swiftSettings: hot"),
                "\(target.1) is held to nothing"
            )
        }
        #expect(targets.count > 20)
    }

    @Test func `starts programs that are built here`() throws {
        for unit in SourceTree.texts where unit.name.hasSuffix(".service") {
            let manifest = try #require(SourceTree.file("Package.swift"))
            let programs = manifest.text
                .matches(of: /\.executableTarget\(\s*name: "([^"]+)"/).map { String($0.1) }
            let started = unit.lines.filter { $0.hasPrefix("Exec") }.compactMap { line in
                line.split(separator: "=", maxSplits: 1).last?.split(separator: " ").first?
                    .split(separator: "/").last.map(String.init)
            }

            #expect(!started.isEmpty, "\(unit.path) starts nothing")
            for program in started where program != "kill" {
                #expect(programs.contains(program), "\(unit.path) starts \(program)")
            }
        }
    }

    @Test func `speaks of units that exist`() {
        let units = SourceTree.texts.filter { $0.path.hasPrefix("systemd/") }
        let names = Set(units.map(\.name))
        for unit in units {
            for match in unit.text.matches(of: /\bpair[d-][a-z-]*\.(?:service|target|path)\b/) {
                #expect(names.contains(String(match.0)), "\(unit.path) speaks of \(match.0)")
            }
        }
    }

    @Test(.enabled(if: SourceTree.file("README.md") != nil))
    func `promises no command that nothing runs`() throws {
        let readme = try #require(SourceTree.file("README.md"))
        let runs = try #require(SourceTree.file(".ci/run")).text
        let tests = SourceTree.swift.filter(\.isTest).map(\.text).joined()
        let commands = Self.commands(in: readme)

        #expect(!commands.isEmpty)
        for command in commands where !runs.contains(command) && !tests.contains(command) {
            // A part of `swift test`, if it names a part that exists.
            let part = command.split(separator: " ").last ?? ""
            let isPart =
                command.hasPrefix("swift test --filter ")
                && SourceTree.swift.contains { $0.path.hasPrefix("Tests/\(part)") }
            #expect(isPart, "README.md: neither .ci/run nor a test runs: \(command)")
        }
    }

    @Test func `speaks of documents that are here`() {
        let names = Set(SourceTree.texts.map { $0.name.lowercased() })
        for file in SourceTree.texts where file.name != "PackagingTests.swift" {
            for (index, line) in file.lines.enumerated() {
                for match in line.matches(of: /[A-Za-z0-9-]+\.md\b/) {
                    let isHere = names.contains(match.0.lowercased())
                    #expect(isHere, "\(file.place(index)): there is no \(match.0)")
                }
            }
        }
    }

    @Test func `stands alone, wherever it is checked out`() {
        for file in SourceTree.texts {
            let places = [
                SourceTree.root.path, "../" + "shared", "/" + "home/", "/" + "Users/",
                "/" + "work/",
                "/" + "root/",
            ]
            for (index, line) in file.lines.enumerated() {
                for place in places where line.contains(place) {
                    Issue.record("\(file.place(index)): speaks of \(place)")
                }
            }
        }
    }

    /// Lines of the fenced shell blocks that call a tool of the toolchain or a script of ours.
    static func commands(in readme: SourceFile) -> [String] {
        var commands: [String] = []
        var isShell = false
        for line in readme.lines {
            if line.hasPrefix("```") {
                isShell = !isShell && ["```sh", "```bash", "```console", "```shell"].contains(line)
                continue
            }
            guard isShell else { continue }
            let command = line.prefix { $0 != "#" }.drop { $0 == "$" || $0 == " " }
            let text = String(command).trimmingCharacters(in: .whitespaces)
            if ["swift ", "pair-", "apt-get "].contains(where: { text.hasPrefix($0) }) {
                commands.append(text)
            }
        }
        return commands
    }
}
