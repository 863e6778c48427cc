import CWALIndex
import PairCore

/// Lets ``CRC32C`` use the processor's instruction, where there is one.
package enum HardwareChecksum {
    /// Whether checksums are computed by the processor from now on; does it on the first call.
    @discardableResult
    package static func install() -> Bool { self.isInstalled }

    private static let isInstalled: Bool = {
        guard checksum_is_supported() != 0 else { return false }
        CRC32C.accelerated = checksum_extend
        return true
    }()
}
