import ArgumentParser
import PairCore

/// The operator's tool: asks the daemon on this machine over its control socket.
@main
struct Pairctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pairctl",
        abstract: "Shows and changes what this node does in its pair.",
        discussion: """
            Data goes to standard output, everything else to standard error.

            Exit codes: 0 done; 1 tried and failed, the old state is kept; 10 refused by a safety \
            rule; 11 needs --confirm; 12 in doubt, and safe; 64 usage; 69 daemon unavailable; 75 \
            timed out, may still finish; 77 not permitted. `pairctl status` has its own: 0 \
            protected or standalone; 1 degraded or unpaired; 2 unprotected, diverged or down; 3 no \
            answer.
            """,
        version: Release.version,
        subcommands: [
            Status.self, Init.self, Pair.self, EnableHA.self, DisableHA.self, Switchover.self,
            Promote.self, Suspend.self, Resume.self, Tail.self, Verify.self, Wait.self,
            History.self, Events.self,
        ]
    )
}
