/// One figure on `/metrics`: its name, its type and what it means.
///
/// Every value of every label is known here, so the number of series is bounded, all of them are on
/// the page from the start, and nothing that the peer says becomes a label.
package struct Metric: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case gauge
        case counter
        /// With upper bounds in seconds.
        case histogram([Double])
    }

    /// Without the prefix.
    package let shortName: String
    package let kind: Kind
    package let help: String
    package let labelNames: [String]
    /// The values of the labels, in the order of their names, of every series there can be; one
    /// empty list for a metric without labels.
    package let labelValues: [[String]]

    /// As scrapers know it.
    ///
    /// What every program has, it has under the name that it has everywhere.
    package var name: String {
        self.shortName.hasPrefix("process_") ? self.shortName : "paird_\(self.shortName)"
    }

    private init(
        _ shortName: String,
        _ kind: Kind,
        _ help: String,
        _ labelNames: [String] = [],
        _ labelValues: [[String]] = [[]]
    ) {
        self.shortName = shortName
        self.kind = kind
        self.help = help
        self.labelNames = labelNames
        self.labelValues = labelValues
    }

    static func gauge(_ name: String, _ help: String) -> Metric { Metric(name, .gauge, help) }

    static func gauge(
        _ name: String,
        _ help: String,
        by label: String,
        _ values: [String]
    ) -> Metric {
        Metric(name, .gauge, help, [label], values.map { [$0] })
    }

    static func counter(_ name: String, _ help: String) -> Metric { Metric(name, .counter, help) }

    static func counter(
        _ name: String,
        _ help: String,
        by label: String,
        _ values: [String]
    ) -> Metric {
        Metric(name, .counter, help, [label], values.map { [$0] })
    }

    static func counter(
        _ name: String,
        _ help: String,
        by labels: [String],
        _ values: [[String]]
    ) -> Metric {
        Metric(name, .counter, help, labels, values)
    }

    static func histogram(_ name: String, _ help: String, _ bounds: [Double]) -> Metric {
        Metric(name, .histogram(bounds), help)
    }
}
