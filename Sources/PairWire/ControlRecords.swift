package import PairCore

/// `tail list`: the archives of divergent tails that nobody has disposed of.
package struct TailList: Hashable, Sendable, Codable {
    package var tails: [StatusReport.Tail]

    package init(tails: [StatusReport.Tail]) { self.tails = tails }
}

/// `history`: every change of primary that this node remembers, oldest first.
package struct HistoryList: Hashable, Sendable, Codable {
    package var changes: [StatusReport.Change]

    package init(changes: [StatusReport.Change]) { self.changes = changes }
}

/// `events`: what happened on this node since its start, oldest first.
package struct EventList: Hashable, Sendable, Codable {
    package var events: [Event]

    package struct Event: Hashable, Sendable, Codable {
        package var at: WallTime
        package var event: String
        package var level: String
        package var message: String
        package var fields: [String: String]

        package init(
            at: WallTime,
            event: String,
            level: String,
            message: String,
            fields: [String: String]
        ) {
            self.at = at
            self.event = event
            self.level = level
            self.message = message
            self.fields = fields
        }
    }

    package init(events: [Event]) { self.events = events }
}
