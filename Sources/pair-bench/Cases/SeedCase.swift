import Glibc
import PairCore
import PairLab

/// A secondary's first copy: from enable-ha to streaming, verified and on its disk, against a copy of
/// the file on this disk.
struct SeedCase {
    let bench: Bench

    func run() async throws -> [Figure] {
        let template = try self.bench.scratch.make()
        defer { self.bench.scratch.remove(template) }
        let source = template.path + "/vault.db"
        try RotateVault.make(at: source, ballastBytes: self.bench.largeVaultBytes)
        let mebibytes = Double(fileSize(source)) / 1_048_576
        var rate = Comparison()
        var protected: [Double] = []
        for _ in 0..<self.bench.rounds {
            try await BenchPair.use(
                self.bench,
                isProtected: false,
                prepare: { pair in try copyFile(source, to: pair.vault) }
            ) { pair in
                let target = pair.folder + "/copy.db"
                let start = Monotonic.now
                try await onOwnThread { try copyFile(source, to: target) }
                rate.add(mebibytes / Monotonic.seconds(since: start), withDaemon: false)
                unlink(target)
                let enabled = Monotonic.now
                try await pair.lab.operate(.one, ["enable-ha", "--timeout", "60s"])
                try await eventually("the copy is followed", every: .milliseconds(5)) {
                    try await pair.lab.status(.two).local.state == .streaming
                }
                rate.add(mebibytes / Monotonic.seconds(since: enabled), withDaemon: true)
                try await pair.protect()
                protected.append(Monotonic.seconds(since: enabled))
            }
        }
        return [
            Figure("cp + sync", "MiB/s", rate.without),
            Figure("seed of \(BenchTable.text(mebibytes)) MiB, to streaming", "MiB/s", rate.with),
            Figure("seed / cp + sync", "ratio", rate.ratio, target: .atLeast(0.8)),
            Figure("enable-ha to protected", "s", protected),
        ]
    }
}

/// `cp` and `sync` of the one file: it is on the disk when this returns.
func copyFile(_ source: String, to target: String) throws(BenchError) {
    let input = open(source, O_RDONLY | O_CLOEXEC)
    guard input >= 0 else { throw .system(call: "open", object: source, code: errno) }
    defer { close(input) }
    let output = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard output >= 0 else { throw .system(call: "open", object: target, code: errno) }
    defer { close(output) }
    // Read and written, as the daemons must; a copy within the kernel would be another thing.
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    defer { buffer.deallocate() }
    while true {
        let count = read(input, buffer.baseAddress, buffer.count)
        guard count >= 0 else { throw .system(call: "read", object: source, code: errno) }
        guard count > 0 else { break }
        guard write(output, buffer.baseAddress, count) == count else {
            throw .system(call: "write", object: target, code: errno)
        }
    }
    guard fsync(output) == 0 else { throw .system(call: "fsync", object: target, code: errno) }
}
