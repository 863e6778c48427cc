import Glibc
import PairCore
import PairSim

/// Runs seeds until one breaks a promise; `--seed` repeats one with its transcript.
struct PairSimCommand {
    var first: UInt64 = 1
    var count: UInt64 = 1_000
    var single: UInt64?
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

    func run() -> Int32 {
        if let single { return self.runOne(single) }
        var total = Statistics()
        let clock = ContinuousClock()
        let begin = clock.now
        for seed in self.first..<self.first + self.count {
            var simulation = Simulation(self.scenario(seed))
            do {
                try simulation.run()
            } catch {
                print(error)
                return 1
            }
            total.add(simulation.statistics)
        }
        let seconds = (clock.now - begin) / .seconds(1)
        print(Report(total, seeds: self.count, seconds: seconds).text)
        return 0
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
    print("usage: pair-sim [--seeds N] [--from SEED] | --seed SEED")
    exit(64)
}
exit(command.run())
