import Glibc
import PairCore
import PairWAL

extension SegmentStore {
    /// What the file `start` remembers.
    struct Beginning {
        var position: Position
        /// Files with lower numbers are left-overs of an interrupted removal.
        var firstNumber: UInt64
    }

    private static let startMagic: UInt32 = 0x5347_4c50  // "PLGS"
    private static let startVersion: UInt16 = 1

    func writeStart(_ position: Position, firstNumber: UInt64) throws(SystemFailure) {
        var writer = ByteWriter(reserving: 80)
        writer.u32(Self.startMagic)
        writer.u16(Self.startVersion)
        writer.u16(0)
        writer.u64(firstNumber)
        writer.position(position)
        writer.u32(CRC32C.checksum(writer.bytes))
        writer.u32(0)
        writer.u64(0)
        try DurableFile.replace(self.directory + "/start", with: writer.bytes)
    }

    /// `nil` when the file is missing or damaged.
    private static func readStart(_ directory: String) throws(SystemFailure) -> Beginning? {
        guard let bytes = try DurableFile.read(directory + "/start") else { return nil }
        var reader = ByteReader(bytes)
        do throws(ByteError) {
            guard try reader.u32("magic") == self.startMagic,
                try reader.u16("version") == self.startVersion, try reader.u16("reserved") == 0
            else { return nil }
            let firstNumber = try reader.u64("firstFile")
            let position = try reader.position("position")
            guard try reader.u32("crc") == CRC32C.checksum(bytes[..<64]) else { return nil }
            return Beginning(position: position, firstNumber: firstNumber)
        } catch {
            return nil
        }
    }

    static func load(_ directory: String) throws(SystemFailure) -> State {
        let beginning = try self.readStart(directory)
        let numbers = try self.fileNumbers(in: directory)
        var state = State()
        state.nextNumber = max((numbers.last ?? 0) + 1, beginning?.firstNumber ?? 1)
        guard let beginning else {
            // Records whose beginning is unknown prove nothing; the vaults will be compared.
            for number in numbers { try self.remove(number, in: directory) }
            try self.removePassed(in: directory)
            return state
        }
        state.start = beginning.position
        state.newest = beginning.position
        state.passed = try self.readPassed(directory)
        var isBroken = false
        for number in numbers {
            guard number >= beginning.firstNumber, !isBroken else {
                try self.remove(number, in: directory)
                continue
            }
            let isLast = number == numbers.last
            isBroken = try self.scan(number, in: directory, checksEverything: isLast, &state)
        }
        try state.openNewest()
        return state
    }

    /// Reads one file's records into `state`; answers whether the chain ends in it for good.
    private static func scan(
        _ number: UInt64,
        in directory: String,
        checksEverything: Bool,
        _ state: inout State
    ) throws(SystemFailure) -> Bool {
        guard let before = state.newest else { return true }
        var file = LogFile(
            number: number,
            in: directory,
            before: before,
            byteCount: 0,
            lastAppended: .zero
        )
        let descriptor = try file.open()
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemFailure("fstat", file.path) }
        let size = Int(status.st_size)
        let age = max(0, time(nil) - status.st_mtim.tv_sec)
        file.lastAppended = self.now() - .seconds(age)
        file.byteCount = size
        var offset = 0
        while let record = try file.record(
            at: offset,
            from: descriptor,
            checksEverything: checksEverything
        ),
            state.admits(record.segment)
        {
            file.note(record)
            state.note(record.segment, at: offset)
            offset = record.end
        }
        // A file ends with a closed transaction; open parts are the end that a crash tore.
        let end = state.openParts?.offset ?? offset
        state.openParts = nil
        file.truncate(at: end)
        state.files.append(file)
        return end < size
    }

    static func remove(_ number: UInt64, in directory: String) throws(SystemFailure) {
        let path = directory + "/" + Hex.string(number)
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemFailure("unlink", path) }
    }

    private static func fileNumbers(in directory: String) throws(SystemFailure) -> [UInt64] {
        guard let stream = opendir(directory) else { throw SystemFailure("opening", directory) }
        defer { closedir(stream) }
        var numbers: [UInt64] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.utf8.count == 16, let number = UInt64(name, radix: 16),
                Hex.string(number) == name
            else { continue }
            numbers.append(number)
        }
        return numbers.sorted()
    }
}

extension SegmentStore.State {
    /// Whether a record that was read continues what was read before it.
    fileprivate func admits(_ header: SegmentHeader) -> Bool {
        if let parts = self.openParts { return parts.continues(header) }
        guard header.partIndex == 0, let newest = self.newest else { return false }
        return SegmentStore.continues(newest, header)
    }
}
