import Glibc
import PairLab

/// The cores that processes run on.
enum Processor {
    static var count: Int { Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// Keeps all threads of a process, and those it makes later, on one core.
    static func pin(_ process: Int32, to core: Int) async throws {
        let arguments = ["--all-tasks", "--cpu-list", "--pid", String(core), String(process)]
        let result = try await Command.run(try Programs.system("taskset"), arguments)
        guard result.status == 0 else { throw BenchError.unavailable("taskset: \(result.errors)") }
    }
}
