package import PairCore

/// Why a tail could not be sealed, read or taken in.
package enum ArchiveError: Error, Hashable, Sendable {
    /// The file system has too little room; `needed` includes what archives leave to others.
    case noSpace(needed: UInt64, available: UInt64)
    /// There is no archive of that name.
    case unknown(id: String)
    /// A name that no archive and no file of one can have.
    case badName(String)
    /// A piece that does not follow the one before; `expected` is `nil` when none does.
    case outOfOrder(id: String, file: String, expected: UInt64?, found: UInt64)
    /// A manifest that is longer than any that is written.
    case tooLong(id: String, file: String, limit: Int)
    case damaged(id: String, Damage)
    /// What was read is not what the vault held when it came to rest.
    case vaultChanged(expected: VaultDigest, found: VaultDigest)
    case vault(VaultError)
    /// A call of the system failed; `code` is its errno.
    case system(call: String, path: String, code: Int32)

    /// What is wrong with an archive.
    package enum Damage: Hashable, Sendable {
        case missing(file: String)
        case wrongLength(file: String, expected: UInt64, found: UInt64)
        /// The manifest is no JSON, or a field of it cannot be.
        case manifest(field: String?)
        /// The manifest describes another archive.
        case wrongName(described: String)
        case imageDigest(expected: VaultDigest, found: VaultDigest)
        /// The image carries the mark of a vault that nobody may write to, or is not SQLite's.
        case imageHeader
        case segmentsChecksum
    }

    init(_ failure: SystemFailure) {
        self = .system(call: failure.call, path: failure.path, code: failure.code)
    }
}

extension ArchiveError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noSpace(let needed, let available):
            """
            the archive of the tail needs \(needed) bytes free beside the node's state but there are \
            \(available); free \(needed - min(needed, available)) bytes, nothing is rolled back before
            """
        case .unknown(let id):
            "there is no archive \(Self.quoted(id)); see: pairctl tail list"
        case .badName(let name):
            "\(Self.quoted(name)) names no archive and no file of one"
        case .outOfOrder(let id, let file, let expected, let found):
            """
            byte \(found) of \(file) came where \
            \(expected.map { "byte \($0)" } ?? "nothing of that file") was due in archive \(id)
            """
        case .tooLong(let id, let file, let limit):
            "\(file) of archive \(id) is longer than \(limit) bytes"
        case .damaged(let id, let damage):
            "archive \(id) is damaged: \(damage)"
        case .vaultChanged(let expected, let found):
            """
            the vault has digest \(found) but had \(expected) when it came to rest; \
            restart paird, which reads it anew
            """
        case .vault(let error): "\(error)"
        case .system(let call, let path, let code):
            "\(call) of \(path): \(SystemText.of(code))"
        }
    }

    /// A name from the peer, short and without anything that could pass for a line of its own.
    private static func quoted(_ name: String) -> String {
        let shown = name.unicodeScalars.prefix(64)
            .map { $0.isASCII && $0.value >= 0x20 && $0.value < 0x7f ? String($0) : "?" }
        return "\"\(shown.joined())\""
    }
}

extension ArchiveError.Damage: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing(let file): "\(file) is missing"
        case .wrongLength(let file, let expected, let found):
            "\(file) has \(found) bytes instead of \(expected)"
        case .manifest(nil): "manifest.json is not a manifest"
        case .manifest(let field?): "\"\(field)\" in manifest.json is missing or cannot be"
        case .wrongName(let described): "its manifest describes archive \(described)"
        case .imageDigest(let expected, let found):
            "vault.db has digest \(found) instead of \(expected)"
        case .imageHeader: "vault.db does not begin as a database that opens by itself"
        case .segmentsChecksum: "segments.log is not what was sealed"
        }
    }
}
