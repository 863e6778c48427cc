import FoundationEssentials
import Glibc
import PairCore
import PairLab

/// A lab's two daemons as the product would run them: linked without a proxy between, with the
/// product's log level and unhurried timers, beside a vault that no daemon looks after.
struct BenchPair: Sendable {
    let lab: LabPair
    let bench: Bench

    var folder: String { self.lab.folder.path }
    /// The vault of the control runs, on the same file system.
    var control: String { self.folder + "/control/vault.db" }
    var vault: String { self.lab.folder.vault(.one) }
    var copy: String { self.lab.folder.vault(.two) }

    /// The load of this machine must not make a node silent, and ticks cost what the product's do.
    private static let options = LabOptions(heartbeat: .seconds(10), timeout: .seconds(120))

    /// Starts both daemons on new vaults, and takes all of it away in the end.
    ///
    /// - Parameters:
    ///   - configuration: more sections for both daemons.
    ///   - prepare: makes the vaults of the primary and of the control runs.
    ///   - isProtected: pairs the nodes and waits until they are protected; otherwise `body` does.
    static func use<Result>(
        _ bench: Bench,
        isProtected: Bool = true,
        configuration: String = "",
        prepare: (BenchPair) throws -> Void = { try $0.makeVaults() },
        _ body: (BenchPair) async throws -> Result
    ) async throws -> Result {
        let folder = try bench.scratch.make()
        defer { bench.scratch.remove(folder) }
        do {
            var options = Self.options
            options.configuration = configuration
            let lab = try await LabPair.make(in: folder, options)
            let pair = BenchPair(lab: lab, bench: bench)
            for node in LabNode.allCases { try pair.linkDirectly(node) }
            try prepare(pair)
            for node in LabNode.allCases { try await pair.start(node) }
            try await pair.trust()
            if isProtected { try await pair.protect() }
            let result = try await body(pair)
            await lab.down()
            return result
        } catch {
            let logs = LabNode.allCases.map { node in
                "--- \(node.name)\n" + Self.lastLines(of: folder.log(node))
            }
            throw Failure(error: error, logs: logs.joined(separator: "\n"))
        }
    }

    /// An error with what both daemons said before it.
    struct Failure: Error, CustomStringConvertible {
        var error: any Error
        var logs: String

        var description: String { "\(self.error)\n\(self.logs)" }
    }

    /// The two vaults of *rotate*.
    func makeVaults() throws {
        try RotateVault.make(at: self.vault)
        try self.makeControl()
    }

    func makeControl() throws {
        let folder = self.folder + "/control"
        guard mkdir(folder, 0o755) == 0 else {
            throw BenchError.system(call: "mkdir", object: folder, code: errno)
        }
        try RotateVault.make(at: self.control)
    }

    /// Starts a daemon, on its core if cores are told apart.
    func start(_ node: LabNode) async throws {
        try await self.lab.start(node)
        if self.bench.isPinned, let process = self.lab[node].pid {
            try await Processor.pin(process, to: Bench.daemonCore)
        }
    }

    func protect() async throws { try await self.lab.enableHA(on: .one) }

    /// Waits until both copies are the same, so that what one round has left to do is not taken
    /// for the next round's cost.
    func level(within limit: Duration = .seconds(60)) async throws {
        try await self.lab.waitApplied(on: .one, within: limit)
    }

    /// A node's daemon, and its guard if there is one.
    func daemons(of node: LabNode) -> [Int32] {
        ProcFolder.processes(naming: self.lab.folder.folder(node), program: "paird")
    }

    /// What both nodes' daemons have spent of the cores, in nanoseconds.
    func daemonTime() -> (primary: UInt64, secondary: UInt64) {
        func time(_ node: LabNode) -> UInt64 {
            self.daemons(of: node).reduce(0) { $0 + ProcessorTime.of(process: $1) }
        }
        return (time(.one), time(.two))
    }

    /// *rotate* on the vault with `paird`, or on the one without.
    func load(
        withDaemon: Bool,
        _ synchronous: RotateLoad.Synchronous,
        for duration: Duration
    ) -> RotateLoad {
        RotateLoad(
            path: withDaemon ? self.vault : self.control,
            synchronous: synchronous,
            duration: duration
        )
    }

    /// Runs `body` without `paird` and with it in turn, each of both `bench.rounds` times.
    func interleave(_ body: (_ withDaemon: Bool) async throws -> Void) async throws {
        for _ in 0..<self.bench.rounds {
            try await body(false)
            try await body(true)
            try await self.level()
        }
    }

    private func trust() async throws {
        let invitation = try await self.lab.operate(.one, ["pair", "invite", "-o", "json"])
        let code = try JSONDecoder().decode(
            Invitation.self,
            from: Data(invitation.output.utf8)
        ).code
        try await self.lab.operate(
            .two,
            ["pair", "join", "127.0.0.1:\(self.lab[.one].replicationPort)", "--code-file", "-"],
            input: code + "\n"
        )
        // The keys are exchanged before the nodes' own connections stand.
        try await eventually("the nodes hear each other", every: .milliseconds(20)) {
            try await self.lab.status(.one).peer?.lastHeardSeconds != nil
        }
    }

    private struct Invitation: Decodable {
        var code: String
    }

    /// Names the peer's own port instead of the link's: what the link costs is not ours.
    private func linkDirectly(_ node: LabNode) throws {
        let path = self.lab.folder.configuration(node)
        let text = try String(contentsOfFile: path, encoding: .utf8)
            .replacing(
                "127.0.0.1:\(self.lab[node].linkPort)",
                with: "127.0.0.1:\(self.lab[node.other].replicationPort)"
            )
            .replacing("level: debug", with: "level: info")
        try replaceContent(of: path, with: text)
    }

    private static func lastLines(of path: String) -> String {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(20).joined(separator: "\n")
    }
}

/// Keeps the file's owner and mode.
private func replaceContent(of path: String, with text: String) throws(BenchError) {
    let descriptor = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(call: "open", object: path, code: errno) }
    defer { close(descriptor) }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 || errno == EINTR else {
            throw .system(call: "write", object: path, code: errno)
        }
        rest = rest.dropFirst(max(0, count))
    }
}
