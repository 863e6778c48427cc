package import PairCore

/// A place in one generation of a local WAL: its salts, a frame, and the running checksum there.
///
/// Two WALs that agree on an anchor agree on every frame up to it. It says nothing about another
/// node's WAL. Frame 0 is the place before the first frame; its checksum is the header's.
package struct WALAnchor: Hashable, Sendable {
    package static let byteCount = 20

    package var salts: UInt64
    package var frame: UInt32
    package var checksum: WALChecksum

    package init(salts: UInt64, frame: UInt32, checksum: WALChecksum) {
        self.salts = salts
        self.frame = frame
        self.checksum = checksum
    }

    /// Of a WAL that holds nothing; found in no WAL.
    package static let none = WALAnchor(salts: 0, frame: 0, checksum: .zero)

    /// Before the first frame of the generation that `header` begins.
    package init(startOf header: WALHeader) {
        self.init(salts: header.salts, frame: 0, checksum: header.checksum)
    }

    package init(from reader: inout ByteReader) throws(ByteError) {
        self.salts = try reader.u64("anchor salts")
        self.frame = try reader.u32("anchor frame")
        self.checksum = WALChecksum(
            try reader.u32("anchor checksum"),
            try reader.u32("anchor checksum")
        )
    }

    package func encode(into writer: inout ByteWriter) {
        writer.u64(self.salts)
        writer.u32(self.frame)
        writer.u32(self.checksum.first)
        writer.u32(self.checksum.second)
    }
}
