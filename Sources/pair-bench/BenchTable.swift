/// The figures as people read them.
enum BenchTable {
    private static let widths = [46, 12, 23, 12]

    static var heading: String {
        self.line(["", "median", "least - most", "target"]) + "\n"
            + String(repeating: "-", count: self.widths.reduce(0, +) + 8)
    }

    static func text(_ report: CaseReport) -> String {
        let seconds = Int(report.seconds.rounded())
        var lines = ["\(report.benchCase.rawValue): \(report.benchCase.summary) (\(seconds) s)"]
        for figure in report.figures {
            lines.append(
                self.line([
                    "  \(figure.name), \(figure.unit)", self.text(figure.values.median),
                    "\(self.text(figure.values.least)) - \(self.text(figure.values.most))",
                    self.text(figure.target),
                ]) + self.verdict(figure)
            )
        }
        if let failure = report.failure { lines.append("  no figure: \(failure)") }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func verdict(_ figure: Figure) -> String {
        figure.isMet.map { $0 ? "  met" : "  missed" } ?? ""
    }

    private static func text(_ target: Target?) -> String {
        switch target {
        case .atLeast(let bound): ">= \(self.text(bound))"
        case .atMost(let bound): "<= \(self.text(bound))"
        case nil: ""
        }
    }

    /// The first column to the left, the others to the right.
    private static func line(_ columns: [String]) -> String {
        zip(columns, self.widths).enumerated().map { index, column in
            let padding = String(repeating: " ", count: max(0, column.1 - column.0.count))
            return index == 0 ? column.0 + padding : padding + column.0
        }.joined()
    }

    /// Three digits that count, thousands grouped.
    static func text(_ value: Double) -> String {
        let decimals = abs(value) >= 100 ? 0 : abs(value) >= 10 ? 1 : abs(value) >= 1 ? 2 : 3
        let scale = [1, 10, 100, 1000][decimals]
        let scaled = Int((abs(value) * Double(scale)).rounded())
        var whole = String(scaled / scale)
        if whole.count > 3 {
            var grouped: [Substring] = []
            while !whole.isEmpty {
                grouped.insert(whole.suffix(3), at: 0)
                whole = String(whole.dropLast(min(3, whole.count)))
            }
            whole = grouped.joined(separator: ",")
        }
        let sign = value < 0 ? "-" : ""
        guard decimals > 0 else { return sign + whole }
        let fraction = String(scaled % scale)
        return sign + whole + "." + String(repeating: "0", count: decimals - fraction.count)
            + fraction
    }
}
