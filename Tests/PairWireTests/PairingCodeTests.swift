import PairWire
import Testing

@Suite("Pairing code: what an operator reads and types")
struct PairingCodeTests {
    private let code = PairingCode(bytes: (0..<15).map { UInt8($0 * 17) })

    @Test func `is five groups of five`() throws {
        let text = try #require(self.code).text

        #expect(text.split(separator: "-").map(\.count) == [5, 5, 5, 5, 5])
    }

    @Test func `has letters and digits only, which no shell takes for more`() {
        for seed in 0..<64 {
            let bytes = (0..<15).map { UInt8(truncatingIfNeeded: seed * 37 + $0 * seed) }
            let text = PairingCode(bytes: bytes)?.text ?? ""

            #expect(text.count == 29)
            #expect(text.allSatisfy { "0123456789ABCDEFGHJKMNPQRSTVWXYZ-".contains($0) }, "\(text)")
        }
    }

    @Test func `is read back as it was printed`() throws {
        let code = try #require(self.code)

        #expect(try PairingCode(code.text).bytes == code.bytes)
    }

    @Test func `does not mind case, spaces, dashes and look-alikes`() throws {
        let zeros = try #require(PairingCode(bytes: Array(repeating: 0, count: 15)))
        let code = try #require(self.code)

        #expect(try PairingCode("OoOoO 00000-oooooOOOOO 0000 o").bytes == zeros.bytes)
        #expect(try PairingCode(code.text.lowercased()).bytes == code.bytes)
        #expect(
            try PairingCode(" " + code.text.replacing("-", with: " ") + "\n").bytes == code.bytes
        )
        let ones = try #require(
            PairingCode(bytes: [0x08, 0x42, 0x10, 0x80] + Array(repeating: 0, count: 11))
        )
        #expect(ones.text.hasPrefix("11111-"))
        #expect(try PairingCode("1iIlL" + ones.text.dropFirst(5)).bytes == ones.bytes)
    }

    @Test func `notices every wrong symbol and every exchange of neighbours`() throws {
        let symbols = Array(try #require(self.code).text.filter { $0 != "-" })

        for index in symbols.indices {
            for other in "0123456789ABCDEFGHJKMNPQRSTVWXYZ" where other != symbols[index] {
                var changed = symbols
                changed[index] = other
                #expect(throws: PairingCodeError.self) { try PairingCode(String(changed)) }
            }
            if index > 0, symbols[index] != symbols[index - 1] {
                var changed = symbols
                changed.swapAt(index, index - 1)
                #expect(throws: PairingCodeError.self) { try PairingCode(String(changed)) }
            }
        }
    }

    @Test func `says what is wrong with a text`() {
        #expect(throws: PairingCodeError.wrongLength(symbols: 3)) { try PairingCode("ABC") }
        #expect(throws: PairingCodeError.unknownSymbol("!")) { try PairingCode("ABC!") }
        #expect(throws: PairingCodeError.unknownSymbol("*")) { try PairingCode("ABC*") }
        #expect(throws: PairingCodeError.wrongLength(symbols: 0)) { try PairingCode("") }
    }

    @Test func `never describes itself`() throws {
        #expect("\(try #require(self.code))" == "***")
    }
}
