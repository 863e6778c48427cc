import PairCore

/// What a pair does, shown on a real one in under two minutes.
///
/// Every step does what it says or ends the demonstration: it is a test that can be watched.
package enum Demonstration {
    /// - Parameters:
    ///   - folder: a scratch folder, removed at the end.
    ///   - say: prints a line.
    package static func run(
        in folder: LabFolder,
        say: @escaping @Sendable (String) -> Void
    ) async throws {
        let start = ContinuousClock.now
        say(
            "A pair of nodes on this machine: two paird processes, TLS between them on loopback, and"
        )
        say("the stock sqlite3 shell as the application, which knows nothing of us.")
        say(
            "LAB: its timers are the lab's, so that a minute shows what else takes a quarter of an hour."
        )
        let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(4))
        try await LabPair.use(options, in: folder) { lab in
            try await Scene(lab: lab, say: say, start: start).play()
        }
        let took = (ContinuousClock.now - start).inSeconds
        say(
            "\nDone in \(StatusText.time(took)). Every step did what it says; nothing is left running."
        )
    }
}
