import Testing

@Suite("Tidy: one word per thing")
struct VocabularyTests {
    /// Words of other products for what the glossary names, and promises to come back later.
    static let forbidden: [String: String] = Dictionary(
        uniqueKeysWithValues: [
            ("master", "primary"), ("masters", "primary"), ("slave", "secondary"),
            ("slaves", "secondary"), ("standby", "secondary"),
            ("replica", "secondary"), ("replicas", "secondary"), ("lsn", "TXID"), ("lsns", "TXID"),
            ("partner", "peer"), ("partners", "peer"), ("timeline", "lineage"),
            ("timelines", "lineage"), ("failback", "a second switchover"),
            ("fixme", "a finished line"), ("todo", "a finished line"),
        ])

    @Test func `uses the glossary's words`() {
        for file in SourceTree.texts where file.name != "Glossary.md" {
            // A test may well say what is refused: there only its own names count.
            let lines = file.isTest ? file.code.lines : file.lines
            for (index, line) in lines.enumerated() {
                for word in Self.words(in: line) {
                    if let better = Self.forbidden[word] {
                        Issue.record("\(file.place(index)): '\(word)'; the glossary says \(better)")
                    }
                }
            }
        }
    }

    @Test func `names no state after two primaries`() {
        for file in SourceTree.swift {
            let name = "splitbrain"
            for (index, line) in file.code.lines.enumerated() {
                let letters = String(line.filter { $0.isLetter || $0 == "_" }).lowercased()
                #expect(
                    !letters.replacing("_", with: "").contains(name),
                    "\(file.place(index)): a name for what must never be"
                )
            }
        }
    }

    @Test func `forces nothing and names no catch-all`() {
        for file in SourceTree.swift {
            let endings = ["Manager", "Helper", "Helpers", "Utils", "Utilities", "Impl", "Common"]
            for (index, line) in file.code.lines.enumerated() {
                #expect(!line.contains("try!"), "\(file.place(index)): try!")
                #expect(
                    !line.contains("Task.detached"),
                    "\(file.place(index)): a task without a parent"
                )
                guard let name = Self.declaredType(line) else { continue }
                for ending in endings where name.hasSuffix(ending) {
                    Issue.record("\(file.place(index)): \(name) says nothing; name what it does")
                }
            }
        }
    }

    @Test func `says why where the compiler is told to trust`() {
        for file in SourceTree.swift {
            for (index, line) in file.code.lines.enumerated()
            where line.contains("@unchecked") || line.contains("nonisolated(unsafe)") {
                let above = index > 0 ? file.lines[index - 1].drop { $0 == " " } : ""
                let isExplained = above.hasPrefix("//") || file.lines[index].contains("//")
                #expect(isExplained, "\(file.place(index)): no reason on the line above")
            }
        }
    }

    @Test func `takes identifiers apart`() {
        #expect(
            Self.words(in: "let oldMaxLSNs = URLPart_of2Things")
                == ["let", "old", "max", "lsns", "url", "part", "of", "things"]
        )
    }

    /// Lowercase words, also those inside camelCase and snake_case names.
    static func words(in line: Substring) -> [String] {
        var words: [String] = []
        var word = ""
        var before: Character = " "
        let characters = Array(line)
        for (index, character) in characters.enumerated() {
            let after = index + 1 < characters.count ? characters[index + 1] : " "
            let begins =
                character.isUppercase
                && (before.isLowercase
                    || before.isUppercase && after.isLowercase
                        && !Self.isPluralOfCapitals(characters, index))
            if !character.isLetter || begins {
                if !word.isEmpty { words.append(word) }
                word = ""
            }
            if character.isLetter { word.append(contentsOf: character.lowercased()) }
            before = character
        }
        return word.isEmpty ? words : words + [word]
    }

    /// Whether `index` is the last capital of a plural such as `URLs`.
    private static func isPluralOfCapitals(_ characters: [Character], _ index: Int) -> Bool {
        guard index + 1 < characters.count, characters[index + 1] == "s" else { return false }
        return index + 2 >= characters.count || !characters[index + 2].isLowercase
    }

    private static func declaredType(_ line: Substring) -> Substring? {
        let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
        guard
            let index = words.firstIndex(where: {
                ["struct", "class", "enum", "actor", "protocol", "typealias"].contains($0)
            }), index + 1 < words.count
        else { return nil }
        return words[index + 1]
    }
}
