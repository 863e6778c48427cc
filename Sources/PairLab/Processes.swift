import Foundation
import Glibc

/// The processes of a lab, found by what they were started with.
enum Processes {
    static func signal(_ pid: Int32, _ signal: Int32) { _ = kill(pid, signal) }

    /// A process that has ended and waits to be reaped is not alive.
    static func isAlive(_ pid: Int32) -> Bool {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = stat.lastIndex(of: ")")
        else { return false }
        return !stat[end...].dropFirst().hasPrefix(" Z")
    }

    /// All that name the folder, or something in it, on their command lines: daemons, guards, the
    /// link and applications; never this process and its like, which look at the folder only, nor
    /// what a person has opened there.
    static func of(_ folder: LabFolder) -> [Int32] {
        let record = try? folder.load()
        let started = [record?.linkPID] + (record?.nodes.map(\.pid) ?? [])
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { Int32($0) }.filter { pid in
            guard pid != getpid(), self.isAlive(pid),
                let data = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline")
            else { return false }
            let arguments = data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard let program = arguments.first?.split(separator: "/").last,
                started.contains(pid) || ["paird", "sqlite3"].contains(program)
                    || program == "pair-lab" && arguments.dropFirst().first == "link"
            else { return false }
            return arguments.contains {
                $0 == folder.path || $0.hasPrefix(folder.path + "/")
            }
        }
    }
}
