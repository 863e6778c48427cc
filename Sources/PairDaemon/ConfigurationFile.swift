import Glibc
import PairCore
import PairHost

extension Configuration {
    /// Where a configuration came from, to be read again.
    package struct Source: Hashable, Sendable {
        package var path: String
        package var isLab: Bool

        package init(path: String, isLab: Bool) {
            self.path = path
            self.isLab = isLab
        }
    }

    /// Why a configuration file cannot even be read.
    package enum FileError: Error, CustomStringConvertible {
        case unreadable(path: String, code: Int32)
        case looseMode(path: String, mode: UInt32)
        case notText(path: String)

        package var description: String {
            switch self {
            case .unreadable(let path, let code):
                "\(path): \(String(cString: strerror(code))); name the file that there is: paird run "
                    + "--config FILE, or paird check-config FILE"
            case .looseMode(let path, let mode):
                "\(path): mode 0\(String(mode, radix: 8)) lets others in; type: chmod 0640 \(path)"
            case .notText(let path): "\(path): not UTF-8 text"
            }
        }
    }

    /// Reads and checks a configuration file, for use on this machine.
    ///
    /// A file that others may read or the group may write is refused.
    ///
    /// - Throws: `FileError`, or `ConfigurationRejection` with all that is wrong in it.
    package init(path: String, isLab: Bool) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError.unreadable(path: path, code: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw FileError.unreadable(path: path, code: errno)
        }
        guard status.st_mode & 0o027 == 0 else {
            throw FileError.looseMode(path: path, mode: UInt32(status.st_mode & 0o777))
        }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw FileError.unreadable(path: path, code: errno) }
        guard let text = String(validating: bytes[..<count], as: UTF8.self) else {
            throw FileError.notText(path: path)
        }
        try self.init(yaml: text, file: path, isLab: isLab) { Machine.groupID(named: $0) != nil }
    }

    /// What an operator should know of a group that nobody named and nobody made; `nil` for nothing.
    ///
    /// A group that the file names must be there. The default one need not: the control socket is
    /// then for root and for the daemon's own user only.
    package var missingGroup: String? {
        guard Machine.groupID(named: self.control.adminGroup) == nil else { return nil }
        return
            "there is no group \(self.control.adminGroup), so pairctl works for root only; to make "
            + "it: groupadd --system \(self.control.adminGroup), then restart paird"
    }
}
