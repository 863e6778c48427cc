import PairCore

extension Configuration {
    /// Reads and checks a configuration file's text.
    ///
    /// - Parameters:
    ///   - file: how the file is called in what is thrown.
    ///   - isLab: whether timers below the product's ranges are permitted.
    ///   - hasGroup: whether this machine has a group of that name.
    /// - Throws: everything that is wrong with it, in the file's order.
    package init(
        yaml: String,
        file: String,
        isLab: Bool,
        hasGroup: (String) -> Bool = { _ in true }
    ) throws(ConfigurationRejection) {
        var reader = ConfigurationReader(yaml: yaml, file: file)
        var result = Configuration()
        if reader.problems.isEmpty || reader.has("vault") {
            result.readNode(&reader)
            result.readListeners(&reader)
            result.readFailover(&reader)
            result.readReplication(&reader)
            result.readMachine(&reader)
            result.readControl(&reader, hasGroup)
            result.readLog(&reader)
            result.readLab(&reader, isPermitted: isLab)
        }
        guard reader.problems.isEmpty else {
            throw ConfigurationRejection(
                problems: reader.problems.sorted { ($0.line, $0.column) < ($1.line, $1.column) }
            )
        }
        self = result
    }

    private mutating func readNode(_ reader: inout ConfigurationReader) {
        if let name = reader.name("pair.name", "vault-eu") { self.pairName = name }
        if let name = reader.name("node.name", "ams-1"), name != "auto" { self.nodeName = name }
        if let model = reader.text("node.model", "auto"), model != "auto" {
            if model.utf8.count <= 63 {
                self.model = model
            } else {
                reader.problem(
                    "node.model",
                    "is longer than 63 bytes",
                    "write auto or a short name"
                )
            }
        }
        if let path = reader.path("state.dir", "/var/lib/paird") { self.stateDirectory = path }
        if let path = reader.path("vault.path", "/var/lib/vault/vault.db") {
            self.vaultPath = path
            if path.hasPrefix(self.stateDirectory + "/") {
                reader.problem(
                    "vault.path",
                    "lies in state.dir, which applications cannot enter",
                    "put the vault into a folder of its own"
                )
            }
        } else if !reader.has("vault.path") {
            reader.problem("vault.path", "is missing", "write for example /var/lib/vault/vault.db")
        }
    }

    private mutating func readListeners(_ reader: inout ConfigurationReader) {
        func listener(_ key: String, _ example: String) -> HostPort? {
            guard let text = reader.text(key, "\"\(example)\""),
                let address = reader.address(key, text, example)
            else { return nil }
            guard address.isNumeric else {
                reader.problem(
                    key,
                    "'\(address.host)' is not an address of this machine",
                    "write a numeric one, for example \"\(example)\""
                )
                return nil
            }
            return address
        }
        if let address = listener("listen.replication", "0.0.0.0:5022") {
            self.replicationListener = address
        }
        if let address = listener("listen.health", "0.0.0.0:5023") { self.healthListener = address }
        if self.replicationListener == self.healthListener {
            reader.problem(
                "listen.health",
                "is the address of listen.replication",
                "write another port"
            )
        }
        self.peerAddresses = Self.addresses("peer.addresses", "203.0.113.7:5022", &reader)
    }

    private static func addresses(
        _ key: String,
        _ example: String,
        _ reader: inout ConfigurationReader
    ) -> [HostPort] {
        let texts = reader.list(key, "[\"\(example)\"]") ?? []
        let addresses = texts.compactMap { reader.address(key, $0, example) }
        if Set(addresses).count != addresses.count {
            reader.problem(key, "holds an address twice", "keep one of them")
        }
        if addresses.count > 8 {
            reader.problem(key, "holds more than 8 addresses", "keep the most direct ones")
        }
        return addresses
    }

    private mutating func readFailover(_ reader: inout ConfigurationReader) {
        if let policy = reader.choice("failover.policy", FailoverPolicy.self) {
            self.failover.policy = policy
            if policy == .strict {
                reader.notYet("failover.policy", "strict", "available or manual")
            }
        }
        if let timeout = reader.duration(
            "failover.timeout",
            .seconds(5 * 60)...(.seconds(10_000 * 60)),
            "14m"
        ) {
            self.failover.timeout = timeout
        }
        if let choice = reader.choice("failover.on_divergence", OnDivergence.self) {
            self.failover.onDivergence = choice
            if choice == .hold { reader.notYet("failover.on_divergence", "hold", "auto") }
        }
        self.failover.reach = Self.addresses("failover.reach", "192.0.2.1:443", &reader)
    }

    private mutating func readReplication(_ reader: inout ConfigurationReader) {
        if reader.isOff("replication.log_retention") {
            reader.problem(
                "replication.log_retention",
                "cannot be off: a peer that was away would need a "
                    + "whole comparison",
                "write { size: 2GiB, age: 24h }"
            )
        }
        if let size = reader.byteCount(
            "replication.log_retention.size",
            (64 << 20)...(1 << 40),
            "2GiB"
        ) {
            self.logRetention.byteCount = size
        }
        if let age = reader.duration(
            "replication.log_retention.age",
            .seconds(60)...(.seconds(365 * 86_400)),
            "24h"
        ) {
            self.logRetention.age = age
        }
        if !reader.isOff("replication.max_rate") {
            self.maxRate = reader.byteCount(
                "replication.max_rate",
                (1 << 20)...(1 << 40),
                "100MiB"
            )
        }
        if reader.isSection("replication.loss_budget") {
            self.readLossBudget(&reader)
            reader.notYet("replication.loss_budget", "a loss budget", "off")
        }
    }

    private mutating func readLossBudget(_ reader: inout ConfigurationReader) {
        let key = "replication.loss_budget"
        var budget = LossBudget()
        budget.transactions = reader.count("\(key).transactions", 1...1_000_000_000, "100")
        budget.byteCount = reader.byteCount("\(key).bytes", (4 << 10)...(1 << 40), "1MiB")
        budget.age = reader.duration("\(key).age", .milliseconds(100)...(.seconds(3600)), "5s")
        if let wait = reader.duration("\(key).max_wait", .milliseconds(10)...(.seconds(60)), "2s") {
            budget.maxWait = wait
        }
        if !["transactions", "bytes", "age"].contains(where: { reader.has("\(key).\($0)") }) {
            reader.problem(
                key,
                "limits nothing",
                "write transactions, bytes or age below it, or off"
            )
        }
        self.lossBudget = budget
    }

    private mutating func readMachine(_ reader: inout ConfigurationReader) {
        if let limit = reader.duration(
            "storage.stall_limit",
            .seconds(10)...(.seconds(3600)),
            "60s"
        ) {
            self.stallLimit = limit
        }
        if let detail = reader.bool("health.detail") { self.healthDetail = detail }
    }

    private mutating func readControl(
        _ reader: inout ConfigurationReader,
        _ hasGroup: (String) -> Bool
    ) {
        if let path = reader.path("control.socket", "/run/paird/control.sock") {
            self.control.socket = path
            if path.utf8.count > 107 {
                reader.problem(
                    "control.socket",
                    "is longer than the 107 bytes of a socket's address",
                    "write a shorter path"
                )
            }
        }
        func group(_ key: String, _ example: String) -> String? {
            guard let name = reader.name(key, example) else { return nil }
            // Nobody would be let in for it, and nobody would know why.
            if !hasGroup(name) {
                reader.problem(
                    key,
                    "there is no group '\(name)' on this machine",
                    "type: groupadd --system \(name), or write one that is there"
                )
            }
            return name
        }
        if let name = group("control.admin_group", "paird-admin") { self.control.adminGroup = name }
        if let name = group("control.monitor_group", "paird-monitor") {
            self.control.monitorGroup = name
        }
    }

    private mutating func readLog(_ reader: inout ConfigurationReader) {
        if let level = reader.choice("log.level", Log.Level.self) { self.log.level = level }
        if let format = reader.choice("log.format", Log.Format.self) { self.log.format = format }
    }

    private mutating func readLab(_ reader: inout ConfigurationReader, isPermitted: Bool) {
        guard reader.has("lab") else { return }
        guard isPermitted else {
            reader.problem(
                "lab",
                "holds timers below the product's ranges",
                "take the section out, or start with --lab on a machine whose data is worth nothing"
            )
            return
        }
        let heartbeat = reader.duration(
            "lab.heartbeat",
            .milliseconds(100)...(.seconds(130)),
            "300ms"
        )
        let timeout = reader.duration("lab.timeout", .seconds(1)...(.seconds(600_000)), "3s")
        for key in ["lab.heartbeat", "lab.timeout"] where !reader.has(key) {
            reader.problem(key, "is missing", "write both, for example 300ms and 3s")
        }
        guard let heartbeat, let timeout else { return }
        let lab = Lab(heartbeat: heartbeat, timeout: timeout)
        let timers = Timers(labHeartbeat: heartbeat, timeout: timeout)
        guard timeout >= timers.leastTimeout else {
            reader.problem(
                "lab.timeout",
                "\(Measure.text(timeout)) is less than two heartbeats and the gate's "
                    + "margin",
                "write \(Measure.text(timers.leastTimeout)) or more"
            )
            return
        }
        self.lab = lab
    }
}
