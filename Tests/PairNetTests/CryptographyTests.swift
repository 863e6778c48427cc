import PairCore
import PairNet
import TestThreads
import Testing

@Suite("Cryptography: published vectors", .partOfMachine)
struct CryptographyTests {
    @Test func `derives keys as RFC 5869 says, test case 1`() throws {
        let secret = SecretBytes(copying: [UInt8](repeating: 0x0b, count: 22))

        let key = try KeyDerivation.derive(
            from: secret,
            salt: Array(0...0x0c),
            info: Array(0xf0...0xf9)
        )

        #expect(
            key.withUnsafeBytes { Hex.string($0) }
                == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
        )
    }

    @Test func `makes codes as RFC 4231 says, test case 2`() throws {
        let code = try MessageCode.make(
            key: SecretBytes(copying: Array("Jefe".utf8)),
            message: Array("what do ya want for nothing?".utf8)
        )

        #expect(
            Hex.string(code)
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        )
    }

    @Test func `compares codes of any length`() {
        #expect(MessageCode.areEqual([1, 2, 3], [1, 2, 3]))
        #expect(!MessageCode.areEqual([1, 2, 3], [1, 2, 4]))
        #expect(!MessageCode.areEqual([1, 2, 3], [1, 2]))
    }

    @Test func `never says a secret`() {
        let secret = SecretBytes(copying: Array("canary".utf8))

        #expect("\(secret)" == "***")
        #expect(String(reflecting: secret) == "***")
        #expect(
            !String(describing: Mirror(reflecting: secret).children.map { "\($0)" }).contains(
                "canary"
            )
        )
    }

    @Test func `makes random bytes that do not repeat`() throws {
        let ids = try (0..<1000).map { _ in try RandomBytes.identifier(NodeID.self) }

        #expect(Set(ids).count == 1000)
    }
}
