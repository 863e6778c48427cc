/// The keys that a configuration file can have.
package enum ConfigurationSchema {
    /// The keys of each section in the file's order; the empty name is the file itself.
    package static let sections: [String: [String]] = [
        "": [
            "pair", "node", "vault", "state", "listen", "peer", "failover", "replication",
            "storage", "health", "control", "log", "lab",
        ],
        "pair": ["name"],
        "node": ["name", "model"],
        "vault": ["path"],
        "state": ["dir"],
        "listen": ["replication", "health"],
        "peer": ["addresses"],
        "failover": ["policy", "timeout", "on_divergence", "reach"],
        "replication": ["log_retention", "max_rate", "loss_budget"],
        "replication.log_retention": ["size", "age"],
        "replication.loss_budget": ["transactions", "bytes", "age", "max_wait"],
        "storage": ["stall_limit"],
        "health": ["detail"],
        "control": ["socket", "admin_group", "monitor_group"],
        "log": ["level", "format"],
        "lab": ["heartbeat", "timeout"],
    ]

    /// Every key that holds a value, dotted.
    package static var keys: [String] { self.keys(under: "") }

    private static func keys(under section: String) -> [String] {
        (self.sections[section] ?? []).flatMap { name in
            let path = section.isEmpty ? name : "\(section).\(name)"
            return self.sections[path] == nil ? [path] : self.keys(under: path)
        }
    }

    /// The path of a key of that name in another section; `nil` unless there is one only.
    package static func otherPlace(of name: String) -> String? {
        let places = self.sections.keys.filter { self.sections[$0]?.contains(name) == true }
        guard places.count == 1, let section = places.first, !section.isEmpty else { return nil }
        return "\(section).\(name)"
    }
}
