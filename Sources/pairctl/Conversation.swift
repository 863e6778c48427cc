import ArgumentParser
import FoundationEssentials
import Glibc
import PairCore
import PairWire

extension GlobalOptions {
    /// Asks the daemon, shows the progress, and returns what was answered.
    ///
    /// - Parameter waits: the verb ends only when what was asked for is reached, so that without
    ///   `--timeout` there is no limit.
    /// - Throws: `ExitCode` after the reason was written to standard error.
    func ask<Payload: Codable & Hashable & Sendable>(
        _ command: ControlCommand,
        _ type: Payload.Type,
        dryRun: Bool = false,
        waits: Bool = false
    ) throws -> ControlOutcome<Payload> {
        let limit = self.timeout?.duration ?? (waits ? nil : .seconds(10))
        do throws(ControlConnection.Failure) {
            // The daemon says itself what has not been done in time, when its clock ticks next;
            // this side waits a little longer, so that its words arrive.
            var connection = try ControlConnection(
                path: self.socketPath,
                timeout: limit.map { $0 + .seconds(2) }
            )
            if waits { Interruption.explain() }
            let request = ControlRequest(command, dryRun: dryRun, timeout: limit)
            try connection.send(JSON.line(request))
            while true {
                let line = try connection.receive()
                guard let reply = JSON.read(ControlReply<Payload>.self, from: line) else {
                    throw .ended(path: self.socketPath)
                }
                switch reply {
                case .progress(let progress): StandardError.write(progress)
                case .final(let outcome): return outcome
                }
            }
        } catch {
            StandardError.write("pairctl: \(error)")
            throw ExitCode(error.exitCode)
        }
    }

    /// Asks, writes what was answered, and ends with its exit code.
    ///
    /// - Parameter table: the payload for people; JSON comes by itself.
    func run<Payload: Codable & Hashable & Sendable>(
        _ command: ControlCommand,
        _ type: Payload.Type,
        dryRun: Bool = false,
        waits: Bool = false,
        table: (Payload) -> String
    ) throws {
        let outcome = try self.ask(command, type, dryRun: dryRun, waits: waits)
        if let payload = outcome.payload {
            switch self.output {
            case .json: StandardOutput.write(JSON.text(payload))
            case .table: StandardOutput.write(table(payload))
            }
        }
        try outcome.end()
    }
}

extension GlobalOptions {
    /// Asks for a list and writes it, one entry a line.
    ///
    /// - Parameter none: what standard error says of an empty list.
    func list<Payload: Codable & Hashable & Sendable, Entry: Encodable>(
        _ command: ControlCommand,
        _ type: Payload.Type,
        _ entries: (Payload) -> [Entry],
        none: String? = nil,
        line: (Entry) -> String
    ) throws {
        let outcome = try self.ask(command, type)
        let found = outcome.payload.map(entries) ?? []
        if let none, found.isEmpty, outcome.exitCode == .done { StandardError.write(none) }
        for entry in found {
            switch self.output {
            case .json:
                StandardOutput.write(String(decoding: JSON.line(entry), as: UTF8.self) + "\n")
            case .table: StandardOutput.write(line(entry) + "\n")
            }
        }
        try outcome.end()
    }
}

extension ControlOutcome {
    /// Writes the message to standard error, and throws unless the verb was carried out.
    func end() throws {
        if !self.message.isEmpty { StandardError.write(self.message) }
        if self.exitCode != .done { throw ExitCode(self.exitCode.rawValue) }
    }
}

/// JSON as this tool reads and writes it.
enum JSON {
    /// One line, for the socket and for scripts that read lines.
    static func line(_ value: some Encodable) -> [UInt8] { Array(self.encode(value, [])) }

    /// For standard output: the same keys in the same order every time.
    static func text(_ value: some Encodable) -> String {
        String(decoding: self.encode(value, [.prettyPrinted]), as: UTF8.self) + "\n"
    }

    static func read<Value: Decodable>(_ type: Value.Type, from line: [UInt8]) -> Value? {
        try? JSONDecoder().decode(type, from: Data(line))
    }

    private static func encode(
        _ value: some Encodable,
        _ formatting: JSONEncoder.OutputFormatting
    ) -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = formatting.union([.sortedKeys, .withoutEscapingSlashes])
        do {
            return try encoder.encode(value)
        } catch {
            // Our own types hold no number that JSON cannot write, and nothing else can fail.
            preconditionFailure("\(value) cannot be written as JSON: \(error)")
        }
    }
}
