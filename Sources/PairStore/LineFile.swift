import Glibc

/// A text file that only grows; lines are durable when ``append(_:)`` returns.
///
/// A line that a crash cut off is left out when the file is read, and the next one begins on a line of
/// its own.
package struct LineFile: Sendable {
    private let path: String

    package init(path: String) { self.path = path }

    /// All whole lines, the oldest first, without their line feeds; none when there is no file.
    package func lines() throws(NodeStateError) -> [[UInt8]] {
        do throws(SystemFailure) {
            let bytes = try DurableFile.read(self.path) ?? []
            var lines = bytes.split(separator: Self.lineFeed).map { Array($0) }
            if let last = bytes.last, last != Self.lineFeed { lines.removeLast() }
            return lines
        } catch {
            throw NodeStateError(error)
        }
    }

    package func append(_ lines: [[UInt8]]) throws(NodeStateError) {
        do throws(SystemFailure) {
            try self.write(Self.joined(lines))
        } catch {
            throw NodeStateError(error)
        }
    }

    /// Makes these the only lines; after a crash there are the old ones or the new ones.
    package func replace(with lines: [[UInt8]]) throws(NodeStateError) {
        do throws(SystemFailure) {
            try DurableFile.replace(self.path, with: Self.joined(lines))
        } catch {
            throw NodeStateError(error)
        }
    }

    private static let lineFeed = UInt8(ascii: "\n")

    private static func joined(_ lines: [[UInt8]]) -> [UInt8] {
        lines.flatMap { $0 + [self.lineFeed] }
    }

    private func write(_ lines: [UInt8]) throws(SystemFailure) {
        let descriptor = open(self.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw SystemFailure("opening", self.path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemFailure("fstat", self.path) }
        let end = Int(status.st_size)
        var last = [Self.lineFeed]
        if end > 0 {
            _ = try DurableFile.read(into: &last, from: descriptor, at: end - 1, path: self.path)
        }
        let start = last == [Self.lineFeed] ? [] : [Self.lineFeed]
        let bytes = start + lines
        try DurableFile.write(bytes[...], to: descriptor, at: end, path: self.path)
        guard SyncTimes.sync(descriptor) == 0 else { throw SystemFailure("fsync", self.path) }
        if end == 0 { try DurableFile.syncFolder(of: self.path) }
    }
}

extension NodeStateError {
    fileprivate init(_ failure: SystemFailure) {
        self = .system(call: failure.call, path: failure.path, code: failure.code)
    }
}
