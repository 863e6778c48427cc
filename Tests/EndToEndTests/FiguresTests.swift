import Foundation
import PairCore
import PairLab
import Testing

extension LabPair {
    /// Every series of a node's `/metrics` by its name without the prefix, labels included.
    func figures(_ node: LabNode) async throws -> [String: Double] {
        let page = try await self.health(node, "/metrics")
        #expect(page.status == 200)
        var figures: [String: Double] = [:]
        for line in page.body.split(separator: "\n") where !line.hasPrefix("#") {
            let words = line.split(separator: " ")
            let name = words.first.map { $0.hasPrefix("paird_") ? $0.dropFirst(6) : $0 } ?? ""
            figures[String(name)] = words.last.flatMap { Double($0) }
        }
        return figures
    }

    /// Waits until a figure is at least `least`.
    func figure(_ node: LabNode, _ name: String, atLeast least: Double = 1) async throws {
        var seen: Double?
        do {
            try await eventually("\(name) of \(node.name) is \(least) or more") {
                seen = try await self.figures(node)[name]
                return (seen ?? 0) >= least
            }
        } catch {
            throw LabError.unexpected("\(error); last: \(seen.map { "\($0)" } ?? "not there")")
        }
    }
}

extension EndToEnd {
    @Suite("The figures of a pair", .timeLimit(.minutes(3)))
    struct Figures {
        @Test func `move with what happens on the primary and on the secondary`() async throws {
            try await LabPair.enabled { lab in
                let before = try await lab.figures(.one)
                let applied = try await lab.figures(.two)["applied_transactions_total"] ?? 0
                for _ in 0..<5 {
                    let answer = try await lab.sql(.one, "UPDATE counter SET value = value + 1;")
                    #expect(answer.status == 0, "\(answer.errors)")
                }
                try await lab.waitApplied(on: .one)
                let one = try await lab.figures(.one)
                for name in ["captured_transactions_total", "captured_bytes_total"] {
                    #expect((one[name] ?? 0) >= (before[name] ?? 0) + 5, "\(name)")
                }
                #expect((one["shipped_bytes_total"] ?? 0) > (before["shipped_bytes_total"] ?? 0))
                try await lab.figure(.two, "applied_transactions_total", atLeast: applied + 5)

                try await lab.figure(.one, "heartbeat_rtt_seconds_count")
                try await lab.figure(.two, "heartbeats_received_total")
                for node in LabNode.allCases {
                    for name in [
                        "fsync_duration_seconds_count", #"tls_handshakes_total{result="done"}"#,
                        "heartbeats_sent_total", "process_start_time_seconds",
                        "process_cpu_seconds_total", "process_open_fds", "vault_bytes",
                        "storage_free_bytes", "peer_up", "epoch", "txid",
                    ] {
                        try await lab.figure(node, name, atLeast: .leastNonzeroMagnitude)
                    }
                }
                #expect(one[#"role{role="primary"}"#] == 1 && one[#"role{role="none"}"#] == 0)
                #expect(one["gate_open"] == 1)
                #expect(one["seconds_until_promotion"] == .infinity)
                let two = try await lab.figures(.two)
                #expect(two["gate_open"] == 0 && (two["seconds_until_promotion"] ?? 99) <= 10)
                #expect(one["vault_verify_timestamp_seconds"] == 0)
                try await lab.operate(.one, ["verify"])
                try await lab.figure(.one, "vault_verify_timestamp_seconds")
            }
        }

        @Test func `tell how long writes paused, and how long a failover took`() async throws {
            let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(4))
            try await LabPair.enabled(options) { lab in
                try await lab.protected()
                try await lab.operate(.one, ["switchover", "--wait"])
                try await lab.figure(.one, "writes_paused_seconds_count")
                try await lab.figure(.two, #"failovers_total{cause="switchover"}"#)
                try await lab.protected()
                for node in LabNode.allCases {
                    let events = try await lab.operate(node, ["events"]).output
                    #expect(events.contains("switchover.done"), "\(node.name): \(events)")
                }

                try await lab.kill(.two)
                try await lab.figure(.one, #"failovers_total{cause="failover"}"#)
                let one = try await lab.figures(.one)
                #expect(one["failover_duration_seconds_count"] == 1)
                // The timeout is in it.
                #expect((one["failover_duration_seconds_sum"] ?? 0) >= 3.9)
                let events = try await lab.operate(.one, ["events"]).output
                for name in ["peer.suspect", "role.promoting", "role.promoted", "gate.opened"] {
                    #expect(events.contains(name), "\(name) in \(events)")
                }
            }
        }

        @Test func `count strangers, and what kept them out`() async throws {
            try await LabPair.enabled { lab in
                let port = lab[.one].replicationPort
                _ = try await Command.run(
                    try Programs.system("openssl"),
                    ["s_client", "-connect", "127.0.0.1:\(port)", "-tls1_2"]
                )
                try await lab.figure(.one, #"tls_handshakes_total{result="failed"}"#)
                try await lab.figure(
                    .one,
                    #"connections_rejected_total{listener="replication",reason="tls"}"#
                )
                try await eventually("the log says so") {
                    try await lab.operate(.one, ["events"]).output.contains("tls.refused")
                }
                _ = try await lab.health(.one, "/nothing")
                _ = try await lab.health(.one, "/health")
                let figures = try await lab.figures(.one)
                #expect(figures[#"health_requests_total{path="other",code="404"}"#] == 1)
                #expect(figures[#"health_requests_total{path="/primary",code="200"}"#] == 1)
            }
        }

        @Test func `tell how long an application has held the write lock`() async throws {
            try await LabPair.enabled { lab in
                let application = try lab.application(.one)
                defer { application.kill() }
                _ = try await application.run("BEGIN IMMEDIATE;")
                try await lab.figure(.one, "write_hold_max_seconds", atLeast: 0.2)
                let held = try await lab.status(.one).local.longestWriteHoldSeconds
                #expect((held ?? 0) >= 0.2)
                _ = try await application.run("ROLLBACK;")
            }
        }
    }
}
