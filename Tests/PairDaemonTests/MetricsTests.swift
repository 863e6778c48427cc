import Foundation
import PairCore
import PairDaemon
import Testing

/// A page of Prometheus' text format, taken apart and checked on the way.
struct ScrapedPage {
    struct Series: Hashable {
        var name: String
        var labels: String
    }

    private(set) var help: [String: String] = [:]
    private(set) var types: [String: String] = [:]
    private(set) var values: [Series: Double] = [:]
    private(set) var problems: [String] = []

    init(_ text: String) {
        if !text.hasSuffix("\n") { self.problems.append("the last line does not end") }
        for line in text.split(separator: "\n") { self.take(String(line)) }
    }

    private mutating func take(_ line: String) {
        if let match = line.wholeMatch(of: /# (HELP|TYPE) ([a-z_]+) (.+)/) {
            let (name, rest) = (String(match.2), String(match.3))
            let old =
                match.1 == "HELP"
                ? self.help.updateValue(rest, forKey: name)
                : self.types.updateValue(rest, forKey: name)
            if old != nil { self.problems.append("twice: \(line)") }
        } else if let match = line.wholeMatch(of: /([a-z_]+)(\{[^}]*\})? (\S+)/) {
            let series = Series(name: String(match.1), labels: String(match.2 ?? ""))
            guard let value = Self.number(String(match.3)) else {
                return self.problems.append("no number: \(line)")
            }
            if self.values.updateValue(value, forKey: series) != nil {
                self.problems.append("twice: \(line)")
            }
            let family = self.family(of: series.name)
            if self.types[family] == nil || self.help[family] == nil {
                self.problems.append("before its HELP and TYPE: \(line)")
            }
        } else {
            self.problems.append("cannot be read: \(line)")
        }
    }

    private static func number(_ text: String) -> Double? {
        switch text {
        case "NaN": .nan
        case "+Inf": .infinity
        default: Double(text)
        }
    }

    /// The metric that a line of a histogram belongs to.
    private func family(of name: String) -> String {
        for suffix in ["_bucket", "_sum", "_count"] where name.hasSuffix(suffix) {
            let family = String(name.dropLast(suffix.count))
            if self.types[family] == "histogram" { return family }
        }
        return name
    }

    func value(_ name: String, _ labels: String = "") -> Double? {
        self.values[Series(name: name, labels: labels)]
    }
}

@Suite("Metrics: the page")
struct MetricsTests {
    /// The contract, and what was added to it since: `events_lost_total`.
    static let contract: [String: String] = [
        "build_info": "gauge", "role": "gauge", "state": "gauge", "gate_open": "gauge",
        "guard_up": "gauge", "gate_overruns_total": "counter", "write_hold_max_seconds": "gauge",
        "epoch": "gauge", "txid": "gauge", "peer_up": "gauge", "peer_last_heard_seconds": "gauge",
        "heartbeats_sent_total": "counter", "heartbeats_received_total": "counter",
        "heartbeats_rejected_total": "counter", "heartbeat_rtt_seconds": "histogram",
        "seconds_until_promotion": "gauge", "failovers_total": "counter",
        "failover_duration_seconds": "histogram", "writes_paused_seconds": "histogram",
        "replication_lag_seconds": "gauge", "replication_lag_bytes": "gauge",
        "unprotected_transactions": "gauge", "unprotected_bytes": "gauge",
        "captured_transactions_total": "counter", "captured_bytes_total": "counter",
        "shipped_bytes_total": "counter", "applied_transactions_total": "counter",
        "wal_bytes": "gauge", "log_retained_bytes": "gauge", "seed_progress_ratio": "gauge",
        "vault_bytes": "gauge", "vault_verify_timestamp_seconds": "gauge",
        "vault_verify_failures_total": "counter", "fsync_duration_seconds": "histogram",
        "storage_errors_total": "counter", "storage_free_bytes": "gauge",
        "divergences_total": "counter", "tails": "gauge", "tls_handshakes_total": "counter",
        "connections_rejected_total": "counter", "health_requests_total": "counter",
        "events_lost_total": "counter",
    ]
    static let process: [String: String] = [
        "process_cpu_seconds_total": "counter", "process_resident_memory_bytes": "gauge",
        "process_virtual_memory_bytes": "gauge", "process_open_fds": "gauge",
        "process_start_time_seconds": "gauge",
    ]

    @Test func `has every metric of the contract, with its type, and no other`() {
        let page = ScrapedPage(Metrics().page(samples: []))

        var expected = Self.process
        for (name, type) in Self.contract { expected["paird_" + name] = type }
        #expect(page.problems == [])
        #expect(page.types == expected)
        #expect(Set(page.help.keys) == Set(expected.keys))
        #expect(page.help.values.allSatisfy { $0.hasSuffix(".") && !$0.contains("\\") })
    }

    @Test func `has at most 150 series, all of them from the start`() {
        let page = ScrapedPage(Metrics().page(samples: []))

        #expect(page.values.count <= 150, "\(page.values.count)")
        #expect(page.value("paird_failovers_total", #"{cause="failover"}"#) == 0)
        let labels = #"{listener="replication",reason="too_often"}"#
        #expect(page.value("paird_connections_rejected_total", labels) == 0)
        #expect(page.value("paird_health_requests_total", #"{path="/primary",code="503"}"#) == 0)
    }

    @Test func `keeps to the base units and to the forms of names`() {
        for (name, type) in Self.contract {
            #expect(name.hasSuffix("_total") == (type == "counter"), "\(name)")
            #expect(!name.contains("milli") && !name.contains("_mib"), "\(name)")
            if type == "histogram" { #expect(name.hasSuffix("_seconds")) }
        }
    }

    @Test func `puts durations into the buckets that they fit, each with those below it`() throws {
        let metrics = Metrics()
        let metric = try #require(Metric.all.first { $0.shortName == "writes_paused_seconds" })
        for milliseconds in [10, 25, 84, 9_000] {
            metrics.observe(metric, .milliseconds(milliseconds))
        }

        let page = ScrapedPage(metrics.page(samples: []))

        let name = "paird_writes_paused_seconds"
        #expect(page.value(name + "_bucket", #"{le="0.025"}"#) == 2)
        #expect(page.value(name + "_bucket", #"{le="0.05"}"#) == 2)
        #expect(page.value(name + "_bucket", #"{le="0.1"}"#) == 3)
        #expect(page.value(name + "_bucket", #"{le="+Inf"}"#) == 4)
        #expect(page.value(name + "_count") == 4)
        let sum = try #require(page.value(name + "_sum"))
        #expect(abs(sum - 9.119) < 1e-9)
    }

    @Test func `counts, and shows what is true at the moment of the scrape`() throws {
        let metrics = Metrics()
        let rejected = try #require(
            Metric.all.first { $0.shortName == "connections_rejected_total" }
        )
        let tails = try #require(Metric.all.first { $0.shortName == "tails" })
        metrics.count(rejected, "control", "not_permitted")
        metrics.count(rejected, "control", "not_permitted", by: 2)

        let page = ScrapedPage(metrics.page(samples: [.init(tails, value: 7)]))

        let labels = #"{listener="control",reason="not_permitted"}"#
        #expect(page.value("paird_connections_rejected_total", labels) == 3)
        #expect(page.value("paird_tails") == 7)
    }

    @Test func `is documented as it is`() throws {
        let rows = try Documents.rows("Metrics", afterHeading: "## Metrics")

        #expect(
            rows
                == Metric.all.map { metric in
                    let labels = metric.labelNames.joined(separator: ", ")
                    let name = metric.name + (labels.isEmpty ? "" : "{\(labels)}")
                    return "| `\(name)` | \(metric.kind.word) | \(metric.help) |"
                }
        )
    }
}

@Suite("Metrics: what is measured from one event to a later one")
struct StopwatchTests {
    private func at(_ seconds: Int) -> Instant { Instant(sinceStart: .seconds(seconds)) }

    @Test func `a round trip ends with the answer to its own heartbeat`() {
        var trips = RoundTrips()
        trips.sent(7, at: self.at(1))
        trips.sent(9, at: self.at(2))
        trips.sent(11, at: self.at(3))

        #expect(trips.answered(8, at: self.at(4)) == nil)
        #expect(trips.answered(9, at: self.at(4)) == .seconds(2))
        #expect(trips.answered(9, at: self.at(5)) == nil, "answered twice")
        #expect(trips.answered(7, at: self.at(5)) == nil, "older than one that was answered")
        #expect(trips.answered(11, at: self.at(9)) == .seconds(6))
    }

    @Test func `heartbeats that nobody answers are forgotten`() {
        var trips = RoundTrips()
        for number in 1...100 { trips.sent(UInt64(number), at: self.at(number)) }

        #expect(trips.answered(1, at: self.at(200)) == nil)
        #expect(trips.answered(100, at: self.at(200)) == .seconds(100))
    }
}
