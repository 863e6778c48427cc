import Testing

@Suite("Tidy: files that need no search box")
struct SizeTests {
    @Test func `has no more than 500 lines`() {
        for file in SourceTree.texts {
            let count = file.lines.count
            #expect(count <= 501, "\(file.path) has \(count - 1) lines")
        }
    }

    @Test func `has no function of more than 70 lines`() {
        for file in SourceTree.swift {
            for function in file.code.functions {
                #expect(
                    function.lineCount <= 70,
                    "\(file.place(function.firstLine)): \(function.lineCount) lines"
                )
            }
        }
    }

    @Test func `measures functions as a reader would`() {
        let source = """
            protocol Shape {
                func area() -> Int
                func name(of: String) -> Int
            }
            struct Square {
                init(side: Int) { self.init("}") }
                // func comment() {
                package static func area(
                    of side: [Int] = { [1] }()
                ) -> Int {
                    let text = "\\(side.map { "{" }) {"
                    return 1
                }
                subscript(index: Int) -> Int {
                    index
                }
            }
            """
        let functions = SwiftCode(source).functions

        #expect(functions.map(\.firstLine) == [5, 7, 13])
        #expect(functions.map(\.lineCount) == [1, 6, 3])
    }
}
