/// The statistics of many runs, as text.
package struct Report: Sendable {
    package let text: String

    package init(_ statistics: Statistics, seeds: UInt64, seconds: Double) {
        let hours = statistics.simulated / .hours(1)
        let rate = Double(seeds) / max(seconds, 0.001)
        var lines = [
            "\(seeds) seeds, \(hours) simulated hours, \(statistics.happenings) happenings, "
                + "\(statistics.acknowledgedWrites) acknowledged writes, "
                + "\(Int(rate)) seeds a second"
        ]
        let tables = [
            ("faults", statistics.faults), ("states entered", statistics.states),
            ("transitions", statistics.transitions), ("reports", statistics.reports),
        ]
        for (title, counts) in tables {
            lines.append("\(title) (\(counts.count)):")
            for (name, count) in counts.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
                lines.append("  \(count)  \(name)")
            }
        }
        self.text = lines.joined(separator: "\n")
    }
}
