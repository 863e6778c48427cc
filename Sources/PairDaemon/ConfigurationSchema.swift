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

    /// The key of `section` that the writer of `name` most likely meant; `nil` when none is near.
    package static func nearest(to name: String, in section: String) -> String? {
        let known = self.sections[section] ?? []
        let ranked = known.map { (key: $0, distance: self.distance(name.lowercased(), $0)) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }),
            best.distance <= max(1, best.key.count / 3)
        else { return nil }
        return best.key
    }

    /// The path of a key of that name in another section; `nil` unless there is one only.
    package static func otherPlace(of name: String) -> String? {
        let places = self.sections.keys.filter { self.sections[$0]?.contains(name) == true }
        guard places.count == 1, let section = places.first, !section.isEmpty else { return nil }
        return "\(section).\(name)"
    }

    /// How many characters must be put in, taken out or changed (Levenshtein).
    private static func distance(_ lhs: String, _ rhs: String) -> Int {
        let target = Array(rhs)
        var row = Array(0...target.count)
        for (i, left) in lhs.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, right) in target.enumerated() {
                let changed = diagonal + (left == right ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(changed, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[target.count]
    }
}
