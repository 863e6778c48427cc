import Foundation
import Glibc
import PairLab
import Synchronization

/// Answers every request on a control socket with the same lines, and remembers what was asked.
///
/// The real counterpart of `pairctl` can be brought into a few states only; what it must do with
/// every exit code, with progress and with an answer that never comes is shown against this.
final class ScriptedDaemon: Sendable {
    let path: String
    private let folder: LabFolder
    private let lines: [String]
    private let requests = Mutex<[String]>([])
    private let descriptor: Int32

    /// - Parameter lines: the answer; empty for none at all, the connection staying open.
    init(_ lines: [String]) throws {
        self.folder = try LabFolder.scratch()
        self.path = self.folder.path + "/control.sock"
        self.lines = lines
        self.descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: self.path.utf8) }
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0, listen(self.descriptor, 8) == 0 else { throw POSIXError(.EADDRINUSE) }
        Thread.detachNewThread { [weak self, descriptor] in
            while true {
                let client = accept(descriptor, nil, nil)
                guard client >= 0, let self else { return }
                self.answer(client)
            }
        }
    }

    deinit {
        shutdown(self.descriptor, Int32(SHUT_RDWR))
        close(self.descriptor)
        self.folder.remove()
    }

    var asked: [String] { self.requests.withLock { $0 } }

    private func answer(_ client: Int32) {
        var request: [UInt8] = []
        var byte: UInt8 = 0
        while recv(client, &byte, 1, 0) == 1, byte != UInt8(ascii: "\n") { request.append(byte) }
        self.requests.withLock { $0.append(String(decoding: request, as: UTF8.self)) }
        guard !self.lines.isEmpty else { return }
        let text = self.lines.map { $0 + "\n" }.joined()
        _ = send(client, text, text.utf8.count, Int32(MSG_NOSIGNAL))
        close(client)
    }

    /// Runs `pairctl` against it.
    func pairctl(_ arguments: [String], input: String = "") async throws -> Command {
        try await Command.run(
            try Programs.ours("pairctl"),
            arguments + ["--socket", self.path],
            input: input,
            within: .seconds(20)
        )
    }
}
