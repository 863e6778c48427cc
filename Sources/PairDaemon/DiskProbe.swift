import Glibc
import PairHost

/// Finds out whether a folder's disk takes writes.
enum DiskProbe {
    /// A copy that is served needs room for its own write-ahead log.
    private static let leastFreeBytes: UInt64 = 16 << 20

    /// - Returns: what is wrong, in the operator's words; `nil` when nothing is.
    static func trouble(in directory: String) -> String? {
        let path = directory + "/probe"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return "\(path): \(String(cString: strerror(errno)))" }
        defer {
            close(descriptor)
            unlink(path)
        }
        let bytes = [UInt8](repeating: 0x70, count: 4096)
        guard write(descriptor, bytes, bytes.count) == bytes.count, fdatasync(descriptor) == 0
        else { return "\(path): \(String(cString: strerror(errno)))" }
        return self.shortage(in: directory)
    }

    /// The node's memory is not where it was stored.
    static func absence(in directory: String) -> String? {
        // Each is missing for a moment while the other is stored.
        let paths = ["/node.state", "/node.state.previous"].map { directory + $0 }
        let isThere = paths.contains { access($0, F_OK) == 0 || errno != ENOENT }
        guard !isThere else { return nil }
        return "\(paths[0]) is gone: put the folder back, or this node has no keys and no pair "
            + "once paird ends"
    }

    /// Less is free than a copy needs that is to be served.
    static func shortage(in directory: String) -> String? {
        guard let space = Machine.space(at: directory), space.free < self.leastFreeBytes else {
            return nil
        }
        let free = space.free >> 20
        return "\(directory): only \(free) MiB are free, and a node that is to take over needs "
            + "\(self.leastFreeBytes >> 20)"
    }
}
