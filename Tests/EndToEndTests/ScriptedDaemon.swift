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
    private let script: Script

    /// - Parameter lines: the answer; empty for none at all, the connection staying open.
    init(_ lines: [String]) throws {
        self.folder = try LabFolder.scratch()
        let path = self.folder.path + "/control.sock"
        self.path = path
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0, listen(descriptor, 8) == 0 else {
            close(descriptor)
            throw POSIXError(.EADDRINUSE)
        }
        let script = Script(lines, descriptor)
        self.script = script
        Thread.detachNewThread { script.serve() }
    }

    deinit {
        self.script.end()
        self.folder.remove()
    }

    var asked: [String] { self.script.asked }

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

/// What the thread of a scripted daemon does; it alone closes the socket, having used it last.
private final class Script: Sendable {
    private let lines: [String]
    private let descriptor: Int32
    private let requests = Mutex<[String]>([])
    private let isOver = Mutex(false)

    init(_ lines: [String], _ descriptor: Int32) {
        self.lines = lines
        self.descriptor = descriptor
    }

    var asked: [String] { self.requests.withLock { $0 } }

    func serve() {
        while true {
            let client = accept(self.descriptor, nil, nil)
            let isOver = self.isOver.withLock { $0 }
            if client >= 0, !isOver {
                self.answer(client)
            } else if isOver {
                if client >= 0 { close(client) }
                close(self.descriptor)
                return
            }
        }
    }

    func end() {
        self.isOver.withLock {
            $0 = true
            // Wakes the thread.
            shutdown(self.descriptor, Int32(SHUT_RDWR))
        }
    }

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
}
