package import Testing

/// Shares the machine out among tests: those that load it run alone, the others side by side.
///
/// Some tests drive two daemons and an application at full speed and watch the lab's short timers;
/// others have peers whose patience is a few seconds. In one process both would measure each other.
package struct MachineShare: SuiteTrait, TestTrait, TestScoping {
    fileprivate enum Claim {
        /// Held by a whole suite, from its first test to its last.
        case whole
        /// Held by one test.
        case part
    }

    fileprivate let claim: Claim

    package var isRecursive: Bool { self.claim == .part }

    package func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        guard self.claim == .whole || testCase != nil else { return try await function() }
        await Turns.shared.take(self.claim)
        do {
            try await function()
        } catch {
            await Turns.shared.giveBack(self.claim)
            throw error
        }
        await Turns.shared.giveBack(self.claim)
    }

    private actor Turns {
        static let shared = Turns()
        private var parts = 0
        private var isWhole = false
        private var waiting: [(claim: Claim, go: CheckedContinuation<Void, Never>)] = []

        func take(_ claim: Claim) async {
            if self.waiting.isEmpty, self.admit(claim) { return }
            await withCheckedContinuation { self.waiting.append((claim, $0)) }
        }

        func giveBack(_ claim: Claim) {
            switch claim {
            case .whole: self.isWhole = false
            case .part: self.parts -= 1
            }
            while let next = self.waiting.first, self.admit(next.claim) {
                self.waiting.removeFirst()
                next.go.resume()
            }
        }

        private func admit(_ claim: Claim) -> Bool {
            switch claim {
            case .whole:
                guard !self.isWhole, self.parts == 0 else { return false }
                self.isWhole = true
            case .part:
                guard !self.isWhole else { return false }
                self.parts += 1
            }
            return true
        }
    }
}

extension Trait where Self == MachineShare {
    /// The whole machine, for a suite of tests that load it.
    package static var wholeMachine: Self { MachineShare(claim: .whole) }

    /// A part of the machine, for tests that must not wait long for their answers.
    package static var partOfMachine: Self { MachineShare(claim: .part) }
}
