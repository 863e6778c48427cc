import Foundation
import Glibc
import Synchronization

/// The stock `sqlite3` shell with a vault open: an application that knows nothing of us.
///
/// It keeps its connection until it is closed or killed, as applications do. One statement batch at
/// a time; each is answered when the shell has carried it out.
package final class SQLiteShell: Sendable {
    private let process: ChildProcess
    private let input: Int32
    private let output: Int32
    /// What was read and not yet answered with; held while a batch is carried out.
    private let state = Mutex(State())

    private struct State {
        var buffer: [UInt8] = []
        var batches = 0
        var isOpen = true
    }

    /// What the shell said to a batch.
    package struct Answer: Sendable, Hashable {
        package var rows: [String]
        /// The shell's own words, as in "Runtime error near line 1: database is locked (5)".
        package var errors: [String]

        package var isRefusal: Bool {
            self.errors.contains { $0.contains("attempt to write a readonly database") }
        }
    }

    /// - Parameter busyTimeout: how long a statement waits for a lock.
    package init(vault: String, busyTimeout: Duration = .seconds(5)) throws(LabError) {
        let program = try Programs.system("sqlite3")
        let (stdin, stdout) = (try Pipe(), try Pipe())
        let milliseconds = Int(busyTimeout / .milliseconds(1))
        self.process = try ChildProcess(
            program,
            ["-batch", "-cmd", ".timeout \(milliseconds)", vault],
            input: .descriptor(stdin.reading),
            output: .descriptor(stdout.writing),
            errors: .descriptor(stdout.writing)
        )
        Glibc.close(stdin.reading)
        Glibc.close(stdout.writing)
        (self.input, self.output) = (stdin.writing, stdout.reading)
        _ = fcntl(self.input, F_SETFL, O_NONBLOCK)
    }

    package var pid: Int32 { self.process.pid }

    /// Carries out statements, each ended by a semicolon, in autocommit unless they say otherwise.
    ///
    /// - Throws: ``LabError/unexpected(_:)`` when the shell ends meanwhile, with what it said.
    package func run(
        _ sql: String,
        within limit: Duration = .seconds(60)
    ) async throws(LabError) -> Answer {
        let result = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    returning: Result { () throws(LabError) in try self.runBlocking(sql, limit) }
                )
            }
        }
        return try result.get()
    }

    private func runBlocking(_ sql: String, _ limit: Duration) throws(LabError) -> Answer {
        let result: Result<Answer, LabError> = self.state.withLock { state in
            guard state.isOpen else { return .failure(.unexpected("the shell is closed")) }
            state.batches += 1
            let mark = "== end of batch \(state.batches) =="
            let text = Array("\(sql)\n.print \"\(mark)\"\n".utf8)
            let deadline = ContinuousClock.now + limit
            return Result { () throws(LabError) in
                try self.exchange(text, until: mark, &state.buffer, deadline)
            }
        }
        return try result.get()
    }

    private func exchange(
        _ text: [UInt8],
        until mark: String,
        _ buffer: inout [UInt8],
        _ deadline: ContinuousClock.Instant
    ) throws(LabError) -> Answer {
        var rest = text[...]
        var answer = Answer(rows: [], errors: [])
        while true {
            while let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeSubrange(...end)
                if line == mark { return answer }
                let isError = ["Runtime error", "Parse error", "Error:"].contains(
                    where: line.hasPrefix
                )
                if isError { answer.errors.append(line) } else { answer.rows.append(line) }
            }
            guard ContinuousClock.now < deadline else {
                throw .timedOut("the sqlite3 shell answered", after: .zero)
            }
            var polls = [
                pollfd(fd: self.output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: rest.isEmpty ? -1 : self.input, events: Int16(POLLOUT), revents: 0),
            ]
            _ = poll(&polls, 2, 500)
            if polls[0].revents != 0 {
                var chunk = [UInt8](repeating: 0, count: 64 << 10)
                let count = read(self.output, &chunk, chunk.count)
                guard count > 0 else {
                    throw .unexpected(
                        "the sqlite3 shell has ended: "
                            + (answer.errors + answer.rows.suffix(3)).joined(separator: "; ")
                    )
                }
                buffer += chunk[..<count]
            }
            if polls[1].revents & Int16(POLLOUT) != 0 {
                let count = rest.withUnsafeBytes { write(self.input, $0.baseAddress, $0.count) }
                if count > 0 { rest = rest.dropFirst(count) }
            }
        }
    }

    /// Ends it as a crash would, in the midst of whatever it does.
    package func kill() {
        self.process.signal(SIGKILL)
        _ = self.process.wait()
    }

    /// Ends it in order, as an application that is stopped: the last one to close checkpoints.
    package func close() async {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                self.state.withLock { state in
                    guard state.isOpen else { return }
                    state.isOpen = false
                    Glibc.close(self.input)
                }
                _ = self.process.wait()
                continuation.resume()
            }
        }
    }

    deinit {
        self.kill()
        if self.state.withLock({ $0.isOpen }) { Glibc.close(self.input) }
        Glibc.close(self.output)
    }
}
