import Glibc

/// The disk below the vaults.
enum Disk {
    private static let looks = 100

    /// How long it takes to make 4 KiB at the end of a file durable, at the median.
    ///
    /// What a commit cannot be faster than; half of every latency here is understood by it.
    static func syncMilliseconds(in folder: String) throws(BenchError) -> Double {
        let path = folder + "/sync-probe"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system(call: "open", object: path, code: errno) }
        defer {
            close(descriptor)
            unlink(path)
        }
        let block = [UInt8](repeating: 0x55, count: 4096)
        var times: [Double] = []
        for _ in 0..<self.looks {
            let start = Monotonic.now
            guard write(descriptor, block, block.count) == block.count,
                fdatasync(descriptor) == 0
            else { throw .system(call: "fdatasync", object: path, code: errno) }
            times.append(Monotonic.seconds(since: start) * 1_000)
        }
        return Spread(times).median
    }
}
