/// A ``StatusReport`` as people read it: the verdict first, then both nodes, then what matters now.
///
/// Fits 80 columns: a table that would be wider moves closer together, then leaves the versions
/// out, then cuts the names. Pure, so that what an operator sees at three in the morning is tested as text.
package struct StatusTable: Sendable {
    private let report: StatusReport
    private let isColoured: Bool
    private let width: Int

    package init(_ report: StatusReport, isColoured: Bool, width: Int = 80) {
        self.report = report
        self.isColoured = isColoured
        self.width = max(60, width)
    }

    /// The whole text, with a line feed at its end.
    package var text: String {
        var lines = [self.headline, ""]
        lines += self.nodes
        lines.append("")
        for (label, text) in self.details { lines += self.wrapped(label, text) }
        return lines.joined(separator: "\n") + "\n"
    }

    private var headline: String {
        let pair = self.report.pair
        let word = self.report.verdict.rawValue.uppercased()
        var parts = ["pair \(pair.name)"]
        if pair.epoch > 0 { parts.append("epoch \(pair.epoch)") }
        parts.append("policy \(pair.policy.rawValue)")
        if self.report.lab { parts.append("LAB") }
        return self.coloured(word) + "  " + parts.joined(separator: "   ")
    }

    /// Green for what may be left alone, red for what may not, yellow between.
    private func coloured(_ word: String) -> String {
        guard self.isColoured else { return word }
        let colour =
            switch self.report.verdict.exitCode {
            case 0: "32"
            case 1: "33"
            default: "31"
            }
        return "\u{1B}[1;\(colour)m\(word)\u{1B}[0m"
    }
}

// MARK: The two nodes

extension StatusTable {
    private var nodes: [String] {
        let header = [
            "NODE", "ROLE", "STATE", "GATE", "POSITION", "LAG", "LAST HEARD", "VERSION",
        ]
        var rows = [header, self.row(self.report.local, isLocal: true)]
        if let peer = self.report.peer { rows.append(self.row(peer.node, isLocal: false)) }
        func widths(_ rows: [[String]]) -> [Int] {
            rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        }
        func total(_ gap: Int) -> Int {
            widths(rows).reduce(0, +) + gap * (rows[0].count - 1)
        }
        var gap = total(3) <= self.width ? 3 : total(2) <= self.width ? 2 : 1
        if total(gap) > self.width {
            rows = rows.map { Array($0.dropLast()) }
            gap = total(2) <= self.width ? 2 : 1
        }
        let excess = total(gap) - self.width
        if excess > 0 {
            let width = max(8, widths(rows)[0] - excess)
            rows = rows.map { [$0[0].shortened(to: width)] + $0.dropFirst() }
        }
        let columns = widths(rows)
        return rows.map { row in
            let cells = zip(row, columns).map { $0.padded(to: $1 + gap) }
            return cells.joined().trimmingTrailingSpaces
        }
    }

    private func row(_ node: StatusReport.Node, isLocal: Bool) -> [String] {
        [
            node.name + (isLocal ? " *" : ""), node.role?.rawValue ?? "?",
            node.state?.rawValue ?? "?", node.gate?.rawValue ?? "?",
            node.position?.description ?? "-", node.role == .secondary ? self.lag : "-",
            isLocal ? "-" : self.lastHeard, node.version ?? "-",
        ]
    }

    private var lag: String {
        let replication = self.report.replication
        guard let transactions = replication.lagTransactions else { return "?" }
        guard transactions > 0 else { return "none" }
        let bytes = replication.lagBytes.map { " " + StatusText.size($0, decimals: false) }
        return "\(StatusText.count(transactions)) txn" + (bytes ?? "")
    }

    private var lastHeard: String {
        guard let peer = self.report.peer else { return "-" }
        guard let seconds = peer.lastHeardSeconds else { return "never" }
        return seconds < 1 ? "now" : StatusText.time(seconds, decimals: false) + " ago"
    }
}

// MARK: What matters now

extension StatusTable {
    private var details: [(label: String, text: String)] {
        var details: [(String, String)] = []
        details += self.report.reasons.map { ("Reason", $0) }
        if let operation = self.report.operation {
            let since = StatusText.time(
                self.report.generatedAt.seconds(since: operation.since),
                decimals: false
            )
            details.append(("Operation", "\(operation.verb): \(operation.step), for \(since)"))
        }
        if let seed = self.report.seed { details.append(("Seed", self.progress(of: seed))) }
        if let failover = self.failover { details.append(("Failover", failover)) }
        // A suspension is a reason above, and what it blocks is said there.
        if self.report.failover.suspendedUntil == nil {
            details += self.report.failover.blockers.map { ("Blocked by", $0) }
        }
        if let closes = self.report.failover.secondsUntilGateCloses {
            details.append(("Lease", "the gate closes in \(StatusText.time(closes))"))
        }
        if let copies = self.copies { details.append(("Copies", copies)) }
        if let risk = self.risk { details.append(("At risk", risk)) }
        details += self.report.tails.map { tail in
            (
                "Tail",
                "\(tail.id): of \(tail.node), \(tail.extent), "
                    + "\(StatusText.size(tail.bytes)), \(tail.at.minute) UTC; "
                    + "pairctl tail list"
            )
        }
        if let change = self.report.lastChange {
            details.append(("Last change", "\(change.at.minute) UTC  \(change.story)"))
        }
        if let next = self.report.next { details.append(("Next", next)) }
        return details
    }

    private func progress(of seed: StatusReport.Seed) -> String {
        let percent = seed.totalBytes == 0 ? 100 : seed.doneBytes * 100 / seed.totalBytes
        var text = "\(percent) %, \(StatusText.size(seed.doneBytes)) of "
        text += "\(StatusText.size(seed.totalBytes)), \(StatusText.size(seed.bytesPerSecond))/s"
        if let eta = seed.etaSeconds { text += ", \(StatusText.time(eta)) to go" }
        return text
    }

    private var failover: String? {
        let failover = self.report.failover
        if let until = failover.suspendedUntil {
            return "suspended until \(until.minute) UTC: no node promotes itself"
        }
        let nodes = [self.report.local] + (self.report.peer.map { [$0.node] } ?? [])
        guard let secondary = nodes.first(where: { $0.role == .secondary }) else { return nil }
        if self.report.pair.policy == .manual {
            return "by hand only: pairctl promote on \(secondary.name)"
        }
        let unmet = failover.conditions.filter { !$0.met }.map(\.name)
        if failover.secondsUntilPromotion == nil, !failover.blockers.isEmpty {
            return "\(secondary.name) does not promote itself"
        }
        var text = "\(secondary.name) promotes itself after "
        text += "\(StatusText.time(failover.timeoutSeconds)) without a heartbeat"
        if let due = failover.secondsUntilHeartbeat, unmet.isEmpty || due > 0 {
            text += " (next one in \(StatusText.time(due, decimals: false)))"
        } else if let left = failover.secondsUntilPromotion,
            left < failover.timeoutSeconds - failover.heartbeatSeconds
        {
            text += " (\(StatusText.time(left)) left)"
        }
        return text
    }

    private var copies: String? {
        let replication = self.report.replication
        var parts: [String] = []
        if let equalAt = replication.digestEqualAt {
            let nodes = [self.report.local] + (self.report.peer.map { [$0.node] } ?? [])
            let position = nodes.first { $0.role == .secondary }?.position
            let age = max(0, self.report.generatedAt.seconds(since: equalAt))
            let place = position.map { " as of \($0)," } ?? ""
            parts.append("identical\(place) \(StatusText.time(age)) ago")
        }
        if let verifiedAt = replication.lastVerifyAt {
            let isToday = self.report.generatedAt.seconds(since: verifiedAt) < 86_400
            let differences = replication.lastVerifyDifferences.map {
                ", \(StatusText.counted($0, "difference"))"
            }
            parts.append(
                "last full verify \(isToday ? verifiedAt.clock : verifiedAt.minute) UTC"
                    + (differences ?? "")
            )
        }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }

    private var risk: String? {
        let replication = self.report.replication
        guard let transactions = replication.unprotectedTransactions else { return nil }
        guard transactions > 0 else { return "nothing" }
        var parts = [StatusText.counted(transactions, "transaction")]
        if let bytes = replication.unprotectedBytes { parts.append(StatusText.size(bytes)) }
        if let lag = replication.lagSeconds { parts.append(StatusText.time(lag)) }
        return parts.joined(separator: ", ")
    }

    /// `label` and `text`, broken between words where the line would be too long.
    private func wrapped(_ label: String, _ text: String) -> [String] {
        let indent = 12
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if !line.isEmpty, indent + line.count + 1 + word.count > self.width {
                lines.append(line)
                line = String(word)
            } else {
                line += (line.isEmpty ? "" : " ") + word
            }
        }
        lines.append(line)
        return lines.enumerated().map { index, line in
            ((index == 0 ? label : "").padded(to: indent) + line).trimmingTrailingSpaces
        }
    }
}

extension String {
    fileprivate func shortened(to width: Int) -> String {
        self.count <= width ? self : self.prefix(width - 1) + "…"
    }

    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - self.count))
    }

    fileprivate var trimmingTrailingSpaces: String {
        String(self.reversed().drop { $0 == " " }.reversed())
    }
}
