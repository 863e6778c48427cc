import Glibc
import PairLab

/// A secondary's first copy: from enable-ha to protected, against a copy of the file on this disk.
struct SeedCase {
    let bench: Bench

    func run() async throws -> [Figure] {
        let template = try LabFolder.scratch()
        defer { template.remove() }
        let source = template.path + "/vault.db"
        try RotateVault.make(at: source, ballastBytes: self.bench.largeVaultBytes)
        let mebibytes = Double(fileSize(source)) / 1_048_576
        var copied: [Double] = []
        var seeded: [Double] = []
        var applied = Comparison()
        for _ in 0..<self.bench.rounds {
            try await BenchPair.use(
                self.bench,
                isProtected: false,
                prepare: { pair in try copyFile(source, to: pair.vault) }
            ) { pair in
                let target = pair.lab.folder.path + "/copy.db"
                let start = Monotonic.now
                try await onOwnThread { try copyFile(source, to: target) }
                copied.append(mebibytes / Monotonic.seconds(since: start))
                unlink(target)
                let enabled = Monotonic.now
                try await pair.protect()
                seeded.append(mebibytes / Monotonic.seconds(since: enabled))
                applied.without.append(copied.last ?? 0)
                applied.with.append(seeded.last ?? 0)
            }
        }
        return [
            Figure("cp + sync", "MiB/s", copied),
            Figure("seed of \(BenchTable.text(mebibytes)) MiB", "MiB/s", seeded),
            Figure("seed / cp + sync", "ratio", applied.ratio, target: .atLeast(0.8)),
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
