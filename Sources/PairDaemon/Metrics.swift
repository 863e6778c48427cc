import Synchronization

/// Counts what happens, for `/metrics` in Prometheus' text format (version 0.0.4).
///
/// Names carry no label whose value comes from the peer, so the number of series is bounded.
package final class Metrics: Sendable {
    /// A series: a metric's name without the prefix and its labels as they are written.
    package struct Series: Hashable, Sendable {
        package var name: String
        package var labels: String

        package init(_ name: String, labels: String = "") {
            self.name = name
            self.labels = labels
        }
    }

    private struct Histogram {
        var counts: [UInt64]
        var sum: Double = 0
    }

    /// Upper bounds in seconds.
    private static let bounds: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5,
    ]

    private let counters = Mutex<[Series: UInt64]>([:])
    private let histograms = Mutex<[String: Histogram]>([:])

    package init() {}

    package func count(_ name: String, labels: String = "", by amount: UInt64 = 1) {
        self.counters.withLock { $0[Series(name, labels: labels), default: 0] += amount }
    }

    package func value(_ name: String, labels: String = "") -> UInt64 {
        self.counters.withLock { $0[Series(name, labels: labels)] ?? 0 }
    }

    package func observe(_ name: String, _ duration: Duration) {
        let (whole, attoseconds) = duration.components
        let seconds = Double(whole) + Double(attoseconds) / 1e18
        let bucket = Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count
        self.histograms.withLock {
            let empty = Histogram(counts: Array(repeating: 0, count: Self.bounds.count + 1))
            $0[name, default: empty].counts[bucket] += 1
            $0[name, default: empty].sum += seconds
        }
    }

    /// The page as a scraper reads it.
    package func page(gauges: [(Series, Double)]) -> String {
        var lines: [String] = []
        var typed: Set<String> = []
        func line(_ series: Series, _ type: String, _ value: String) {
            if typed.insert(series.name).inserted {
                lines.append("# TYPE paird_\(series.name) \(type)")
            }
            let labels = series.labels.isEmpty ? "" : "{\(series.labels)}"
            lines.append("paird_\(series.name)\(labels) \(value)")
        }
        for (series, value) in gauges.sorted(by: { $0.0.name < $1.0.name }) {
            let isWhole = value == value.rounded() && abs(value) < 1e15
            line(series, "gauge", isWhole ? String(Int64(value)) : String(value))
        }
        let counters = self.counters.withLock { $0 }
        for (series, value) in counters.sorted(by: {
            ($0.key.name, $0.key.labels) < ($1.key.name, $1.key.labels)
        }) {
            line(series, "counter", String(value))
        }
        for (name, histogram) in self.histograms.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            lines.append("# TYPE paird_\(name) histogram")
            var total: UInt64 = 0
            for (index, count) in histogram.counts.enumerated() {
                total += count
                let bound = index < Self.bounds.count ? String(Self.bounds[index]) : "+Inf"
                lines.append("paird_\(name)_bucket{le=\"\(bound)\"} \(total)")
            }
            lines.append("paird_\(name)_sum \(histogram.sum)")
            lines.append("paird_\(name)_count \(total)")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
