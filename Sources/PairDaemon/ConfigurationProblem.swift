/// One thing that is wrong with a configuration file, and what to write instead.
package struct ConfigurationProblem: Error, Hashable, Sendable, CustomStringConvertible {
    package var file: String
    /// From 1.
    package var line: Int
    /// From 1.
    package var column: Int
    /// Dotted, as in `failover.timeout`; empty when the file is no YAML.
    package var key: String
    package var what: String
    package var remedy: String

    /// `paird.yaml:12:12: failover.timeout: has no unit; write 14m for minutes or 14s for seconds`.
    package var description: String {
        let place = "\(self.file):\(self.line):\(self.column): "
        return place + (self.key.isEmpty ? "" : self.key + ": ") + self.what + "; " + self.remedy
    }
}

/// A configuration that is not used, with everything that is wrong with it, in the file's order.
package struct ConfigurationRejection: Error, Hashable, Sendable, CustomStringConvertible {
    package var problems: [ConfigurationProblem]

    package var description: String {
        self.problems.map(\.description).joined(separator: "\n")
    }
}
