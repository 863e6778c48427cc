import Foundation
import Glibc

/// One request to a node's health listener, as a load balancer makes it.
package struct HealthProbe: Sendable, Hashable {
    package var status: Int
    /// By lowercase name.
    package var headers: [String: String]
    package var body: String

    /// - Throws: ``LabError/unexpected(_:)`` when nobody answers, or not in HTTP.
    package static func ask(
        port: UInt16,
        _ path: String,
        method: String = "GET",
        headers: [String] = []
    ) async throws(LabError) -> HealthProbe {
        let lines =
            ["\(method) \(path) HTTP/1.1", "Host: localhost", "Connection: close"] + headers
        let answer = await self.exchange(port: port, lines.joined(separator: "\r\n") + "\r\n\r\n")
        guard let answer, let probe = HealthProbe(answer) else {
            throw .unexpected("127.0.0.1:\(port)\(path) answered '\(answer ?? "nothing")'")
        }
        return probe
    }

    /// Sends any bytes and returns everything that comes back; `nil` when nobody listens.
    package static func exchange(port: UInt16, _ request: String) async -> String? {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                guard let descriptor = Socket.connect(port: port) else {
                    continuation.resume(returning: nil)
                    return
                }
                defer { close(descriptor) }
                var limit = timeval(tv_sec: 10, tv_usec: 0)
                setsockopt(
                    descriptor,
                    SOL_SOCKET,
                    SO_RCVTIMEO,
                    &limit,
                    socklen_t(MemoryLayout<timeval>.size)
                )
                _ = Socket.send(descriptor, request.utf8)
                var answer: [UInt8] = []
                while true {
                    let bytes = Socket.receive(descriptor, atMost: 64 << 10)
                    guard !bytes.isEmpty, answer.count < 1 << 20 else { break }
                    answer += bytes
                }
                continuation.resume(returning: String(decoding: answer, as: UTF8.self))
            }
        }
    }

    private init?(_ answer: String) {
        let parts = answer.components(separatedBy: "\r\n\r\n")
        let lines = (parts.first ?? "").components(separatedBy: "\r\n")
        let words = (lines.first ?? "").split(separator: " ")
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            return nil
        }
        self.status = status
        self.headers = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            self.headers[line[..<colon].lowercased()] = line[line.index(after: colon)...]
                .trimmingCharacters(in: .whitespaces)
        }
        self.body = parts.dropFirst().joined(separator: "\r\n\r\n")
    }
}

extension LabPair {
    package func health(
        _ node: LabNode,
        _ path: String,
        method: String = "GET",
        headers: [String] = []
    ) async throws(LabError) -> HealthProbe {
        try await HealthProbe.ask(
            port: self[node].healthPort,
            path,
            method: method,
            headers: headers
        )
    }
}
