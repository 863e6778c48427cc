package import PairCore
import Synchronization

/// Counts what happens, for `/metrics` in Prometheus' text format (version 0.0.4).
package final class Metrics: Sendable {
    /// The value of one series at the moment of a scrape.
    package struct Sample: Sendable {
        package var metric: Metric
        package var labels: [String]
        package var value: Double

        package init(_ metric: Metric, _ labels: String..., value: Double) {
            self.metric = metric
            self.labels = labels
            self.value = value
        }
    }

    private struct Series: Hashable {
        var metric: Metric
        var labels: [String]
    }

    private struct State {
        var counters: [Series: UInt64] = [:]
        var histograms: [Metric: DurationHistogram] = [:]
    }

    private let state: Mutex<State>

    package init() {
        var state = State()
        for metric in Metric.all {
            switch metric.kind {
            case .gauge: break
            case .counter:
                for labels in metric.labelValues {
                    state.counters[Series(metric: metric, labels: labels)] = 0
                }
            case .histogram(let bounds):
                state.histograms[metric] = DurationHistogram(bounds: bounds)
            }
        }
        self.state = Mutex(state)
    }

    /// Adds to a counter; a series that the catalogue does not know stays unknown.
    package func count(_ metric: Metric, _ labels: String..., by amount: UInt64 = 1) {
        let series = Series(metric: metric, labels: labels)
        self.state.withLock { state in
            guard let value = state.counters[series] else {
                return assertionFailure("\(metric.name) has no series \(labels)")
            }
            state.counters[series] = value &+ amount
        }
    }

    package func observe(_ metric: Metric, _ duration: Duration) {
        self.state.withLock { $0.histograms[metric]?.observe(duration) }
    }

    /// The page as a scraper reads it.
    ///
    /// - Parameter samples: what is computed at this moment: every gauge, and counters that are kept
    ///   elsewhere.
    /// - Parameter histograms: those that are kept elsewhere.
    package func page(
        samples: [Sample],
        histograms: [Metric: DurationHistogram] = [:]
    ) -> String {
        let state = self.state.withLock { $0 }
        let now = Dictionary(grouping: samples, by: \.metric)
        var lines: [String] = []
        for metric in Metric.all {
            lines.append("# HELP \(metric.name) \(metric.help)")
            lines.append("# TYPE \(metric.name) \(metric.kind.word)")
            if let histogram = histograms[metric] ?? state.histograms[metric] {
                lines += Self.lines(metric.name, histogram)
            } else if let samples = now[metric] {
                lines += samples.map { Self.line(metric, $0.labels, Self.text($0.value)) }
            } else {
                lines += metric.labelValues.map { labels in
                    let value = state.counters[Series(metric: metric, labels: labels)] ?? 0
                    return Self.line(metric, labels, String(value))
                }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func line(_ metric: Metric, _ labels: [String], _ value: String) -> String {
        let pairs = zip(metric.labelNames, labels).map { "\($0)=\"\($1)\"" }
        let text = pairs.isEmpty ? "" : "{" + pairs.joined(separator: ",") + "}"
        return "\(metric.name)\(text) \(value)"
    }

    private static func lines(_ name: String, _ histogram: DurationHistogram) -> [String] {
        var total: UInt64 = 0
        var lines: [String] = []
        for (index, count) in histogram.counts.enumerated() {
            total += count
            let isLast = index == histogram.bounds.count
            let bound = isLast ? "+Inf" : self.text(histogram.bounds[index])
            lines.append("\(name)_bucket{le=\"\(bound)\"} \(total)")
        }
        return lines + ["\(name)_sum \(self.text(histogram.sum))", "\(name)_count \(total)"]
    }

    private static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        let isWhole = value == value.rounded() && abs(value) < 1e15
        return isWhole ? String(Int64(value)) : String(value)
    }
}

extension Metric.Kind {
    /// As the page spells it.
    package var word: String {
        switch self {
        case .gauge: "gauge"
        case .counter: "counter"
        case .histogram: "histogram"
        }
    }
}
