import FoundationEssentials
package import Logging
import PairCore
package import PairWire
import Synchronization

/// Writes events as log lines, each with the epoch, position and role of the moment.
///
/// Values that came from the peer are escaped and cut at 256 bytes; secrets never come here.
package struct EventLog: Sendable {
    private static let mostKept = 1_000

    private let logger: Logger
    private let kept = Kept()
    private let context: @Sendable () -> Logger.Metadata

    package init(logger: Logger, context: @escaping @Sendable () -> Logger.Metadata) {
        self.logger = logger
        self.context = context
    }

    package func emit(
        _ name: EventName,
        level: Logger.Level = .info,
        _ text: String = "",
        _ fields: [String: String] = [:]
    ) {
        var metadata = self.context()
        for (key, value) in fields { metadata[key] = .string(Self.tamed(value)) }
        let event = EventList.Event(
            at: WallClock.now,
            event: name.rawValue,
            level: level.rawValue,
            message: Self.tamed(text),
            fields: metadata.mapValues { "\($0)" }
        )
        self.kept.events.withLock { events in
            if events.count == Self.mostKept { events.removeFirst(Self.mostKept / 10) }
            events.append(event)
        }
        metadata["event"] = .string(name.rawValue)
        self.logger.log(level: level, "\(Self.tamed(text))", metadata: metadata)
    }

    /// The newest events of this start, oldest first.
    package var recent: [EventList.Event] { self.kept.events.withLock { $0 } }

    private final class Kept: Sendable {
        let events = Mutex<[EventList.Event]>([])
    }

    /// `text` without control characters, at most 256 bytes of UTF-8.
    package static func tamed(_ text: String) -> String {
        var tamed = ""
        for scalar in text.unicodeScalars {
            let isPlain = scalar.value >= 0x20 && scalar.value != 0x7f
            let piece = isPlain ? String(scalar) : "\\u{\(String(scalar.value, radix: 16))}"
            guard tamed.utf8.count + piece.utf8.count <= 256 else { break }
            tamed += piece
        }
        return tamed
    }
}

/// How log lines look.
package enum LogFormat: String, Sendable {
    /// Text; without a time of its own under systemd, whose journal has one.
    case auto
    case text
    case json
}

/// The least level that is logged, and how; both may change while the node runs.
package final class LogLevel: Sendable {
    private let state: Mutex<(level: Logger.Level, format: LogFormat)>

    package init(_ level: Logger.Level, _ format: LogFormat) { self.state = Mutex((level, format)) }

    package func set(_ level: Logger.Level, _ format: LogFormat) {
        self.state.withLock { $0 = (level, format) }
    }

    package var current: Logger.Level { self.state.withLock { $0.level } }

    package var format: LogFormat { self.state.withLock { $0.format } }
}

/// Writes log lines to standard error, one `write` a line.
package struct LineLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level {
        get { self.level.current }
        set { self.level.set(newValue, self.level.format) }
    }

    private let level: LogLevel
    private let hasJournal: Bool

    package init(level: LogLevel, hasJournal: Bool) {
        self.level = level
        self.hasJournal = hasJournal
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var fields = self.metadata
        for (key, value) in event.metadata ?? [:] { fields[key] = value }
        let line =
            self.level.format == .json
            ? self.json(event.level, event.message, fields)
            : self.text(event.level, event.message, fields)
        StandardError.write(line + "\n")
    }

    private func json(
        _ level: Logger.Level,
        _ message: Logger.Message,
        _ fields: Logger.Metadata
    ) -> String {
        var object = fields.mapValues { "\($0)" }
        object["at"] = Date.now.formatted(.iso8601.time(includingFractionalSeconds: true))
        object["level"] = level.rawValue
        object["message"] = "\(message)"
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(object) else { return "\(object)" }
        return String(decoding: data, as: UTF8.self)
    }

    private func text(
        _ level: Logger.Level,
        _ message: Logger.Message,
        _ fields: Logger.Metadata
    ) -> String {
        var fields = fields
        let event = fields.removeValue(forKey: "event").map { "\($0)" } ?? "log"
        // journald reads a leading <priority> (sd-daemon(3)).
        let start =
            self.hasJournal && self.level.format == .auto
            ? "<\(Self.priority(level))>"
            : Date.now.formatted(.iso8601.time(includingFractionalSeconds: true))
                + " \(level.rawValue) "
        let rest = fields.sorted { $0.key < $1.key }.map {
            "\($0.key)=\(Self.quoted("\($0.value)"))"
        }
        let text = "\(message)"
        return ([start + event] + (text.isEmpty ? [] : [text]) + rest).joined(separator: " ")
    }

    private static func quoted(_ value: String) -> String {
        value.contains { $0 == " " || $0 == "\"" || $0 == "=" } || value.isEmpty
            ? "\"" + value.replacing("\"", with: "\\\"") + "\"" : value
    }

    private static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .critical: 2
        case .error: 3
        case .warning: 4
        case .notice: 5
        case .info: 6
        case .debug, .trace: 7
        }
    }
}
