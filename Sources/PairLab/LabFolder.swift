import Foundation
import Glibc
import PairCore

/// One of the two nodes of a lab, counted from 1 as people do.
package enum LabNode: Int, Sendable, Hashable, CaseIterable, Codable {
    case one = 1
    case two = 2

    package var other: LabNode { self == .one ? .two : .one }
    package var name: String { "node-\(self.rawValue)" }
}

/// What a lab is made with.
package struct LabOptions: Sendable, Hashable, Codable {
    package var heartbeat: Duration
    package var timeout: Duration
    /// More lines for both configuration files, each a whole section.
    package var configuration: String
    /// What node 1 and node 2 call their machine.
    package var models: [String]

    package init(
        heartbeat: Duration = .seconds(1),
        timeout: Duration = .seconds(10),
        configuration: String = "",
        models: [String] = ["lab", "lab"]
    ) {
        self.heartbeat = heartbeat
        self.timeout = timeout
        self.configuration = configuration
        self.models = models
    }
}

/// Where everything of a lab lies, and what must be known to find it again.
///
///     FOLDER/lab.json            ports and process numbers
///     FOLDER/link.sock           cut and heal
///     FOLDER/node-1/paird.yaml   the configuration
///     FOLDER/node-1/control.sock what pairctl talks to
///     FOLDER/node-1/state/       the daemon's own
///     FOLDER/node-1/vault/       a setgid folder with the vault
///     FOLDER/node-1/paird.log    what the daemon said
package struct LabFolder: Sendable, Hashable {
    package let path: String

    package init(path: String) { self.path = path }

    /// Where `pair-lab` looks when it is not told: one lab for every user.
    package static var standard: LabFolder {
        LabFolder(path: FileManager.default.temporaryDirectory.path + "/pair-lab-\(getuid())")
    }

    /// A new one, for a test or a demonstration.
    package static func scratch() throws(LabError) -> LabFolder {
        let pattern = FileManager.default.temporaryDirectory.path + "/pair-lab.XXXXXX"
        var bytes = Array(pattern.utf8CString)
        guard mkdtemp(&bytes) != nil else {
            throw .system(call: "mkdtemp", object: pattern, code: errno)
        }
        return LabFolder(
            path: String(decoding: bytes.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        )
    }

    package func folder(_ node: LabNode) -> String { "\(self.path)/\(node.name)" }
    package func configuration(_ node: LabNode) -> String { self.folder(node) + "/paird.yaml" }
    package func control(_ node: LabNode) -> String { self.folder(node) + "/control.sock" }
    package func stateDirectory(_ node: LabNode) -> String { self.folder(node) + "/state" }
    package func vault(_ node: LabNode) -> String { self.folder(node) + "/vault/vault.db" }
    package func log(_ node: LabNode) -> String { self.folder(node) + "/paird.log" }
    package var link: String { self.path + "/link.sock" }
    package var linkLog: String { self.path + "/link.log" }
    package var record: String { self.path + "/lab.json" }
}

/// What a lab remembers between two commands.
package struct LabRecord: Sendable, Hashable, Codable {
    package struct Node: Sendable, Hashable, Codable {
        package var replicationPort: UInt16
        package var healthPort: UInt16
        /// Where this node reaches its peer: a port of the link.
        package var linkPort: UInt16
        /// Of the daemon; `nil` when it was not started or was killed.
        package var pid: Int32?
        package var isPaused = false
    }

    package var options: LabOptions
    package var nodes: [Node]
    package var linkPID: Int32?

    package subscript(_ node: LabNode) -> Node {
        get { self.nodes[node.rawValue - 1] }
        set { self.nodes[node.rawValue - 1] = newValue }
    }

    /// The link's ways, node 1's first.
    package var ways: [LabLink.Way] {
        LabNode.allCases.map {
            LabLink.Way(port: self[$0].linkPort, target: self[$0.other].replicationPort)
        }
    }
}

extension LabFolder {
    package func load() throws(LabError) -> LabRecord {
        guard let data = FileManager.default.contents(atPath: self.record) else {
            throw .noLab(folder: self.path)
        }
        do {
            return try JSONDecoder().decode(LabRecord.self, from: data)
        } catch {
            throw .unexpected("\(self.record) cannot be read: \(error)")
        }
    }

    /// Replaces the record as a whole, so that a command that runs meanwhile sees the old or the
    /// new one.
    package func save(_ record: LabRecord) throws(LabError) {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            try encoder.encode(record).write(to: URL(filePath: self.record), options: .atomic)
        } catch {
            throw .unexpected("\(self.record) cannot be written: \(error)")
        }
    }

    /// Makes the folders and configuration files of both nodes.
    func layOut(_ options: LabOptions) throws(LabError) -> LabRecord {
        let ports = try Socket.freePorts(6)
        let record = LabRecord(
            options: options,
            nodes: [0, 3].map {
                LabRecord.Node(
                    replicationPort: ports[$0],
                    healthPort: ports[$0 + 1],
                    linkPort: ports[$0 + 2]
                )
            }
        )
        try self.makeFolder(self.path, 0o755)
        for node in LabNode.allCases {
            try self.makeFolder(self.folder(node), 0o755)
            try self.makeFolder(self.stateDirectory(node), 0o700)
            try self.makeFolder(self.folder(node) + "/vault", 0o2770)
            try self.write(self.yaml(node, record), to: self.configuration(node), 0o640)
        }
        try self.save(record)
        return record
    }

    private func yaml(_ node: LabNode, _ record: LabRecord) -> String {
        let own = record[node]
        let model = record.options.models[node.rawValue - 1]
        let group = getgrgid(getgid()).map { String(cString: $0.pointee.gr_name) } ?? "root"
        return """
            pair: { name: lab }
            node: { name: \(node.name), model: \(model) }
            vault: { path: \(self.vault(node)) }
            state: { dir: \(self.stateDirectory(node)) }
            listen: { replication: "127.0.0.1:\(own.replicationPort)", health: "127.0.0.1:\(own.healthPort)" }
            peer: { addresses: ["127.0.0.1:\(own.linkPort)"] }
            health: { detail: true }
            control: { socket: \(self.control(node)), admin_group: \(group), monitor_group: \(group) }
            log: { level: debug, format: text }
            lab: { heartbeat: \(Measure.text(record.options.heartbeat)), timeout: \(Measure.text(record.options.timeout)) }
            \(record.options.configuration)
            """
    }

    private func makeFolder(_ path: String, _ mode: mode_t) throws(LabError) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST, chmod(path, mode) == 0 else {
            throw .system(call: "mkdir", object: path, code: errno)
        }
    }

    private func write(_ text: String, to path: String, _ mode: mode_t) throws(LabError) {
        guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8)),
            chmod(path, mode) == 0
        else { throw .system(call: "write", object: path, code: errno) }
    }

    /// Takes everything away.
    package func remove() { try? FileManager.default.removeItem(atPath: self.path) }
}
