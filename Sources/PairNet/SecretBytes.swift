import COpenSSL

/// Bytes that are wiped when nobody needs them any more.
///
/// Arrays and strings copy freely and leave their old contents in freed memory; this is one
/// allocation that never moves, is never copied, and is overwritten before it is returned.
/// Immutable after `init`, so that it may be read from any thread.
package final class SecretBytes: Sendable {
    // Written only by the initialiser, before anybody else can hold a reference.
    private nonisolated(unsafe) let storage: UnsafeMutableRawBufferPointer

    package var count: Int { self.storage.count }

    /// Allocates `byteCount` zeros and lets `fill` write into them; it answers how many it used.
    package init<E: Error>(
        byteCount: Int,
        filledBy fill: (UnsafeMutableRawBufferPointer) throws(E) -> Int
    ) throws(E) {
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(byteCount, 1),
            alignment: 16
        )
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        do throws(E) {
            let used = try fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<byteCount]))
            precondition((0...byteCount).contains(used), "a secret cannot outgrow its buffer")
            self.storage = UnsafeMutableRawBufferPointer(rebasing: memory[..<used])
        } catch {
            OPENSSL_cleanse(memory.baseAddress, memory.count)
            memory.deallocate()
            throw error
        }
    }

    /// Copies `bytes`; the original is the caller's to forget.
    package convenience init(copying bytes: some Collection<UInt8>) {
        self.init(byteCount: bytes.count) { memory in
            memory.copyBytes(from: bytes)
            return bytes.count
        }
    }

    deinit {
        OPENSSL_cleanse(self.storage.baseAddress, self.storage.count)
        self.storage.deallocate()
    }

    package func withUnsafeBytes<Result, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> Result
    ) throws(E) -> Result {
        try body(UnsafeRawBufferPointer(self.storage))
    }
}

extension SecretBytes: CustomStringConvertible {
    /// Never the bytes.
    package var description: String { "***" }
}
