extension Verdict {
    /// What `pairctl status` exits with.
    package var exitCode: Int32 {
        switch self {
        case .protected, .standalone: 0
        case .degraded, .unpaired: 1
        case .unprotected, .diverged, .down: 2
        }
    }
}
