/// Swift source with its comments, its string literals and its raw identifiers blanked out.
///
/// Line breaks stay, so that a line of the code is the same line of the file. What is interpolated
/// into a string goes with it.
struct SwiftCode: Sendable {
    let lines: [Substring]

    init(_ source: String) {
        var reader = Reader(source)
        let code = reader.blanked()
        self.lines = code.split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// A function, an initialiser or a subscript with a body.
    struct Function {
        let firstLine: Int
        let lineCount: Int
    }

    /// Every function with a body, nested ones too, by the line of its keyword.
    var functions: [Function] {
        self.lines.indices.compactMap { start in
            let words = self.lines[start].split { !$0.isLetter }
            guard words.contains(where: { ["func", "init", "subscript", "deinit"].contains($0) }),
                Self.declares(self.lines[start]), let end = self.endOfBody(from: start)
            else { return nil }
            return Function(firstLine: start, lineCount: end - start + 1)
        }
    }

    /// Tells a declaration from a call such as `self.init(…)`.
    private static func declares(_ line: Substring) -> Bool {
        let text = line.drop { $0 == " " }
        var words = text.split(separator: " ")[...]
        while let word = words.first, word.hasPrefix("@") || Self.modifiers.contains(String(word)) {
            words.removeFirst()
        }
        guard let word = words.first else { return false }
        return ["func", "deinit"].contains(word)
            || ["init", "subscript"].contains {
                word == $0 || word.hasPrefix($0 + "(") || word.hasPrefix($0 + "<")
                    || word.hasPrefix($0 + "?(")
            }
    }

    private static let modifiers: Set<String> = [
        "package", "private", "fileprivate", "internal", "public", "open", "static", "class",
        "mutating", "nonmutating", "consuming", "borrowing", "override", "final", "nonisolated",
        "isolated", "required", "convenience", "prefix", "postfix", "infix",
    ]

    private func endOfBody(from start: Int) -> Int? {
        var braces = 0
        var parentheses = 0
        for index in start..<self.lines.count {
            for character in self.lines[index] {
                switch character {
                case "(", "[": parentheses += 1
                case ")", "]": parentheses -= 1
                case "{": braces += 1
                case "}":
                    braces -= 1
                    if braces == 0, parentheses == 0 { return index }
                    if braces < 0 { return nil }
                default: break
                }
            }
            // A requirement of a protocol has no body: the next declaration begins first.
            if braces == 0, parentheses == 0, index + 1 < self.lines.count,
                self.lines[index].isEmpty || Self.declares(self.lines[index + 1])
            {
                return nil
            }
        }
        return nil
    }
}

extension SwiftCode {
    /// Walks over the bytes of one file.
    private struct Reader {
        private let source: [UInt8]
        private var index = 0
        private var code: [UInt8] = []

        private static let newline = UInt8(ascii: "\n")
        private static let space = UInt8(ascii: " ")
        private static let quote = UInt8(ascii: "\"")
        private static let hash = UInt8(ascii: "#")
        private static let backslash = UInt8(ascii: "\\")
        private static let backtick = UInt8(ascii: "`")

        init(_ source: String) {
            self.source = Array(source.utf8)
            self.code.reserveCapacity(self.source.count)
        }

        mutating func blanked() -> String {
            while self.index < self.source.count {
                if self.starts(with: "//") {
                    self.skip { $0 == Self.newline }
                } else if self.starts(with: "/*") {
                    self.skipBlockComment()
                } else if self.source[self.index] == Self.backtick {
                    self.step(blank: true)
                    self.skip { $0 == Self.backtick || $0 == Self.newline }
                    self.step(blank: true)
                } else if let hashes = self.hashesBeforeQuote() {
                    self.skipString(hashes: hashes)
                } else {
                    self.step(blank: false)
                }
            }
            return String(decoding: self.code, as: UTF8.self)
        }

        private func starts(with text: StaticString) -> Bool {
            let count = text.utf8CodeUnitCount
            guard self.index + count <= self.source.count else { return false }
            return text.withUTF8Buffer { wanted in
                wanted.indices.allSatisfy { wanted[$0] == self.source[self.index + $0] }
            }
        }

        private mutating func step(blank: Bool, _ count: Int = 1) {
            for _ in 0..<count where self.index < self.source.count {
                let byte = self.source[self.index]
                self.code.append(blank && byte != Self.newline ? Self.space : byte)
                self.index += 1
            }
        }

        private mutating func skip(until ends: (UInt8) -> Bool) {
            while self.index < self.source.count, !ends(self.source[self.index]) {
                self.step(blank: true)
            }
        }

        private mutating func skipBlockComment() {
            var depth = 0
            repeat {
                if self.starts(with: "/*") {
                    depth += 1
                    self.step(blank: true, 2)
                } else if self.starts(with: "*/") {
                    depth -= 1
                    self.step(blank: true, 2)
                } else {
                    self.step(blank: true)
                }
            } while depth > 0 && self.index < self.source.count
        }

        /// How many `#` stand before the quote that begins a string here; `nil` when none begins.
        private func hashesBeforeQuote() -> Int? {
            var end = self.index
            while end < self.source.count, self.source[end] == Self.hash { end += 1 }
            guard end < self.source.count, self.source[end] == Self.quote else { return nil }
            return end - self.index
        }

        /// Whether `count` bytes from `start` on are all `byte`.
        private func repeats(_ byte: UInt8, _ count: Int, at start: Int) -> Bool {
            start + count <= self.source.count
                && self.source[start..<start + count].allSatisfy { $0 == byte }
        }

        private mutating func skipString(hashes: Int) {
            self.step(blank: true, hashes)
            let quotes = self.repeats(Self.quote, 3, at: self.index) ? 3 : 1
            self.step(blank: true, quotes)
            while self.index < self.source.count {
                if self.repeats(Self.quote, quotes, at: self.index),
                    self.repeats(Self.hash, hashes, at: self.index + quotes)
                {
                    self.step(blank: true, quotes + hashes)
                    return
                }
                if quotes == 1, self.source[self.index] == Self.newline { return }
                guard self.source[self.index] == Self.backslash,
                    self.repeats(Self.hash, hashes, at: self.index + 1)
                else {
                    self.step(blank: true)
                    continue
                }
                self.step(blank: true, hashes + 1)
                if self.starts(with: "(") {
                    self.skipInterpolation()
                } else {
                    self.step(blank: true)
                }
            }
        }

        private mutating func skipInterpolation() {
            var depth = 0
            repeat {
                if let inner = self.hashesBeforeQuote() {
                    self.skipString(hashes: inner)
                    continue
                }
                if self.starts(with: "(") { depth += 1 }
                if self.starts(with: ")") { depth -= 1 }
                self.step(blank: true)
            } while depth > 0 && self.index < self.source.count
        }
    }
}
