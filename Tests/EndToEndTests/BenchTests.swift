import Foundation
import PairLab
import TestThreads
import Testing

@Suite("The table of numbers", .wholeMachine)
struct BenchTests {
    /// What a script finds in the document.
    struct Document: Decodable {
        struct Line: Decodable, Hashable {
            var `case`: String
            var name: String
            var unit: String
            var median: Double
            var least: Double
            var most: Double
            var rounds: [Double]
        }

        struct Failure: Decodable, Hashable {
            var `case`: String
            var reason: String
        }

        var apiVersion: String
        var figures: [Line]
        var failures: [Failure]
    }

    @Test func `has a row for every figure, each of as many rounds as asked for`() async throws {
        let result = try await Command.run(
            try Programs.ours("pair-bench"),
            ["commit", "lag", "wal", "--rounds", "2", "--seconds", "0.3", "--json"],
            within: .seconds(300)
        )
        let document = try JSONDecoder().decode(Document.self, from: Data(result.output.utf8))

        #expect(document.apiVersion == "pair-bench/v1")
        #expect(document.failures == [])
        #expect(result.status == 0)
        let names = Set(document.figures.map { "\($0.case): \($0.name)" })
        for name in [
            "commit: FULL rate, with / alone", "commit: NORMAL p99, with / alone",
            "lag: commit to readable p50", "lag: commit to readable p99",
            "wal: largest WAL with paird",
        ] {
            #expect(names.contains(name), "no row '\(name)' in \(names.sorted())")
        }
        for figure in document.figures {
            #expect(figure.rounds.count == 2, "\(figure.name)")
            #expect(figure.least <= figure.median && figure.median <= figure.most)
        }
        // A load that committed nothing would make a fine ratio of nothing.
        for figure in document.figures where figure.unit == "commits/s" {
            #expect(figure.least > 0, "\(figure.name)")
        }
    }

    @Test func `leaves nothing behind when it is interrupted`() async throws {
        let folders = { (process: Int32) -> [String] in
            LabFolders.named(onCommandLinesOfChildrenOf: process)
        }
        let bench = try ChildProcess(
            try Programs.ours("pair-bench"),
            ["commit", "--seconds", "60"]
        )
        defer { bench.signal(SIGKILL) }
        try await eventually("a daemon runs", within: .seconds(120)) {
            try #require(bench.status == nil, "pair-bench has ended by itself")
            return !folders(bench.pid).isEmpty
        }
        let folder = try #require(folders(bench.pid).first)

        bench.signal(SIGTERM)

        try await eventually("pair-bench has ended") { bench.status != nil }
        #expect(bench.status == 128 + SIGTERM)
        #expect(!FileManager.default.fileExists(atPath: folder))
        try await eventually("no process names \(folder)") {
            !CommandLines.all.values.contains { $0.contains { $0.hasPrefix(folder) } }
        }
    }
}

/// What every process of the machine was started with.
private enum CommandLines {
    static var all: [Int32: [String]] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        let pairs = names.compactMap { Int32($0) }.map { process in
            let data = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
            return (process, data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }
}

/// The folders that the daemons of a process were given.
private enum LabFolders {
    static func named(onCommandLinesOfChildrenOf parent: Int32) -> [String] {
        CommandLines.all.compactMap { process, arguments in
            guard arguments.first?.hasSuffix("/paird") == true,
                let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
                let end = stat.lastIndex(of: ")"),
                stat[end...].split(separator: " ").dropFirst(2).first == Substring("\(parent)"),
                let path = arguments.last
            else { return nil }
            return URL(filePath: path).deletingLastPathComponent().deletingLastPathComponent().path
        }
    }
}
