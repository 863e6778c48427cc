import Glibc
package import PairCore

/// Keeps exactly one of `gate-open` and `gate-closed` in the run-time folder, for systemd's path
/// units (systemd.path(5)).
package struct GateFiles: Sendable {
    private let directory: String

    package init(directory: String) { self.directory = directory }

    /// Shows `gate`; an unmanaged gate leaves neither file.
    ///
    /// The old file goes before the new one comes: nobody ever sees both.
    /// - Throws: `GateFileError` naming the call and the file.
    package func show(_ gate: GateState) throws(GateFileError) {
        let names = ["gate-open": GateState.open, "gate-closed": .closed]
        for (name, shown) in names where shown != gate { try self.remove(name) }
        for (name, shown) in names where shown == gate { try self.create(name) }
    }

    private func create(_ name: String) throws(GateFileError) {
        let path = "\(self.directory)/\(name)"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw GateFileError(call: "create", path: path, code: errno) }
        close(descriptor)
    }

    private func remove(_ name: String) throws(GateFileError) {
        let path = "\(self.directory)/\(name)"
        guard unlink(path) != 0, errno != ENOENT else { return }
        throw GateFileError(call: "remove", path: path, code: errno)
    }
}

/// Why a gate file could not be written.
package struct GateFileError: Error, CustomStringConvertible {
    package let call: String
    package let path: String
    package let code: Int32

    package var description: String {
        "\(self.call) \(self.path): \(String(cString: strerror(self.code)))"
    }
}
