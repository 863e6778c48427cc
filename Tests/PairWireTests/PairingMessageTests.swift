import PairCore
import PairWire
import TestThreads
import Testing

@Suite("Pairing messages", .ownThreads)
struct PairingMessageTests {
    static let refusals: [PairingRefusal] = [
        .wrongCode(triesLeft: 2), .usedUp, .expired, .ownKey,
        .modelMismatch(inviter: "VA-100", joiner: "VA-200"),
        .pageSizeMismatch(inviter: 4096, joiner: 65_536), .alreadyPaired, .busy,
        .declined(reason: "the operator said no"),
    ]

    static let messages: [PairingMessage] =
        [
            .hello(nonce: Array(0..<32), signingKey: Array(32..<64)),
            .proof(Array(64..<96)),
            .description(
                PairingDescription(
                    name: "ams-1",
                    model: "VA-100",
                    pageSize: PageSize(byteCount: 65_536),
                    engineVersion: "3.40.1",
                    port: 5022
                )
            ),
            .description(
                PairingDescription(
                    name: "",
                    model: "unknown",
                    pageSize: nil,
                    engineVersion: "",
                    port: 0
                )
            ),
            .candidateKept, .memberKept,
        ] + refusals.map { .refused($0) }

    @Test(arguments: messages)
    func `comes back as it was`(message: PairingMessage) throws {
        #expect(try PairingMessage(decoding: message.envelope()) == message)
    }

    @Test(arguments: messages)
    func `is refused when it is cut or has something after it`(message: PairingMessage) {
        let envelope = message.envelope()

        for count in 0..<envelope.payload.count {
            let cut = Envelope(type: envelope.type, payload: Array(envelope.payload.prefix(count)))
            #expect(throws: ByteError.self) { try PairingMessage(decoding: cut) }
        }
        let longer = Envelope(type: envelope.type, payload: envelope.payload + [0])
        #expect(throws: ByteError.self) { try PairingMessage(decoding: longer) }
    }

    @Test func `survives whatever a stranger sends`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<80, using: &generator)
            let payload = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let envelope = Envelope(
                type: UInt8.random(in: 14...23, using: &generator),
                payload: payload
            )
            do throws(ByteError) {
                let message = try PairingMessage(decoding: envelope)
                #expect(message.envelope() == envelope)
            } catch {
                // The one error there is; anything else would have ended the test.
                continue
            }
        }
    }

    @Test(arguments: refusals)
    func `says every refusal in words`(refusal: PairingRefusal) {
        #expect(refusal.description.count > 10)
    }

    @Test func `cuts a reason that is too long for its message`() throws {
        let message = PairingMessage.refused(
            .declined(reason: String(repeating: "\u{1F511}", count: 400))
        )

        #expect(throws: Never.self) { try PairingMessage(decoding: message.envelope()) }
    }
}
