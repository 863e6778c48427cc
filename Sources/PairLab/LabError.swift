/// Why something in the lab did not come about.
package enum LabError: Error, Hashable, Sendable {
    /// A program of ours, or of the system's, is not where it should be.
    case programMissing(name: String, looked: String)
    case system(call: String, object: String, code: Int32)
    case timedOut(String, after: Duration)
    /// A command ended with another code than it should.
    case commandFailed(command: String, status: Int32, output: String)
    case daemonEnded(node: String, log: String)
    /// Something answered in a form that nobody expects.
    case unexpected(String)
    case noLab(folder: String)
    case alreadyUp(folder: String)
    /// A step of the demonstration did not do what it says.
    case stepFailed(String)
}

extension LabError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .programMissing(let name, let looked):
            "\(name) was not found (looked in \(looked)); type: "
                + (name == "sqlite3" ? "sudo apt install sqlite3" : "swift build")
        case .system(let call, let object, let code):
            "\(call) of \(object): \(errorText(code))"
        case .timedOut(let what, let after): "waited \(after) in vain until \(what)"
        case .commandFailed(let command, let status, let output):
            "\(command) ended with \(status): \(output)"
        case .daemonEnded(let node, let log): "the daemon of \(node) has ended:\n\(log)"
        case .unexpected(let what): what
        case .noLab(let folder): "there is no lab in \(folder); type: pair-lab up"
        case .alreadyUp(let folder):
            "a lab is up in \(folder); type: pair-lab down, or name another with --folder"
        case .stepFailed(let what): what
        }
    }
}
