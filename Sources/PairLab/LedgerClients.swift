import Synchronization

/// An application that writes one transaction after the other, and counts what SQLite has said is
/// committed.
package final class LedgerWriter: Sendable {
    private let shell: SQLiteShell
    private let state: Mutex<(committed: Int, isStopped: Bool)>

    /// - Parameter first: the number of its first transaction; the ones before are there already.
    package init(_ shell: SQLiteShell, from first: Int = 1) {
        self.shell = shell
        self.state = Mutex((first - 1, false))
    }

    /// The newest transaction of which the application knows that it is committed.
    package var committed: Int { self.state.withLock { $0.committed } }

    package func stop() { self.state.withLock { $0.isStopped = true } }

    /// Writes until it is stopped, its task is cancelled, or `limit` is committed.
    ///
    /// - Parameters:
    ///   - rate: transactions per second; `nil` as fast as SQLite is.
    ///   - limit: the number of the last transaction.
    /// - Throws: when a statement fails; nothing that we do may make one fail.
    package func run(rate: Int?, until limit: Int = .max) async throws {
        let batch = rate.map { max(1, $0 / 50) } ?? 100
        let start = ContinuousClock.now
        let first = self.committed
        while !Task.isCancelled, !self.state.withLock({ $0.isStopped }), self.committed < limit {
            let numbers = (self.committed + 1)...min(self.committed + batch, limit)
            let answer = try await self.shell.run(
                numbers.map(Ledger.commit).joined(separator: "\n")
            )
            for row in answer.rows where row.hasPrefix("ok ") {
                let number = Int(row.dropFirst(3)) ?? 0
                self.state.withLock { $0.committed = max($0.committed, number) }
            }
            guard answer.errors.isEmpty, self.committed == numbers.upperBound else {
                throw LabError.unexpected(
                    "the application could not commit \(numbers): "
                        + answer.errors.prefix(3).joined(separator: "; ")
                )
            }
            if let rate {
                let due = start + .seconds(1) * (self.committed - first) / rate
                let early = ContinuousClock.now.duration(to: due)
                if early > .zero { try? await Task.sleep(for: early) }
            }
        }
    }
}

/// An application that reads again and again, and finds what cannot be.
package final class LedgerReader: Sendable {
    /// What it has seen.
    package struct Record: Sendable, Hashable {
        package var looks = 0
        package var newest = 0
        /// What it should never have seen, the first ten.
        package var complaints: [String] = []
    }

    private let shell: SQLiteShell
    private let name: String
    private let state = Mutex((record: Record(), isStopped: false))

    package init(_ shell: SQLiteShell, name: String) {
        self.shell = shell
        self.name = name
    }

    package var record: Record { self.state.withLock { $0.record } }

    package func stop() { self.state.withLock { $0.isStopped = true } }

    /// Reads until it is stopped; every `checkEvery` looks SQLite checks the whole vault.
    package func run(checkEvery: Int = 200) async throws {
        while !Task.isCancelled, !self.state.withLock({ $0.isStopped }) {
            let answer = try await self.shell.run(Ledger.look)
            let view = try? Ledger.View(answer.rows)
            var found = answer.errors
            self.state.withLock { state in
                state.record.looks += 1
                guard let view else { return }
                if !view.isConsistent { found.append("inconsistent: \(view)") }
                if view.counter < state.record.newest {
                    found.append("went back from \(state.record.newest) to \(view.counter)")
                }
                state.record.newest = max(state.record.newest, view.counter)
            }
            if view == nil, answer.errors.isEmpty {
                found.append("saw '\(answer.rows.joined(separator: "; "))'")
            }
            if self.record.looks % checkEvery == 0 {
                let check = try await self.shell.run("PRAGMA integrity_check;")
                if check.rows != ["ok"] {
                    found.append("integrity_check: \((check.rows + check.errors).prefix(3))")
                }
            }
            let complaints = found.map { "\(self.name) at look \(self.record.looks): \($0)" }
            self.state.withLock { state in
                state.record.complaints = Array(
                    (state.record.complaints + complaints).prefix(10)
                )
            }
        }
    }
}
