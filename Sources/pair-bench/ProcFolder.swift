import FoundationEssentials
import Glibc

/// What `/proc` says of a process.
enum ProcFolder {
    static func residentBytes(of process: Int32) -> Int {
        (self.field("VmRSS", in: "/proc/\(process)/status") ?? 0) * 1024
    }

    /// What it has caused to be written to a disk.
    static func writtenBytes(of process: Int32) -> Int {
        self.field("write_bytes", in: "/proc/\(process)/io") ?? 0
    }

    /// What it has handed to `write` and its like: for a daemon without disk work, what it has sent.
    static func callWrittenBytes(of process: Int32) -> Int {
        self.field("wchar", in: "/proc/\(process)/io") ?? 0
    }

    /// The processes that were started with something in `folder`, a daemon's guard among them.
    static func processes(naming folder: String, program: String) -> [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.filter { process in
            let arguments = self.text("/proc/\(process)/cmdline").split(separator: "\0")
            return arguments.first?.split(separator: "/").last.map(String.init) == program
                && arguments.contains { $0.hasPrefix(folder + "/") }
        }
    }

    private static func field(_ name: String, in path: String) -> Int? {
        for line in self.text(path).split(separator: "\n") where line.hasPrefix(name + ":") {
            return line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap {
                Int($0)
            }
        }
        return nil
    }

    /// Files here have no size, so they are read until nothing more comes.
    private static func text(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while case let count = read(descriptor, &chunk, chunk.count), count > 0 {
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
