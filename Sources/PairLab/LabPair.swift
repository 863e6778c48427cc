import Foundation
import Glibc
package import PairCore
import Synchronization

/// Two real daemons on loopback with a link between them that can be cut.
///
/// The hand tool, the demonstration and the end-to-end tests are all made of this. It does to the
/// daemons only what an operator or a failing machine can do, and sees only what an operator sees.
package final class LabPair: Sendable {
    package let folder: LabFolder
    private let record: Mutex<LabRecord>
    /// The processes that were started here; those of an earlier command are known by number only.
    private let children = Mutex<[Int32: ChildProcess]>([:])

    private init(_ folder: LabFolder, _ record: LabRecord) {
        self.folder = folder
        self.record = Mutex(record)
    }

    /// Lays a lab out and starts its link, but no daemon yet.
    package static func make(
        in folder: LabFolder,
        _ options: LabOptions = LabOptions()
    ) async throws -> LabPair {
        if (try? folder.load()) != nil {
            guard Processes.of(folder).isEmpty else {
                throw LabError.alreadyUp(folder: folder.path)
            }
            folder.remove()
        }
        let lab = LabPair(folder, try folder.layOut(options))
        let link = try ChildProcess(
            try Programs.ours("pair-lab"),
            ["link", "--folder", folder.path],
            output: .file(folder.linkLog),
            errors: .file(folder.linkLog)
        )
        lab.children.withLock { $0[link.pid] = link }
        try lab.change { $0.linkPID = link.pid }
        try await eventually("the link answers") { (try? lab.tellLink("state")) != nil }
        return lab
    }

    /// Makes a lab in a scratch folder and starts both daemons, and takes all of it away in the end.
    ///
    /// - Throws: what `body` throws, with the last words of both daemons.
    package static func use<Result>(
        _ options: LabOptions = LabOptions(),
        in chosen: LabFolder? = nil,
        _ body: (LabPair) async throws -> Result
    ) async throws -> Result {
        let folder = try chosen ?? LabFolder.scratch()
        do {
            let lab = try await LabPair.make(in: folder, options)
            for node in LabNode.allCases { try await lab.start(node) }
            let result = try await body(lab)
            await lab.down()
            return result
        } catch {
            let logs = LabNode.allCases.map { node in
                "--- \(node.name)\n" + LabPair.end(of: folder.log(node), lines: 40)
            }
            LabPair.end(everythingIn: folder)
            throw LabFailure(error: error, logs: logs.joined(separator: "\n"))
        }
    }

    /// The lab that an earlier command has left running.
    package static func find(in folder: LabFolder) throws(LabError) -> LabPair {
        LabPair(folder, try folder.load())
    }

    package subscript(_ node: LabNode) -> LabRecord.Node { self.record.withLock { $0[node] } }

    private func change(_ body: (inout LabRecord) -> Void) throws(LabError) {
        let result: Swift.Result<Void, LabError> = self.record.withLock { record in
            body(&record)
            return Swift.Result { () throws(LabError) in try self.folder.save(record) }
        }
        try result.get()
    }

    /// The last lines of a file.
    static func end(of path: String, lines count: Int) -> String {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(count).joined(separator: "\n")
    }
}

/// An error with what both daemons said before it.
package struct LabFailure: Error, CustomStringConvertible {
    package var error: any Error
    package var logs: String

    package var description: String { "\(self.error)\n\(self.logs)" }
}

// MARK: The daemons

extension LabPair {
    /// Starts a node's daemon and waits until it answers on its control socket.
    package func start(_ node: LabNode) async throws {
        let process = try ChildProcess(
            try Programs.ours("paird"),
            ["run", "--lab", "--config", self.folder.configuration(node)],
            output: .file(self.folder.log(node)),
            errors: .file(self.folder.log(node))
        )
        self.children.withLock { $0[process.pid] = process }
        try self.change { record in
            record[node].pid = process.pid
            record[node].isPaused = false
        }
        try await eventually("\(node.name) answers pairctl") {
            if process.status != nil {
                throw LabError.daemonEnded(
                    node: node.name,
                    log: Self.end(of: self.folder.log(node), lines: 20)
                )
            }
            return (0...2).contains(try await self.pairctl(node, ["status"]).status)
        }
    }

    /// Ends a node's daemon at once, in the midst of whatever it does.
    package func kill(_ node: LabNode) async throws { try await self.end(node, SIGKILL) }

    /// Ends a node's daemon in order.
    package func stop(_ node: LabNode) async throws { try await self.end(node, SIGTERM) }

    private func end(_ node: LabNode, _ signal: Int32) async throws {
        guard let pid = self[node].pid else { return }
        if self[node].isPaused, signal != SIGKILL { Processes.signal(pid, SIGCONT) }
        Processes.signal(pid, signal)
        try await eventually("the daemon of \(node.name) has ended") { self.hasEnded(pid) }
        try self.change { record in
            record[node].pid = nil
            record[node].isPaused = false
        }
    }

    private func hasEnded(_ pid: Int32) -> Bool {
        self.children.withLock { children in
            guard let child = children[pid] else { return !Processes.isAlive(pid) }
            guard child.status != nil else { return false }
            children[pid] = nil
            return true
        }
    }

    /// Holds a node's daemon where it is, as a machine that hangs.
    package func pause(_ node: LabNode) throws(LabError) {
        guard let pid = self[node].pid else { throw .unexpected("\(node.name) is not running") }
        Processes.signal(pid, SIGSTOP)
        try self.change { $0[node].isPaused = true }
    }

    package func resume(_ node: LabNode) throws(LabError) {
        guard let pid = self[node].pid else { throw .unexpected("\(node.name) is not running") }
        Processes.signal(pid, SIGCONT)
        try self.change { $0[node].isPaused = false }
    }

    /// Ends everything of this lab, also what an earlier command has started, and removes it.
    package func down() async {
        for pid in Processes.of(self.folder) { Processes.signal(pid, SIGKILL) }
        try? await eventually("everything has ended") { Processes.of(self.folder).isEmpty }
        self.folder.remove()
    }

    /// The same at once, for the way out after an error or a signal.
    ///
    /// Again and again for a moment: a program that is just being started is not found yet, and one
    /// that is just ending may still make a file.
    package static func end(everythingIn folder: LabFolder) {
        for _ in 0..<50 {
            let processes = Processes.of(folder)
            for pid in processes { Processes.signal(pid, SIGKILL) }
            folder.remove()
            if processes.isEmpty, access(folder.path, F_OK) != 0 { return }
            usleep(20_000)
        }
    }
}

// MARK: The link

extension LabPair {
    /// From now on nothing gets from one node to the other.
    package func cut() throws(LabError) { _ = try self.tellLink("cut") }

    /// The nodes can reach each other again.
    package func heal() throws(LabError) { _ = try self.tellLink("heal") }

    package func isCut() throws(LabError) -> Bool {
        try self.tellLink("state").hasPrefix("cut")
    }

    /// How often the cuts have held something back.
    package func heldBack() throws(LabError) -> Int {
        Int(try self.tellLink("state").split(separator: " ").last ?? "0") ?? 0
    }

    private func tellLink(_ word: String) throws(LabError) -> String {
        try LabLink.tell(word, at: self.folder.link)
    }
}

// MARK: What operators and applications do

extension LabPair {
    /// Runs `pairctl` on a node.
    package func pairctl(
        _ node: LabNode,
        _ arguments: [String],
        input: String = "",
        within limit: Duration = .seconds(60)
    ) async throws(LabError) -> Command {
        try await Command.run(
            try Programs.ours("pairctl"),
            arguments + ["--socket", self.folder.control(node), "--no-color"],
            input: input,
            within: limit
        )
    }

    /// Runs `pairctl` on a node and insists that it does what it is asked.
    @discardableResult
    package func operate(
        _ node: LabNode,
        _ arguments: [String],
        input: String = "",
        within limit: Duration = .seconds(60)
    ) async throws(LabError) -> Command {
        let result = try await self.pairctl(node, arguments, input: input, within: limit)
        guard result.status == 0 else {
            throw .commandFailed(
                command: "pairctl \(arguments.joined(separator: " ")) on \(node.name)",
                status: result.status,
                output: result.errors + result.output
            )
        }
        return result
    }

    package func status(_ node: LabNode) async throws(LabError) -> StatusReport {
        let result = try await self.pairctl(node, ["status", "-o", "json"])
        do {
            return try JSONDecoder().decode(StatusReport.self, from: Data(result.output.utf8))
        } catch {
            throw .commandFailed(
                command: "pairctl status on \(node.name)",
                status: result.status,
                output: result.errors + result.output
            )
        }
    }

    /// Node 1 invites, node 2 joins.
    package func pair() async throws {
        let invitation = try await self.operate(.one, ["pair", "invite", "-o", "json"])
        guard
            let object = try JSONSerialization.jsonObject(with: Data(invitation.output.utf8))
                as? [String: Any],
            let code = object["code"] as? String
        else { throw LabError.unexpected("no code in \(invitation.output)") }
        let address = "127.0.0.1:\(self[.two].linkPort)"
        try await self.operate(
            .two,
            ["pair", "join", address, "--code-file", "-"],
            input: code + "\n"
        )
    }

    /// Makes `node` the primary and waits until the pair is protected.
    package func enableHA(on node: LabNode, _ more: [String] = []) async throws {
        try await self.operate(node, ["enable-ha", "--wait", "--timeout", "60s"] + more)
    }

    /// Waits until what is committed on the primary can be read on the secondary.
    package func waitApplied(on node: LabNode, within limit: Duration = .seconds(30)) async throws {
        try await self.operate(
            node,
            ["wait", "--applied", "--timeout", Measure.text(limit)],
            within: limit + .seconds(10)
        )
    }

    /// Runs SQL on a node's vault with a new process of the stock shell.
    package func sql(
        _ node: LabNode,
        _ sql: String,
        within limit: Duration = .seconds(60)
    ) async throws(LabError) -> Command {
        try await Command.run(
            try Programs.system("sqlite3"),
            ["-batch", "-bail", "-cmd", ".timeout 5000", self.folder.vault(node)],
            input: sql,
            within: limit
        )
    }

    /// An application on a node that keeps its connection.
    package func application(
        _ node: LabNode,
        busyTimeout: Duration = .seconds(5)
    ) throws(LabError) -> SQLiteShell {
        try SQLiteShell(vault: self.folder.vault(node), busyTimeout: busyTimeout)
    }

    /// The whole content as SQL text, which is equal exactly when the content is.
    package func dump(_ node: LabNode) async throws(LabError) -> String {
        let result = try await self.sql(node, ".dump")
        guard result.status == 0 else {
            throw .commandFailed(
                command: "sqlite3 .dump on \(node.name)",
                status: result.status,
                output: result.errors
            )
        }
        return result.output
    }
}
