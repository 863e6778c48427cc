import Foundation
import Glibc

/// A program that is run to its end, and what it said.
package struct Command: Sendable {
    package var status: Int32
    package var output: String
    package var errors: String

    /// The lines of the output.
    package var lines: [String] { self.output.split(separator: "\n").map(String.init) }

    /// Runs a program; it is killed when it takes longer than `limit`.
    package static func run(
        _ executable: String,
        _ arguments: [String],
        input: String = "",
        within limit: Duration = .seconds(60)
    ) async throws(LabError) -> Command {
        let result = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    returning: Result { () throws(LabError) in
                        try self.runBlocking(executable, arguments, input, limit)
                    }
                )
            }
        }
        return try result.get()
    }

    private static func runBlocking(
        _ executable: String,
        _ arguments: [String],
        _ input: String,
        _ limit: Duration
    ) throws(LabError) -> Command {
        let (stdin, stdout, stderr) = (try Pipe(), try Pipe(), try Pipe())
        let process: ChildProcess
        do {
            defer { for end in [stdin.reading, stdout.writing, stderr.writing] { close(end) } }
            process = try ChildProcess(
                executable,
                arguments,
                input: .descriptor(stdin.reading),
                output: .descriptor(stdout.writing),
                errors: .descriptor(stderr.writing)
            )
        } catch {
            for end in [stdin.writing, stdout.reading, stderr.reading] { close(end) }
            throw error
        }
        let deadline = ContinuousClock.now + limit
        let texts = self.exchange(
            Array(input.utf8),
            stdin.writing,
            [stdout.reading, stderr.reading],
            deadline
        )
        for end in [stdout.reading, stderr.reading] { close(end) }
        guard let texts else {
            process.signal(SIGKILL)
            _ = process.wait()
            let name = ([executable.split(separator: "/").last ?? ""] + arguments.map { $0[...] })
                .joined(separator: " ")
            throw .timedOut("\(name) ended", after: limit)
        }
        return Command(status: process.wait(), output: texts[0], errors: texts[1])
    }

    /// Feeds `input` and reads both streams to their ends; `nil` when that takes too long.
    private static func exchange(
        _ input: [UInt8],
        _ writing: Int32,
        _ reading: [Int32],
        _ deadline: ContinuousClock.Instant
    ) -> [String]? {
        var rest = input[...]
        var isWriting = true
        var texts: [[UInt8]] = [[], []]
        var isReading = [true, true]
        _ = fcntl(writing, F_SETFL, O_NONBLOCK)
        defer { if isWriting { close(writing) } }
        while isReading.contains(true) {
            if isWriting, rest.isEmpty {
                close(writing)
                isWriting = false
            }
            var polls = [
                pollfd(fd: isReading[0] ? reading[0] : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isReading[1] ? reading[1] : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isWriting ? writing : -1, events: Int16(POLLOUT), revents: 0),
            ]
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { return nil }
            _ = poll(&polls, 3, Int32(clamping: left.components.seconds * 1000 + 100))
            for index in 0...1 where polls[index].revents != 0 {
                var chunk = [UInt8](repeating: 0, count: 64 << 10)
                let count = read(reading[index], &chunk, chunk.count)
                if count > 0 { texts[index] += chunk[..<count] } else { isReading[index] = false }
            }
            if polls[2].revents != 0 {
                let count = rest.withUnsafeBytes { write(writing, $0.baseAddress, $0.count) }
                // The program may end without having read everything; its status says why.
                rest = count > 0 ? rest.dropFirst(count) : errno == EAGAIN ? rest : []
            }
        }
        return texts.map { String(decoding: $0, as: UTF8.self) }
    }
}

/// Where the programs are.
package enum Programs {
    /// One of ours, beside the program that runs now, or in `PAIR_BIN`.
    package static func ours(_ name: String) throws(LabError) -> String {
        let folder =
            ProcessInfo.processInfo.environment["PAIR_BIN"]
            ?? URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().path
        let path = folder + "/" + name
        guard access(path, X_OK) == 0 else {
            throw .programMissing(name: name, looked: folder)
        }
        return path
    }

    /// One of the system's, from `PATH`.
    package static func system(_ name: String) throws(LabError) -> String {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        for folder in path.split(separator: ":") where access("\(folder)/\(name)", X_OK) == 0 {
            return "\(folder)/\(name)"
        }
        throw .programMissing(name: name, looked: path)
    }
}

/// Waits until `condition` holds, asking again and again.
///
/// - Parameter what: completes "waited in vain until …".
package func eventually(
    _ what: String,
    within limit: Duration = .seconds(30),
    every pause: Duration = .milliseconds(50),
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while true {
        if try await condition() { return }
        guard ContinuousClock.now < deadline else { throw LabError.timedOut(what, after: limit) }
        try await Task.sleep(for: pause)
    }
}
