import Glibc

/// What this machine says about itself.
package enum Machine {
    /// The product name of the firmware (SMBIOS), or "unknown".
    package static func productName() -> String {
        let name = self.firstLine(of: "/sys/class/dmi/id/product_name")
        return name.isEmpty ? "unknown" : name
    }

    /// The host's name without its domain.
    package static func hostName() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "unknown" }
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self)
    }

    /// The user that this process runs as.
    package static var ownUserID: UInt32 { geteuid() }

    /// The name of the user with that number, else the number.
    package static func userName(_ uid: UInt32) -> String {
        guard let entry = getpwuid(uid) else { return String(uid) }
        return String(cString: entry.pointee.pw_name)
    }

    /// The number of the group with that name; `nil` when there is none.
    package static func groupID(named name: String) -> UInt32? {
        getgrnam(name).map { $0.pointee.gr_gid }
    }

    /// What this process uses.
    package struct Usage: Sendable {
        package var residentBytes: Int
        package var virtualBytes: Int
        package var openDescriptors: Int
        package var processorTime: Duration
    }

    package static func usage() -> Usage {
        var usage = rusage()
        _ = getrusage(RUSAGE_SELF.rawValue, &usage)
        let micros =
            Int64(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000
            + Int64(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
        // proc_pid_statm(5): the size and the resident part, in pages.
        let fields = self.firstLine(of: "/proc/self/statm").split(separator: " ")
        let pages = fields.prefix(2).map { Int($0) ?? 0 }
        let pageBytes = Int(sysconf(Int32(_SC_PAGESIZE)))
        return Usage(
            residentBytes: (pages.last ?? 0) * pageBytes,
            virtualBytes: (pages.first ?? 0) * pageBytes,
            openDescriptors: self.openDescriptors,
            processorTime: .microseconds(micros)
        )
    }

    private static var openDescriptors: Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Not the two names of folders, nor the descriptor of this look.
        return max(0, count - 3)
    }

    /// The size of a file, looked up by its path; 0 when there is none.
    package static func byteCount(of path: String) -> UInt64 {
        var status = stat()
        guard stat(path, &status) == 0 else { return 0 }
        return UInt64(status.st_size)
    }

    /// Free bytes on the file system that holds `path`, and its size.
    package static func space(at path: String) -> (free: UInt64, total: UInt64)? {
        var stat = statvfs()
        guard statvfs(path, &stat) == 0 else { return nil }
        let unit = UInt64(stat.f_frsize)
        return (UInt64(stat.f_bavail) * unit, UInt64(stat.f_blocks) * unit)
    }

    private static func firstLine(of path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { return "" }
        return String(decoding: buffer[..<count].prefix { $0 != 10 }, as: UTF8.self)
    }
}
