import Foundation
import PairCore
import PairSim
import Testing

/// A scenario worth discussing, and the file that shows how the two machines live through it.
struct Tale: CustomTestStringConvertible, Sendable {
    /// The file in `Transcripts`.
    let name: String
    /// The first line: what to look at.
    let headline: String
    let policy: FailoverPolicy
    let happens: @Sendable (inout Story) -> Void

    var testDescription: String { self.name }

    private var file: URL {
        URL(filePath: #filePath).deletingLastPathComponent()
            .appending(components: "Transcripts", "\(self.name).txt")
    }

    init(
        _ name: String,
        _ headline: String,
        policy: FailoverPolicy = .available,
        happens: @escaping @Sendable (inout Story) -> Void
    ) {
        self.name = name
        self.headline = headline
        self.policy = policy
        self.happens = happens
    }

    func told() -> [String] {
        var story = Story(policy: self.policy)
        self.happens(&story)
        story.tellStates()
        // No blank at a line's end, which editors would take away.
        return ["# \(self.headline)"]
            + story.lines.map { $0.hasSuffix(": ") ? String($0.dropLast(2)) : $0 }
    }

    func written() throws -> [String] {
        try String(contentsOf: self.file, encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
    }

    func write(_ lines: [String]) throws {
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: self.file)
    }
}

@Suite("Stories of a pair")
struct TranscriptTests {
    static let isRecording = ProcessInfo.processInfo.environment["PAIR_RECORD"] == "1"

    @Test(arguments: Tale.all)
    func `are told as they are written`(tale: Tale) throws {
        let told = tale.told()
        if Self.isRecording { try tale.write(told) }

        let written = try tale.written()

        let line = zip(told, written).enumerated().first { $1.0 != $1.1 }
        let again = "if that is meant: PAIR_RECORD=1 swift test --filter TranscriptTests"
        if let (index, (now, before)) = line {
            Issue.record("\(tale.name).txt:\(index + 1)\n  was \(before)\n  is  \(now)\n\(again)")
        } else {
            #expect(told.count == written.count, "\(tale.name).txt ends elsewhere; \(again)")
        }
        #expect(told.count < 120)
        #expect(!told.contains { $0.contains("VIOLATION") })
    }
}
