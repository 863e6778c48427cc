import Testing

@Suite("Tidy: what a target may know")
struct LayoutTests {
    /// What each target may import besides the standard library and ``system``; an import that is not here is refused.
    ///
    /// Upwards: the pure targets, the edges that never import one another, the joins, the programs.
    static let arrows: [String: Set<String>] = [
        "PairCore": [],
        "PairWAL": ["PairCore"],
        "PairWire": ["PairCore"],
        "PairSim": ["PairCore", "PairWAL", "PairWire"],
        "PairStore": [
            "PairCore", "PairWAL", "CSQLite", "CWALIndex", "COpenSSL",
        ],
        "PairNet": [
            "PairCore", "PairWire", "COpenSSL", "NIOCore", "NIOPosix", "NIOHTTP1",
            "FoundationEssentials",
        ],
        "PairHost": ["PairCore"],
        "PairDaemon": [
            "PairCore", "PairWAL", "PairWire", "PairStore", "PairNet", "PairHost", "NIOCore",
            "NIOPosix", "Logging", "ServiceLifecycle", "UnixSignals", "Yams",
            "FoundationEssentials", "Foundation",
        ],
        "PairLab": [
            "PairCore", "PairWire", "PairNet", "Foundation", "FoundationEssentials",
        ],
        "paird": ["PairCore", "PairDaemon", "ArgumentParser"],
        "pairctl": [
            "PairCore", "PairWire", "PairNet", "ArgumentParser", "FoundationEssentials",
        ],
        "pair-sim": ["PairCore", "PairSim", "ArgumentParser"],
        "pair-lab": ["PairCore", "PairLab", "ArgumentParser"],
        "pair-bench": [
            "PairCore", "PairLab", "CSQLite", "Histogram", "ArgumentParser", "Foundation",
            "FoundationEssentials",
        ],
    ]

    /// The machine itself; open to all targets but the pure ones.
    static let system: Set<String> = ["Glibc", "Dispatch", "Synchronization"]

    static let pure: Set<String> = ["PairCore", "PairWAL", "PairWire", "PairSim"]

    static let sources = SourceTree.swift.filter { $0.target != nil }

    @Test func `finds the sources`() {
        #expect(Set(Self.sources.compactMap(\.target)).isSuperset(of: ["PairCore", "PairDaemon"]))
    }

    @Test func `imports only what its target may`() throws {
        for file in Self.sources {
            let target = try #require(file.target)
            let allowed = try #require(Self.arrows[target], "\(target) has no row in the table")
            let isPure = Self.pure.contains(target)
            for (index, line) in file.code.lines.enumerated() {
                guard let module = Self.module(importedBy: line) else { continue }
                #expect(
                    allowed.contains(module) || !isPure && Self.system.contains(module),
                    "\(file.place(index)): \(target) imports \(module)"
                )
            }
        }
    }

    @Test func `keeps clocks, chance, tasks and printing out of the pure targets`() {
        for file in Self.sources where Self.pure.contains(file.target ?? "") {
            let forbidden = [
                "ContinuousClock", "SuspendingClock", ".random(", ".shuffled()", ".randomElement()",
                "SystemRandomNumberGenerator", "Task {", "Task.", "async ", "await ", "print(",
                "debugPrint(", "dump(",
            ]
            for (index, line) in file.code.lines.enumerated() {
                for word in forbidden where line.contains(word) {
                    Issue.record("\(file.place(index)): \(word) in a pure target")
                }
            }
        }
    }

    @Test func `shares within the package and publishes nothing`() {
        for file in Self.sources {
            for (index, line) in file.code.lines.enumerated() {
                let isPublic = line.split(separator: " ").contains("public")
                #expect(!isPublic, "\(file.place(index)): package, internal or private")
            }
        }
    }

    @Test func `tests what others can call, and waits for conditions`() {
        for file in SourceTree.swift where file.isTest {
            for (index, line) in file.code.lines.enumerated() {
                #expect(!line.contains("@testable"), "\(file.place(index)): @testable")
                let words = line.split { !$0.isLetter && !$0.isNumber }
                for word in ["sleep", "usleep", "nanosleep"] where words.contains(Substring(word)) {
                    // A fault at a random moment is the test's own doing, not a guess.
                    if line.contains(".random(in:") { continue }
                    // Between two looks at a condition it is a wait, not a guess.
                    let isBetweenLooks = file.code.lines[max(0, index - 3)..<index].contains {
                        $0.contains("while ")
                    }
                    #expect(isBetweenLooks, "\(file.place(index)): \(word) without a condition")
                }
            }
        }
    }

    /// The module of an `import` line, whatever stands before the keyword.
    private static func module(importedBy line: Substring) -> String? {
        let words = line.split(separator: " ")
        guard let index = words.firstIndex(of: "import"),
            words[..<index].allSatisfy({
                ["package", "internal", "private", "fileprivate", "public", "@preconcurrency"]
                    .contains($0)
            }), let name = words[(index + 1)...].last
        else { return nil }
        return name.split(separator: ".").first.map(String.init)
    }
}
