import PairCore
import Yams

/// Reads one file's values, and collects everything that is wrong on the way.
///
/// A value that is wrong reads as `nil`, so that reading goes on and one look at the file finds all
/// its mistakes.
struct ConfigurationReader {
    let file: String
    private(set) var problems: [ConfigurationProblem] = []
    /// Every mapping and value of the file by its dotted key.
    private var nodes: [String: Node] = [:]

    /// A line and a column, both from 1.
    private struct Place {
        var line = 1
        var column = 1

        init() {}

        init(_ mark: Mark?) {
            self.line = mark?.line ?? 1
            self.column = mark?.column ?? 1
        }
    }

    init(yaml: String, file: String) {
        self.file = file
        do {
            guard let root = try Yams.compose(yaml: yaml) else { return }
            if root.mapping == nil, root.scalar?.string.isEmpty ?? false { return }
            self.enter(root, section: "")
        } catch let error as YamlError {
            self.reject(error)
        } catch {
            self.problem("", at: Place(), "cannot be read (\(error))", "write YAML")
        }
    }

    /// Whether the key is in the file.
    func has(_ key: String) -> Bool { self.nodes[key] != nil }

    /// Notes that the value of `key` is wrong.
    mutating func problem(_ key: String, _ what: String, _ remedy: String) {
        let parents = sequence(first: key) { path in
            path.lastIndex(of: ".").map { String(path[..<$0]) }
        }
        let mark = parents.lazy.compactMap { self.nodes[$0]?.mark }.first
        self.problem(key, at: Place(mark), what, remedy)
    }

    /// Refuses a value that is understood and would be believed to be in force, but is not there yet.
    mutating func notYet(_ key: String, _ value: String, _ instead: String) {
        self.problem(key, "\(value) is not in this version of paird", "write \(instead)")
    }

    private mutating func problem(
        _ key: String,
        at place: Place,
        _ what: String,
        _ remedy: String
    ) {
        self.problems.append(
            ConfigurationProblem(
                file: self.file,
                line: place.line,
                column: place.column,
                key: key,
                what: what,
                remedy: remedy
            )
        )
    }

    private mutating func reject(_ error: YamlError) {
        switch error {
        case .scanner(_, let what, let mark, _), .parser(_, let what, let mark, _),
            .composer(_, let what, let mark, _):
            self.problem(
                "",
                at: Place(mark),
                "is no YAML (\(what))",
                "see the example in etc/paird.yaml"
            )
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.sorted().joined(separator: ", ")
            self.problem(names, at: Place(context.mark), "is written twice", "keep one of them")
        default:
            self.problem("", at: Place(), "is no YAML (\(error))", "write UTF-8 text")
        }
    }

    /// Takes a mapping apart and refuses the keys that it must not have.
    private mutating func enter(_ node: Node, section: String) {
        guard let mapping = node.mapping else {
            self.problem(
                section,
                at: Place(node.mark),
                "must be a section",
                "write its keys below it, indented: "
                    + (ConfigurationSchema.sections[section] ?? []).joined(separator: ", ")
            )
            return
        }
        for (keyNode, value) in mapping {
            let name = keyNode.string ?? "?"
            let key = section.isEmpty ? name : "\(section).\(name)"
            guard ConfigurationSchema.sections[section]?.contains(name) == true else {
                self.problem(
                    key,
                    at: Place(keyNode.mark),
                    "is not a key",
                    self.suggestion(name, in: section)
                )
                continue
            }
            self.nodes[key] = value
            if ConfigurationSchema.sections[key] != nil, !self.isOff(value) {
                self.enter(value, section: key)
            }
        }
    }

    private func suggestion(_ name: String, in section: String) -> String {
        let known = ConfigurationSchema.sections[section] ?? []
        if let near = NearMiss.of(name, among: known) {
            return "did you mean \(section.isEmpty ? near : "\(section).\(near)")?"
        }
        if let other = ConfigurationSchema.otherPlace(of: name) { return "did you mean \(other)?" }
        return "write one of \(known.joined(separator: ", "))"
    }

    private func isOff(_ node: Node) -> Bool {
        node.scalar?.style == .plain && node.scalar?.string == "off"
    }

    /// Whether the value is the plain word `off`.
    func isOff(_ key: String) -> Bool { self.nodes[key].map(self.isOff) ?? false }

    /// Whether the key holds keys of its own.
    func isSection(_ key: String) -> Bool { self.nodes[key]?.mapping != nil }

    /// The text of a value; `nil` when the key is absent or holds something else.
    mutating func text(_ key: String, _ example: String) -> String? {
        guard let node = self.nodes[key] else { return nil }
        guard let scalar = node.scalar else {
            self.problem(key, "must be a single value", "write \(example)")
            return nil
        }
        guard !scalar.string.isEmpty else {
            self.problem(key, "is empty", "write \(example), or leave the key out")
            return nil
        }
        return scalar.string
    }

    /// The texts of a list, each with its own place for what is wrong with it.
    mutating func list(_ key: String, _ example: String) -> [String]? {
        guard let node = self.nodes[key] else { return nil }
        guard let sequence = node.sequence else {
            self.problem(key, "must be a list", "write \(example)")
            return nil
        }
        return sequence.compactMap { element in
            if let text = element.scalar?.string, !text.isEmpty { return text }
            self.problem(
                key,
                at: Place(element.mark),
                "holds something that is no text",
                "write \(example)"
            )
            return nil
        }
    }
}

extension ConfigurationReader {
    mutating func duration(
        _ key: String,
        _ range: ClosedRange<Duration>,
        _ example: String
    ) -> Duration? {
        guard let text = self.text(key, example) else { return nil }
        do {
            let value = try Measure.duration(text)
            guard range.contains(value) else {
                let (low, high) = (Measure.text(range.lowerBound), Measure.text(range.upperBound))
                self.problem(key, "\(text) is out of range", "write \(low) to \(high)")
                return nil
            }
            return value
        } catch {
            self.problem(key, error, text, units: "ms, s, m, h, d", example)
            return nil
        }
    }

    mutating func byteCount(
        _ key: String,
        _ range: ClosedRange<UInt64>,
        _ example: String
    ) -> UInt64? {
        guard let text = self.text(key, example) else { return nil }
        do {
            let value = try Measure.byteCount(text)
            guard range.contains(value) else {
                let low = Measure.text(byteCount: range.lowerBound)
                let high = Measure.text(byteCount: range.upperBound)
                self.problem(key, "\(text) is out of range", "write \(low) to \(high)")
                return nil
            }
            return value
        } catch {
            self.problem(key, error, text, units: "KiB, MiB, GiB", example)
            return nil
        }
    }

    private mutating func problem(
        _ key: String,
        _ problem: Measure.Problem,
        _ text: String,
        units: String,
        _ example: String
    ) {
        switch problem {
        case .notANumber:
            self.problem(
                key,
                "'\(text)' is not a whole number and a unit",
                "write for example \(example)"
            )
        case .noUnit:
            self.problem(key, "\(text) has no unit", "write for example \(example) (\(units))")
        case .unknownUnit(let unit):
            self.problem(
                key,
                "'\(unit)' is not a unit",
                "write one of \(units), for example \(example)"
            )
        case .tooLarge:
            self.problem(key, "\(text) is out of range", "write for example \(example)")
        }
    }

    mutating func count(_ key: String, _ range: ClosedRange<UInt64>, _ example: String) -> UInt64? {
        guard let text = self.text(key, example) else { return nil }
        guard let value = UInt64(text), range.contains(value) else {
            self.problem(
                key,
                "'\(text)' is not a number in range",
                "write \(range.lowerBound) to \(range.upperBound), for example \(example)"
            )
            return nil
        }
        return value
    }

    mutating func bool(_ key: String) -> Bool? {
        guard let text = self.text(key, "true or false") else { return nil }
        guard let value = Bool(text) else {
            self.problem(key, "'\(text)' is neither true nor false", "write true or false")
            return nil
        }
        return value
    }

    mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ key: String,
        _ type: Value.Type
    ) -> Value? where Value.RawValue == String {
        let words = Value.allCases.map(\.rawValue).joined(separator: ", ")
        guard let text = self.text(key, "one of \(words)") else { return nil }
        guard let value = Value(rawValue: text) else {
            self.problem(key, "'\(text)' is not a choice", "write one of \(words)")
            return nil
        }
        return value
    }

    mutating func address(_ key: String, _ text: String, _ example: String) -> HostPort? {
        guard let value = HostPort(text) else {
            self.problem(
                key,
                "'\(text)' is not HOST:PORT",
                "write for example \"\(example)\""
            )
            return nil
        }
        return value
    }

    /// An absolute path without a slash at its end.
    mutating func path(_ key: String, _ example: String) -> String? {
        guard let text = self.text(key, example) else { return nil }
        guard text.first == "/", text.count > 1, text.last != "/", !text.contains("//"),
            !text.split(separator: "/").contains(where: { $0 == ".." || $0 == "." })
        else {
            self.problem(
                key,
                "'\(text)' is not an absolute path to one place",
                "write for example \(example)"
            )
            return nil
        }
        return text
    }

    /// A name that can be typed on a command line and shown in a table.
    mutating func name(_ key: String, _ example: String) -> String? {
        guard let text = self.text(key, example) else { return nil }
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard isPlain, text.first != "-", text.utf8.count <= 63 else {
            self.problem(
                key,
                "'\(text)' is not a name",
                "write 1 to 63 letters, digits, '.', '_' and '-', for example \(example)"
            )
            return nil
        }
        return text
    }
}
