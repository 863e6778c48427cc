#if PLANTED_BUGS
    import Foundation
    import PairCore
    import PairSim
    import TestThreads
    import Testing

    @Suite("The simulator, when a mistake is made on purpose", .partOfMachine, .ownThreads)
    struct PlantedBugTests {
        static let isLong = ProcessInfo.processInfo.environment["PAIR_LONG"] == "1"

        /// Schedules so rare that the tests of the machine make them by hand, and show there that the
        /// mistake is seen (PairCoreTests/PlantedBugTests).
        static let leftToDirectedTests: [PlantedBug] = [.acceptReplay, .ignorePledge, .ignoreAbort]

        @Test(
            .enabled(if: Self.isLong, "takes minutes; set PAIR_LONG=1"),
            arguments: PlantedBug.allCases.filter { !Self.leftToDirectedTests.contains($0) }
        )
        func `finds it within a thousand seeds`(bug: PlantedBug) {
            let caught = (1...1_000).lazy.compactMap { Self.violation(of: bug, seed: $0) }.first

            #expect(caught != nil, "\(bug.rawValue) was not found")
        }

        @Test func `finds the gravest at once`() {
            let grave: [PlantedBug] = [
                .dropTail, .reopenInDoubt, .ignoreParity, .openBeforePersist,
            ]

            for bug in grave {
                let caught = (1...60).lazy.compactMap { Self.violation(of: bug, seed: $0) }.first
                #expect(caught != nil, "\(bug.rawValue) was not found")
            }
        }

        static func violation(of bug: PlantedBug, seed: UInt64) -> Violation? {
            var scenario = Scenario(seed: seed)
            scenario.planted = bug
            var simulation = Simulation(scenario)
            do {
                try simulation.run()
                return nil
            } catch {
                return error
            }
        }
    }
#endif
