import Foundation
import PairNet
import TestThreads
import Testing

@Suite("Identity: the keys of a node", .partOfMachine)
struct IdentityTests {
    @Test func `makes keys once and finds the same ones afterwards`() throws {
        try withFolder { folder in
            let keys = folder + "/keys"
            let first = try Identity.load(from: keys, creatingMissingKeys: true)
            let second = try Identity.load(from: keys, creatingMissingKeys: false)

            #expect(first.keyPin == second.keyPin)
            #expect(first.signingKey == second.signingKey)
            for name in ["tls.key", "tls.crt", "signing.key"] {
                #expect(try mode(of: keys + "/" + name) == 0o600)
            }
            #expect(try mode(of: keys) == 0o700)
        }
    }

    @Test(arguments: ["", "/tls.key", "/signing.key", "/tls.crt"])
    func `refuses what others may read, and says what mends it`(name: String) throws {
        try withFolder { folder in
            let keys = folder + "/keys"
            _ = try Identity.load(from: keys, creatingMissingKeys: true)
            let path = keys + name
            try setMode(name.isEmpty ? 0o750 : 0o640, of: path)

            let error = #expect(throws: IdentityError.self) {
                _ = try Identity.load(from: keys, creatingMissingKeys: true)
            }

            let mending = name.isEmpty ? "chmod 0700 \(path)" : "chmod 0600 \(path)"
            #expect(error?.description.contains("run: " + mending) == true)
        }
    }

    @Test(arguments: ["tls.key", "signing.key"])
    func `does not replace a lost key of a paired node`(name: String) throws {
        try withFolder { folder in
            let keys = folder + "/keys"
            _ = try Identity.load(from: keys, creatingMissingKeys: true)
            try FileManager.default.removeItem(atPath: keys + "/" + name)

            #expect(throws: IdentityError.missing(path: keys + "/" + name)) {
                _ = try Identity.load(from: keys, creatingMissingKeys: false)
            }
        }
    }

    @Test func `makes a lost or damaged certificate anew, for the same key`() throws {
        try withFolder { folder in
            let keys = folder + "/keys"
            let first = try Identity.load(from: keys, creatingMissingKeys: true)
            try Data("no certificate".utf8).write(to: URL(filePath: keys + "/tls.crt"))
            let second = try Identity.load(from: keys, creatingMissingKeys: false)
            try FileManager.default.removeItem(atPath: keys + "/tls.crt")
            let third = try Identity.load(from: keys, creatingMissingKeys: false)

            #expect(second.keyPin == first.keyPin)
            #expect(third.keyPin == first.keyPin)
        }
    }

    @Test func `refuses a damaged key instead of replacing it`() throws {
        try withFolder { folder in
            let keys = folder + "/keys"
            _ = try Identity.load(from: keys, creatingMissingKeys: true)
            try Data("no key".utf8).write(to: URL(filePath: keys + "/tls.key"))

            let error = #expect(throws: IdentityError.self) {
                _ = try Identity.load(from: keys, creatingMissingKeys: true)
            }

            guard case .unreadable(keys + "/tls.key", _) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test func `does not follow a link to a key`() throws {
        try withFolder { folder in
            let keys = folder + "/keys"
            _ = try Identity.load(from: keys, creatingMissingKeys: true)
            let path = keys + "/tls.key"
            try FileManager.default.moveItem(atPath: path, toPath: folder + "/elsewhere")
            try FileManager.default.createSymbolicLink(
                atPath: path,
                withDestinationPath: folder + "/elsewhere"
            )

            #expect(throws: IdentityError.self) {
                _ = try Identity.load(from: keys, creatingMissingKeys: true)
            }
        }
    }

    @Test func `signs what only its own key verifies`() throws {
        let identity = try Identity.ephemeral()
        let other = try Identity.ephemeral()
        let message = Array("proof of life".utf8)

        let signature = try identity.sign(message)

        #expect(identity.signingKey.verifies(signature: signature, of: message))
        #expect(!other.signingKey.verifies(signature: signature, of: message))
        for index in message.indices {
            var changed = message
            changed[index] ^= 1
            #expect(!identity.signingKey.verifies(signature: signature, of: changed))
        }
        for index in signature.indices {
            var changed = signature
            changed[index] ^= 1
            #expect(!identity.signingKey.verifies(signature: changed, of: message))
        }
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "pair-identity-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) } }
        try body(folder.path())
    }

    private func mode(of path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? Int)
    }

    private func setMode(_ mode: Int, of path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
}
