import Glibc
import PairCore
import PairSim

/// Runs seeds until one breaks a promise; `--seed` repeats one with its transcript.
///
/// What is printed does not depend on how many seeds run at once, its rate apart.
struct PairSimCommand {
    var first: UInt64 = 1
    var count: UInt64 = 1_000
    var single: UInt64?
    /// Seeds that run at once.
    var jobs = UInt64(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    /// A mistake to make on purpose, in a build that can.
    var planted: String?

    /// - Returns: `nil` for arguments that mean nothing.
    init?(_ arguments: [String]) {
        var rest = arguments.makeIterator()
        while let argument = rest.next() {
            guard let text = rest.next() else { return nil }
            if argument == "--planted" {
                self.planted = text
                continue
            }
            guard let value = UInt64(text) else { return nil }
            switch argument {
            case "--seeds": self.count = value
            case "--from": self.first = value
            case "--seed": self.single = value
            case "--jobs" where value > 0: self.jobs = value
            default: return nil
            }
        }
    }

    private func scenario(_ seed: UInt64) -> Scenario {
        var scenario = Scenario(seed: seed)
        #if PLANTED_BUGS
            scenario.planted = self.planted.flatMap { PlantedBug(rawValue: $0) }
        #endif
        return scenario
    }

    func run() async -> Int32 {
        if let single { return self.runOne(single) }
        let clock = ContinuousClock()
        let begin = clock.now
        do {
            let total = try await self.runAll()
            let seconds = (clock.now - begin) / .seconds(1)
            print(Report(total, seeds: self.count, seconds: seconds).text)
            return 0
        } catch {
            print(error)
            return 1
        }
    }

    private struct Outcome: Sendable {
        var seed: UInt64
        var result: Result<Statistics, Violation>
    }

    /// Keeps ``jobs`` seeds running, and takes their outcomes in the order of the seeds.
    private func runAll() async throws(Violation) -> Statistics {
        let total = await withTaskGroup(
            of: Outcome.self,
            returning: Result<Statistics, Violation>.self
        ) { group in
            let end = self.first + self.count
            var next = self.first
            func startNext() {
                guard next < end else { return }
                group.addTask { [next] in Outcome(seed: next, result: self.runPart(next)) }
                next += 1
            }
            for _ in 0..<self.jobs { startNext() }
            var total = Statistics()
            var done: [UInt64: Result<Statistics, Violation>] = [:]
            var due = self.first
            while let outcome = await group.next() {
                startNext()
                done[outcome.seed] = outcome.result
                while let result = done.removeValue(forKey: due) {
                    due += 1
                    guard case .success(let statistics) = result else { return result }
                    total.add(statistics)
                }
            }
            return .success(total)
        }
        return try total.get()
    }

    private func runPart(_ seed: UInt64) -> Result<Statistics, Violation> {
        var simulation = Simulation(self.scenario(seed))
        do throws(Violation) {
            try simulation.run()
            return .success(simulation.statistics)
        } catch {
            return .failure(error)
        }
    }

    private func runOne(_ seed: UInt64) -> Int32 {
        var simulation = Simulation(self.scenario(seed), recordingTranscript: true)
        var status: Int32 = 0
        do {
            try simulation.run()
        } catch {
            print(simulation.transcript?.joined(separator: "\n") ?? "")
            print(error)
            status = 1
            return status
        }
        print(simulation.transcript?.joined(separator: "\n") ?? "")
        return status
    }
}

guard let command = PairSimCommand(Array(CommandLine.arguments.dropFirst())) else {
    print("usage: pair-sim [--seeds N] [--from SEED] [--jobs N] | --seed SEED")
    exit(64)
}
exit(await command.run())
