import Foundation
import PairCore
import PairDaemon
import Testing

/// The smallest valid file and one more piece of it.
func configuration(
    _ more: String = "",
    isLab: Bool = false
) throws(ConfigurationRejection) -> Configuration {
    try Configuration(
        yaml: "vault: { path: /var/lib/vault/vault.db }\n" + more,
        file: "paird.yaml",
        isLab: isLab
    )
}

/// What is said about a file that must not be accepted.
func rejection(_ more: String, isLab: Bool = false) -> String {
    do throws(ConfigurationRejection) {
        _ = try configuration(more, isLab: isLab)
        return "accepted"
    } catch {
        return error.description
    }
}

@Suite("Configuration: a file that is right")
struct AcceptedConfigurationTests {
    @Test func `needs nothing but the vault's path`() throws {
        var expected = Configuration()
        expected.vaultPath = "/var/lib/vault/vault.db"

        #expect(try configuration() == expected)
    }

    @Test func `is taken at its word`() throws {
        let read = try configuration(
            """
            pair: { name: vault-eu }
            node: { name: ams-1, model: "PAM 500" }
            state: { dir: /var/lib/other }
            listen: { replication: "10.0.0.1:6022", health: "[::1]:6023" }
            peer: { addresses: ["10.0.0.2:6022", "nyc-1.example:6022"] }
            failover: { policy: manual, timeout: 9000s, on_divergence: auto, reach: ["192.0.2.1:443"] }
            replication:
              log_retention: { size: 512MiB, age: 7d }
              max_rate: 100MiB
              loss_budget: off
            storage: { stall_limit: 30s }
            health: { detail: true }
            control: { socket: /run/other.sock, admin_group: admins, monitor_group: watchers }
            log: { level: debug, format: json }
            """
        )

        var expected = Configuration()
        expected.vaultPath = "/var/lib/vault/vault.db"
        expected.pairName = "vault-eu"
        expected.nodeName = "ams-1"
        expected.model = "PAM 500"
        expected.stateDirectory = "/var/lib/other"
        expected.replicationListener = HostPort(host: "10.0.0.1", port: 6022)
        expected.healthListener = HostPort(host: "::1", port: 6023)
        expected.peerAddresses = [
            HostPort(host: "10.0.0.2", port: 6022), HostPort(host: "nyc-1.example", port: 6022),
        ]
        expected.failover.policy = .manual
        expected.failover.timeout = .seconds(9000)
        expected.failover.reach = [HostPort(host: "192.0.2.1", port: 443)]
        expected.logRetention.byteCount = 512 << 20
        expected.logRetention.age = .seconds(7 * 86_400)
        expected.maxRate = 100 << 20
        expected.stallLimit = .seconds(30)
        expected.healthDetail = true
        expected.control.socket = "/run/other.sock"
        expected.control.adminGroup = "admins"
        expected.control.monitorGroup = "watchers"
        expected.log.level = .debug
        expected.log.format = .json
        #expect(read == expected)
        #expect(read.timers == Timers(timeout: .seconds(9000)))
    }

    @Test func `can have the lab's timers when they were asked for`() throws {
        let read = try configuration("lab: { heartbeat: 300ms, timeout: 3s }", isLab: true)

        #expect(read.timers == Timers(labHeartbeat: .milliseconds(300), timeout: .seconds(3)))
    }

    @Test func `takes effect at once only where that is safe`() throws {
        let running = try configuration()
        let changed = try configuration(
            """
            log: { level: debug }
            failover: { timeout: 20m, reach: ["192.0.2.1:443"], policy: manual }
            replication: { max_rate: 1MiB }
            node: { name: other }
            """
        )

        let reloaded = changed.reloaded(over: running)

        #expect(
            changed.keysNeedingRestart(comparedWith: running) == ["node.name", "failover.policy"]
        )
        #expect(reloaded.keysNeedingRestart(comparedWith: running) == [])
        #expect(reloaded.failover.timeout == .seconds(1200))
        #expect(reloaded.maxRate == 1 << 20)
        #expect(reloaded.log.level == .debug)
        #expect(reloaded.nodeName == nil)
    }

    @Test func `takes a lab's timeout at once, but no other heartbeat`() throws {
        func lab(_ text: String) throws -> Configuration {
            try configuration("lab: { \(text) }", isLab: true)
        }
        let running = try lab("heartbeat: 1s, timeout: 10s")

        let sooner = try lab("heartbeat: 1s, timeout: 5s")
        #expect(sooner.keysNeedingRestart(comparedWith: running) == [])
        #expect(sooner.reloaded(over: running).timers.timeout == .seconds(5))

        let other = try lab("heartbeat: 500ms, timeout: 5s")
        #expect(other.keysNeedingRestart(comparedWith: running) == ["lab.heartbeat"])
        #expect(other.reloaded(over: running).timers == running.timers)
    }
}

@Suite("Configuration: a file that is wrong")
struct RejectedConfigurationTests {
    @Test(arguments: [
        (
            "failover: { timeout: 14 }",
            "paird.yaml:2:22: failover.timeout: 14 has no unit; write for example 14m "
                + "(ms, s, m, h, d)"
        ),
        (
            "failover:\n  timeout: 4m",
            "paird.yaml:3:12: failover.timeout: 4m is out of range; write 5m to 10000m"
        ),
        (
            "failover:\n  timeot: 14m",
            "paird.yaml:3:3: failover.timeot: is not a key; did you mean failover.timeout?"
        ),
        (
            "failovr: { timeout: 14m }",
            "paird.yaml:2:1: failovr: is not a key; did you mean failover?"
        ),
        (
            "max_rate: 1MiB",
            "paird.yaml:2:1: max_rate: is not a key; did you mean replication.max_rate?"
        ),
        (
            "failover: { policy: brave }",
            "paird.yaml:2:21: failover.policy: 'brave' is not a choice; write one of available, "
                + "strict, manual"
        ),
        (
            "failover: 14m",
            "paird.yaml:2:11: failover: must be a section; write its keys below it, indented: "
                + "policy, timeout, on_divergence, reach"
        ),
        (
            "replication: { max_rate: 100MB }",
            "paird.yaml:2:26: replication.max_rate: 'MB' is not a unit; write one of KiB, MiB, "
                + "GiB, for example 100MiB"
        ),
        (
            "health: { detail: yes }",
            "paird.yaml:2:19: health.detail: 'yes' is neither true nor false; write true or false"
        ),
        (
            "listen: { health: \"0.0.0.0:70000\" }",
            "paird.yaml:2:19: listen.health: '0.0.0.0:70000' is not HOST:PORT; write for example "
                + "\"0.0.0.0:5023\""
        ),
        (
            "peer: { addresses: 10.0.0.2:5022 }",
            "paird.yaml:2:20: peer.addresses: must be a list; write [\"203.0.113.7:5022\"]"
        ),
        (
            "node: { name: \"a b\" }",
            "paird.yaml:2:15: node.name: 'a b' is not a name; write 1 to 63 letters, digits, '.', "
                + "'_' and '-', for example ams-1"
        ),
        (
            "state: { dir: paird }",
            "paird.yaml:2:15: state.dir: 'paird' is not an absolute path to one place; write for "
                + "example /var/lib/paird"
        ),
        (
            "lab: { heartbeat: 300ms, timeout: 3s }",
            "paird.yaml:2:6: lab: holds timers below the product's ranges; take the section out, "
                + "or start with --lab on a machine whose data is worth nothing"
        ),
        (
            "node: { name: a }\nnode: { name: b }",
            "paird.yaml:2:1: node: is written twice; keep one of them"
        ),
        (
            "vault: { path: [",
            "paird.yaml:3:1: is no YAML (did not find expected node content); see"
        ),
        (
            "failover: { policy: strict }",
            "paird.yaml:2:21: failover.policy: strict is not in this version of paird; write "
                + "available or manual"
        ),
        (
            "failover: { on_divergence: hold }",
            "paird.yaml:2:28: failover.on_divergence: hold is not in this version of paird; write "
                + "auto"
        ),
        (
            "replication:\n  loss_budget: { transactions: 100 }",
            "paird.yaml:3:16: replication.loss_budget: a loss budget is not in this version of "
                + "paird; write off"
        ),
    ])
    func `is refused with its place and what to write`(yaml: String, message: String) {
        #expect(rejection(yaml).hasPrefix(message), "\(rejection(yaml))")
    }

    @Test func `is refused with everything that is wrong with it, in order`() {
        let lines = rejection(
            """
            log: { level: loud }
            health: { detail: 1 }
            storage: { stall_limit: 1s }
            """
        ).split(separator: "\n")

        #expect(
            lines.map { $0.prefix(14) } == ["paird.yaml:2:1", "paird.yaml:3:1", "paird.yaml:4:2"]
        )
    }

    @Test func `is refused when it names a group that nobody has made`() {
        let yaml = """
            vault: { path: /var/lib/vault/vault.db }
            control: { admin_group: wheel, monitor_group: lookers }
            """
        let refusal = #expect(throws: ConfigurationRejection.self) {
            try Configuration(yaml: yaml, file: "paird.yaml", isLab: false) { $0 == "wheel" }
        }

        #expect(
            refusal?.description == "paird.yaml:2:47: control.monitor_group: there is no group "
                + "'lookers' on this machine; type: groupadd --system lookers, or write one that is "
                + "there"
        )
        // The default group need not be there: the control socket is then for root only.
        #expect(throws: Never.self) {
            try Configuration(
                yaml: "vault: { path: /var/lib/vault/vault.db }",
                file: "paird.yaml",
                isLab: false
            ) { _ in false }
        }
    }

    @Test(arguments: ConfigurationSchema.keys)
    func `is refused with the key that was meant when a letter is missing`(key: String) {
        let names = key.split(separator: ".").map(String.init)
        let wrong = names.dropLast() + [String((names.last ?? "").dropLast())]
        let yaml = wrong.map { "\($0): { " }.joined() + "x: 1" + wrong.map { _ in " }" }.joined()

        let text = rejection(yaml, isLab: true)

        // vault is there twice then, which is refused first.
        guard names.first != "vault" else { return }
        #expect(text.contains("is not a key; did you mean \(key)?"), "\(text)")
    }

    @Test func `is refused when it names no vault`() {
        #expect(throws: ConfigurationRejection.self) {
            try Configuration(yaml: "pair: { name: a }\n", file: "paird.yaml", isLab: false)
        }
        #expect(throws: ConfigurationRejection.self) {
            try Configuration(yaml: "", file: "paird.yaml", isLab: false)
        }
    }

    @Test func `is refused when a lab's timeout leaves no room for a lost heartbeat`() {
        #expect(
            rejection("lab: { heartbeat: 1s, timeout: 2s }", isLab: true)
                == "paird.yaml:2:32: lab.timeout: 2s is less than two heartbeats and the gate's "
                + "margin; write 2106ms or more"
        )
    }

    @Test(arguments: ConfigurationSchema.keys)
    func `is refused when any key holds what it cannot hold`(key: String) {
        let names = key.split(separator: ".")
        let nested =
            names.map { "\($0): { " }.joined() + "x: 1" + names.map { _ in " }" }.joined()
        let yaml = key == "vault.path" ? nested : "vault: { path: /v/v.db }\n" + nested

        do {
            _ = try Configuration(yaml: yaml, file: "paird.yaml", isLab: true)
            Issue.record("\(key) accepts a section")
        } catch {
            #expect(error.problems.contains { $0.key == key })
        }
    }
}

@Suite("The documented configuration")
struct DocumentedConfigurationTests {
    private static func text() throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: root.appending(path: "etc/paird.yaml"), encoding: .utf8)
    }

    /// The file with every setting that is commented out put into force.
    private static func everything() throws -> String {
        try self.text().split(separator: "\n", omittingEmptySubsequences: false).filter { line in
            line != "  loss_budget: off"
        }.map { line in
            let isSetting = line.hasPrefix("#") && (!line.hasPrefix("# ") || line.hasPrefix("#  "))
            return isSetting && line.count > 1 && line.contains(":") && !line.contains("paird ")
                ? String(line.dropFirst()) : String(line)
        }.joined(separator: "\n")
    }

    @Test func `is valid and says the defaults`() throws {
        let read = try Configuration(yaml: try Self.text(), file: "paird.yaml", isLab: false)

        var expected = Configuration()
        expected.vaultPath = "/var/lib/vault/vault.db"
        #expect(read == expected)
    }

    @Test func `is valid with all that it offers, but for what is not there yet`() throws {
        let yaml = try Self.everything()
        let refusal = #expect(throws: ConfigurationRejection.self) {
            try Configuration(yaml: yaml, file: "paird.yaml", isLab: true)
        }

        #expect(refusal?.problems.map(\.key) == ["replication.loss_budget"])
    }

    @Test(arguments: ConfigurationSchema.keys)
    func `has every key that the daemon knows`(key: String) throws {
        let name = key.split(separator: ".").last.map(String.init) ?? key
        let lines = try Self.everything().split(separator: "\n")

        let holders = lines.filter { line in
            !line.hasPrefix("# ") && !line.contains("  # ")
                && line.split { " {,".contains($0) }.contains { $0 == name + ":" }
        }

        #expect(!holders.isEmpty, "\(key) is not in etc/paird.yaml")
    }
}
