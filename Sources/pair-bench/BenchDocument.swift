import FoundationEssentials
import Glibc

/// The figures as scripts read them: one JSON object.
///
/// Keys are only ever added; what is unknown is `null`.
struct BenchDocument: Encodable {
    struct Machine: Encodable {
        var cores: Int
        var kernel: String
    }

    struct Line: Encodable {
        var `case`: String
        var name: String
        var unit: String
        var median: Double
        var least: Double
        var most: Double
        var rounds: [Double]
        /// `atLeast` or `atMost`.
        var targetKind: String?
        var target: Double?
        var isMet: Bool?
    }

    struct Failure: Encodable {
        var `case`: String
        var reason: String
    }

    var apiVersion = "pair-bench/v1"
    var version: String
    var machine: Machine
    var figures: [Line]
    var failures: [Failure]

    init(_ reports: [CaseReport], version: String) {
        self.version = version
        self.machine = Machine(cores: Processor.count, kernel: Self.kernel)
        self.figures = reports.flatMap { report in
            report.figures.map { Line($0, of: report.benchCase) }
        }
        self.failures = reports.compactMap { report in
            report.failure.map { Failure(case: report.benchCase.rawValue, reason: $0) }
        }
    }

    func text() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    private static var kernel: String {
        var names = utsname()
        uname(&names)
        return withUnsafeBytes(of: names.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}

extension BenchDocument.Line {
    fileprivate init(_ figure: Figure, of benchCase: BenchCase) {
        self.case = benchCase.rawValue
        self.name = figure.name
        self.unit = figure.unit
        self.median = figure.values.median
        self.least = figure.values.least
        self.most = figure.values.most
        self.rounds = figure.values.rounds
        switch figure.target {
        case .atLeast(let bound): (self.targetKind, self.target) = ("atLeast", bound)
        case .atMost(let bound): (self.targetKind, self.target) = ("atMost", bound)
        case nil: (self.targetKind, self.target) = (nil, nil)
        }
        self.isMet = figure.isMet
    }

    private enum CodingKeys: String, CodingKey {
        case `case`, name, unit, median, least, most, rounds, targetKind, target, isMet
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(self.case, forKey: .case)
        try container.encode(self.name, forKey: .name)
        try container.encode(self.unit, forKey: .unit)
        try container.encode(self.median, forKey: .median)
        try container.encode(self.least, forKey: .least)
        try container.encode(self.most, forKey: .most)
        try container.encode(self.rounds, forKey: .rounds)
        try container.encode(self.targetKind, forKey: .targetKind)
        try container.encode(self.target, forKey: .target)
        try container.encode(self.isMet, forKey: .isMet)
    }
}
