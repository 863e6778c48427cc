import Foundation
import Glibc

extension LabLink {
    /// Serves `cut`, `heal` and `state` on a socket in the file system until its folder is gone.
    ///
    /// One word a connection, answered with one line: `open 0` or `cut 7`, where the number is
    /// ``heldBack``.
    package func serve(at path: String) throws(LabError) {
        let listener = try Socket.unix(path: path, isListening: true)
        while access(path, F_OK) == 0 {
            var event = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            guard poll(&event, 1, 1000) > 0 else { continue }
            let client = accept(listener, nil, nil)
            guard client >= 0 else { continue }
            defer { close(client) }
            let word = String(
                decoding: Socket.receive(client, atMost: 64).prefix { $0 != 10 },
                as: UTF8.self
            )
            switch word {
            case "cut": self.cut()
            case "heal": self.heal()
            default: break
            }
            _ = Socket.send(client, "\(self.isCut ? "cut" : "open") \(self.heldBack)\n".utf8)
        }
    }

    /// Says a word to the link that serves at `path`, and returns its answer.
    static func tell(_ word: String, at path: String) throws(LabError) -> String {
        let descriptor = try Socket.unix(path: path, isListening: false)
        defer { close(descriptor) }
        guard Socket.send(descriptor, "\(word)\n".utf8) else {
            throw .system(call: "send", object: path, code: errno)
        }
        let answer = String(decoding: Socket.receive(descriptor, atMost: 256), as: UTF8.self)
        return answer.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
