import Dispatch
import FoundationEssentials
import Glibc

/// Runs `body` on a thread that does nothing else meanwhile.
func onOwnThread<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue(label: "pair-bench").async {
            sleepExactly()
            continuation.resume(with: Swift.Result { try body() })
        }
    }
}

/// Without this a thread's sleep is late by the 50 us that the kernel gathers timers in.
///
/// Only for the calling thread: what daemons inherited would change what is measured.
private func sleepExactly() {
    guard
        let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self"),
        let thread = link.split(separator: "/").last
    else { return }
    let descriptor = open("/proc/\(thread)/timerslack_ns", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = write(descriptor, "1", 1)
    close(descriptor)
}
