import Glibc

/// Why a figure could not be taken.
enum BenchError: Error, Hashable, Sendable {
    case sqlite(doing: String, vault: String, message: String)
    case system(call: String, object: String, code: Int32)
    case timedOut(String)
    /// A figure that needs something which this machine or this version does not have.
    case unavailable(String)
}

extension BenchError: CustomStringConvertible {
    var description: String {
        switch self {
        case .sqlite(let doing, let vault, let message): "\(doing) in \(vault): \(message)"
        case .system(let call, let object, let code):
            "\(call) of \(object): \(String(cString: strerror(code)))"
        case .timedOut(let what): "waited in vain until \(what)"
        case .unavailable(let what): what
        }
    }
}
