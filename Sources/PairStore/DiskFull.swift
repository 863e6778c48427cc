import Glibc

/// An error that may say that there is no room, which is another matter than a disk that fails.
package protocol DiskFullError: Error {
    var isDiskFull: Bool { get }
}

private func meansFull(_ code: Int32) -> Bool { code == ENOSPC || code == EDQUOT }

extension SegmentStoreError: DiskFullError {
    package var isDiskFull: Bool {
        if case .system(_, _, let code) = self { meansFull(code) } else { false }
    }
}

extension NodeStateError: DiskFullError {
    package var isDiskFull: Bool {
        if case .system(_, _, let code) = self { meansFull(code) } else { false }
    }
}

extension VaultError: DiskFullError {
    /// SQLITE_FULL is 13.
    private static let full: Int32 = 13

    package var isDiskFull: Bool {
        switch self {
        case .system(let code, _, _): meansFull(code)
        case .sqlite(let code, _, _): code & 0xFF == Self.full
        case .log(let error): error.isDiskFull
        default: false
        }
    }
}

extension ArchiveError: DiskFullError {
    package var isDiskFull: Bool {
        switch self {
        case .noSpace: true
        case .system(_, _, let code): meansFull(code)
        case .vault(let error): error.isDiskFull
        case .unknown, .badName, .outOfOrder, .tooLong, .damaged, .vaultChanged: false
        }
    }
}
