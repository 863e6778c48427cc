import Glibc
package import PairCore
import Synchronization

/// Why what the node remembers cannot be read or written.
package enum NodeStateError: Error, Hashable, Sendable {
    case system(call: String, path: String, code: Int32)
    /// The folder lets others in.
    case looseMode(path: String, mode: UInt32)
    /// There are files, and none of them can be believed.
    case unreadable(directory: String, current: Damage, previous: Damage)

    /// What is wrong with one generation's file.
    package enum Damage: Hashable, Sendable {
        case missing
        case tooShort(byteCount: Int)
        case wrongChecksum
        case unknownFormat(version: UInt16)
        case badRecord(ByteError)
        case unreadable(code: Int32)
    }
}

/// The node's memory over restarts: two generations of one small file in the state folder.
///
/// A write makes the newest generation the previous one and puts the new one in its place, each step
/// durable before the next, so that a crash at any moment leaves at least one generation whole: the
/// old one before the write returns, the new one after. Loading takes the newest whole one and
/// says which one is damaged.
///
/// A file is 32 bytes (the bytes `PNOD`, u16 version 1, u16 0, u64 generation, u64 length of the
/// record, u32 CRC-32C over the record, u32 CRC-32C over the 28 bytes before) and the record.
package final class NodeStateFile: Sendable {
    package let directory: String
    private let generation: Mutex<UInt64>

    /// What was found at the start.
    package struct Loaded: Hashable, Sendable {
        /// `nil` on a node that has never stored anything.
        package var record: NodeRecord?
        /// The other generation's file was damaged, and how.
        package var damage: NodeStateError.Damage?

        package init(record: NodeRecord?, damage: NodeStateError.Damage?) {
            self.record = record
            self.damage = damage
        }
    }

    private static let magic: UInt32 = 0x444f_4e50  // "PNOD"
    private static let version: UInt16 = 1
    private static let headerByteCount = 32

    private var currentPath: String { self.directory + "/node.state" }
    private var previousPath: String { self.directory + "/node.state.previous" }

    /// - Parameter directory: made with mode 0700 if its parent exists.
    /// - Throws: `.looseMode` when others may read or write the folder; `.system`.
    package init(directory: String) throws(NodeStateError) {
        self.directory = directory
        self.generation = Mutex(0)
        if mkdir(directory, 0o700) != 0, errno != EEXIST {
            throw .system(call: "mkdir", path: directory, code: errno)
        }
        var status = stat()
        guard stat(directory, &status) == 0 else {
            throw .system(call: "stat", path: directory, code: errno)
        }
        guard status.st_mode & 0o077 == 0 else {
            throw .looseMode(path: directory, mode: UInt32(status.st_mode & 0o777))
        }
    }

    /// Reads the newest generation that can be believed.
    ///
    /// To be called once, before the first ``store(_:)``.
    ///
    /// - Throws: `.unreadable` when there are files but none is whole.
    package func load() throws(NodeStateError) -> Loaded {
        let current = Self.read(self.currentPath)
        let previous = Self.read(self.previousPath)
        switch (current, previous) {
        case (.success(let one), .success(let other)):
            let newest = one.number >= other.number ? one : other
            self.generation.withLock { $0 = newest.number }
            return Loaded(record: newest.record, damage: nil)
        case (.success(let whole), .failure(let damage)),
            (.failure(let damage), .success(let whole)):
            self.generation.withLock { $0 = whole.number }
            return Loaded(record: whole.record, damage: damage == .missing ? nil : damage)
        case (.failure(.missing), .failure(.missing)):
            return Loaded(record: nil, damage: nil)
        case (.failure(let current), .failure(let previous)):
            throw .unreadable(directory: self.directory, current: current, previous: previous)
        }
    }

    /// Makes `record` what this node remembers; durable when it returns.
    ///
    /// Calls are carried out one after the other.
    package func store(_ record: NodeRecord) throws(NodeStateError) {
        try self.generation.withLock { generation throws(NodeStateError) in
            do throws(SystemFailure) {
                // A damaged file is never moved over the last whole one.
                if case .success = Self.read(self.currentPath) {
                    guard rename(self.currentPath, self.previousPath) == 0 else {
                        throw SystemFailure("rename", self.currentPath)
                    }
                }
                let bytes = Self.encode(record, generation: generation + 1)
                try DurableFile.replace(self.currentPath, with: bytes)
                generation += 1
            } catch {
                throw .system(call: error.call, path: error.path, code: error.code)
            }
        }
    }

    private struct Generation {
        var number: UInt64
        var record: NodeRecord
    }

    private static func encode(_ record: NodeRecord, generation: UInt64) -> [UInt8] {
        let payload = record.encoded
        var writer = ByteWriter(reserving: self.headerByteCount + payload.count)
        writer.u32(self.magic)
        writer.u16(self.version)
        writer.u16(0)
        writer.u64(generation)
        writer.u64(UInt64(payload.count))
        writer.u32(CRC32C.checksum(payload))
        writer.u32(CRC32C.checksum(writer.bytes))
        writer.bytes(payload)
        return writer.bytes
    }

    private static func read(_ path: String) -> Result<Generation, Failure> {
        do throws(SystemFailure) {
            guard let bytes = try DurableFile.read(path) else { return .failure(.missing) }
            return self.decode(bytes)
        } catch {
            return .failure(.unreadable(code: error.code))
        }
    }

    private typealias Failure = NodeStateError.Damage

    private static func decode(_ bytes: [UInt8]) -> Result<Generation, Failure> {
        guard bytes.count >= self.headerByteCount else {
            return .failure(.tooShort(byteCount: bytes.count))
        }
        do throws(ByteError) {
            var reader = ByteReader(bytes)
            let magic = try reader.u32("magic")
            let version = try reader.u16("version")
            _ = try reader.u16("reserved")
            let number = try reader.u64("generation")
            let length = try reader.u64("length")
            let checksum = try reader.u32("checksum")
            guard magic == self.magic, try reader.u32("checksum") == CRC32C.checksum(bytes[..<28])
            else { return .failure(.wrongChecksum) }
            guard version == self.version else { return .failure(.unknownFormat(version: version)) }
            let payload = bytes[self.headerByteCount...]
            guard UInt64(payload.count) >= length else {
                return .failure(.tooShort(byteCount: bytes.count))
            }
            guard UInt64(payload.count) == length, CRC32C.checksum(payload) == checksum else {
                return .failure(.wrongChecksum)
            }
            return .success(Generation(number: number, record: try NodeRecord(decoding: payload)))
        } catch {
            return .failure(.badRecord(error))
        }
    }
}

extension NodeStateError.Damage: Error {}

extension NodeStateError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .system(let call, let path, let code): "\(call) of \(path): \(SystemText.of(code))"
        case .looseMode(let path, let mode):
            "\(path) has mode \(String(mode, radix: 8)); run: chmod 700 \(path)"
        case .unreadable(let directory, let current, let previous):
            """
            the node's memory in \(directory) is lost (node.state: \(current); \
            node.state.previous: \(previous)); pair again with: pairctl pair join, or on the only \
            node left: pairctl promote --force
            """
        }
    }
}

extension NodeStateError.Damage: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing: "missing"
        case .tooShort(let byteCount): "cut off after \(byteCount) bytes"
        case .wrongChecksum: "wrong checksum"
        case .unknownFormat(let version): "format version \(version), written by a newer paird"
        case .badRecord(let error): "impossible content (\(error))"
        case .unreadable(let code): SystemText.of(code)
        }
    }
}
