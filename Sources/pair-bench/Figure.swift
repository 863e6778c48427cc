/// A line of the table.
struct Figure: Sendable {
    var name: String
    var unit: String
    var values: Spread
    /// What counts as fast; `nil` where the figure only explains another.
    var target: Target?

    init(_ name: String, _ unit: String, _ rounds: [Double], target: Target? = nil) {
        self.init(name, unit, Spread(rounds), target: target)
    }

    init(_ name: String, _ unit: String, _ values: Spread, target: Target? = nil) {
        self.name = name
        self.unit = unit
        self.values = values
        self.target = target
    }

    /// `nil` without a target.
    var isMet: Bool? { self.target.map { $0.isMet(by: self.values.median) } }
}

/// The bound that a median is held to.
enum Target: Hashable, Sendable {
    case atLeast(Double)
    case atMost(Double)

    func isMet(by value: Double) -> Bool {
        switch self {
        case .atLeast(let bound): value >= bound
        case .atMost(let bound): value <= bound
        }
    }
}

/// What one case found.
struct CaseReport: Sendable {
    var benchCase: BenchCase
    var figures: [Figure]
    /// Why it has no figures, or not all.
    var failure: String?
    var seconds: Double
}
