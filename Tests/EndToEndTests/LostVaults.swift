import Foundation
import PairCore
import PairLab
import Testing

extension LabOptions {
    /// A peer that is gone is made up for within seconds.
    static let hasty = LabOptions(heartbeat: .milliseconds(300), timeout: .seconds(3))

    /// Nobody promotes itself while a test lasts.
    static let patient = LabOptions(heartbeat: .seconds(1), timeout: .seconds(60))
}

// Vaults that are lost, and what is made in their place.
extension LabPair {
    /// A pair whose node 2 has the first 200 transactions of the ledger.
    static func filled(
        _ options: LabOptions = .hasty,
        _ body: (LabPair) async throws -> Void
    ) async throws {
        try await LabPair.enabled(options) { lab in
            try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 200)
            try await lab.waitApplied(on: .one)
            try await body(lab)
        }
    }

    func removeVault(_ node: LabNode) throws {
        for path in self.vaultFiles(node) where FileManager.default.fileExists(atPath: path) {
            try FileManager.default.removeItem(atPath: path)
        }
    }

    /// Gives the vault another name, under which whoever has it open goes on with it.
    func renameVault(_ node: LabNode) throws {
        let renamed = self.folder.folder(node) + "/renamed.db"
        for (path, suffix) in zip(self.vaultFiles(node), Self.suffixes) {
            try FileManager.default.moveItem(atPath: path, toPath: renamed + suffix)
        }
    }

    private static let suffixes = ["", "-wal", "-shm"]

    private func vaultFiles(_ node: LabNode) -> [String] {
        Self.suffixes.map { self.folder.vault(node) + $0 }
    }

    /// As a file system that is not there.
    ///
    /// - Returns: where the vault is now.
    @discardableResult
    func moveAway(_ node: LabNode) throws -> String {
        let (files, folder) = (FileManager.default, self.folder.folder(node))
        try files.moveItem(atPath: folder + "/vault", toPath: folder + "/away")
        try files.createDirectory(atPath: folder + "/vault", withIntermediateDirectories: false)
        return folder + "/away/vault.db"
    }

    func putBack(_ node: LabNode) throws {
        let (files, folder) = (FileManager.default, self.folder.folder(node))
        try files.removeItem(atPath: folder + "/vault")
        try files.moveItem(atPath: folder + "/away", toPath: folder + "/vault")
    }

    /// An appliance that comes up with an empty disk makes itself a vault.
    func makeAnother(_ node: LabNode, counter: Int = -1) async throws {
        let made = try await self.sql(
            node,
            """
            PRAGMA journal_mode = WAL;
            CREATE TABLE counter (value INTEGER);
            INSERT INTO counter VALUES (\(counter));
            """
        )
        #expect(made.status == 0, "\(made.errors)")
    }

    /// Waits until one node serves and the other has all that it has and may take over.
    ///
    /// A node that follows for a moment, again and again, is never armed.
    ///
    /// - Returns: the one that serves.
    @discardableResult
    func whole(within limit: Duration = .seconds(20)) async throws -> LabNode {
        var primary = LabNode.one
        try await eventually("one node serves and the other may take over", within: limit) {
            let (one, two) = (try await self.status(.one), try await self.status(.two))
            primary = one.local.role == .primary ? .one : .two
            let (first, second) = primary == .one ? (one.local, two.local) : (two.local, one.local)
            return first.role == .primary && first.gate == .open
                && second.role == .secondary && second.state == .streaming
                && first.position != nil && first.position == second.position
                && [one, two].allSatisfy { [.protected, .degraded].contains($0.verdict) }
        }
        return primary
    }
}

// What is left of them.
extension LabPair {
    private static let counter = "SELECT value FROM counter;"

    private func answer(of image: String, to query: String) async throws -> Command {
        try await Command.run(
            try Programs.system("sqlite3"),
            ["file:\(image)?mode=ro&immutable=1", query]
        )
    }

    /// The folders that a node's status names for vaults that `owner` held: archives, and whatever
    /// else it keeps beside them.
    private func kept(_ node: LabNode, of owner: LabNode) async throws -> [String] {
        let status = try await self.status(node)
        let folder = self.folder.stateDirectory(node) + "/tails/"
        let archives = status.tails.filter { $0.node == owner.name }.map { folder + $0.id }
        guard node == owner else { return archives }
        let words = status.reasons.flatMap { $0.components(separatedBy: " ") }
        return archives
            + words.filter { $0.hasPrefix(folder) }.map {
                String($0.reversed().drop { ",;.:".contains($0) }.reversed())
            }
    }

    /// Whether a status names the place where a vault that `owner` held answers so.
    func isKept(
        _ answer: String,
        of owner: LabNode,
        to query: String = counter
    ) async throws -> Bool {
        for node in LabNode.allCases {
            for folder in try await self.kept(node, of: owner) {
                let kept = try await self.answer(of: folder + "/vault.db", to: query)
                if kept.lines == [answer] { return true }
            }
        }
        return false
    }

    /// The archive on a node holds a vault whose counter says so.
    func expectKept(_ counter: String, in tail: StatusReport.Tail, _ node: LabNode) async throws {
        let image = self.folder.stateDirectory(node) + "/tails/\(tail.id)/vault.db"
        let kept = try await self.answer(of: image, to: Self.counter)
        #expect(kept.lines == [counter], "\(kept.errors)")
    }

    /// The files of the log that a node has kept of a vault that it lost, as its status says.
    func keptLog(_ node: LabNode) async throws -> [String] {
        let reason = try await self.status(node).reasons.first {
            $0.contains("commits of a lost vault that may be in no copy are kept")
        }
        guard let folder = reason?.components(separatedBy: " ").last else { return [] }
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        return names.map { folder + "/" + $0 }
    }
}
