import COpenSSL
package import PairCore

/// Computes page hashes; one per thread.
package final class PageHasher {
    private static let prefix: [UInt8] = Array("paird-page-v1".utf8)

    private let context: OpaquePointer
    private let algorithm: OpaquePointer
    private var firstPage: [UInt8] = []

    package init() {
        // Both fail only without memory or without SHA-256 in the platform's OpenSSL.
        guard let context = EVP_MD_CTX_new(), let algorithm = EVP_MD_fetch(nil, "SHA256", nil)
        else { fatalError("OpenSSL has no SHA-256") }
        self.context = context
        self.algorithm = algorithm
    }

    deinit {
        EVP_MD_CTX_free(self.context)
        EVP_MD_free(self.algorithm)
    }

    /// The hash of `page` with the content `image`; page 1 counts with byte 18 = 2.
    package func hash(_ page: PageNumber, _ image: UnsafeRawBufferPointer) -> PageHash {
        guard page == .first, image.count > 18, image[18] != 2 else {
            return self.digest(page, image)
        }
        self.firstPage = Array(image)
        self.firstPage[18] = 2
        return self.firstPage.withUnsafeBytes { self.digest(page, $0) }
    }

    private func digest(_ page: PageNumber, _ image: UnsafeRawBufferPointer) -> PageHash {
        var number = page.rawValue.littleEndian
        var lanes: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        let succeeded = Self.prefix.withUnsafeBufferPointer { prefix in
            EVP_DigestInit_ex2(self.context, self.algorithm, nil) == 1
                && EVP_DigestUpdate(self.context, prefix.baseAddress, prefix.count) == 1
                && EVP_DigestUpdate(self.context, &number, 4) == 1
                && EVP_DigestUpdate(self.context, image.baseAddress, image.count) == 1
                && withUnsafeMutableBytes(of: &lanes) { lanes in
                    EVP_DigestFinal_ex(
                        self.context,
                        lanes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                        nil
                    )
                        == 1
                }
        }
        precondition(succeeded, "SHA-256 failed")
        return PageHash(
            UInt64(littleEndian: lanes.0),
            UInt64(littleEndian: lanes.1),
            UInt64(littleEndian: lanes.2),
            UInt64(littleEndian: lanes.3)
        )
    }
}
