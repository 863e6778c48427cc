/// Which of two primaries survives when they meet (protocol.md, section 13).
///
///     rule  commits since the fork   gate was open      survivor
///     0     one side has none        –                  the other: nothing is lost
///     0     neither has any          –                  the higher epoch
///     3     both have                on one side        that side: it serves
///     4     both have                on both            more commits, if equal the higher epoch
///     –     both have                on neither         the higher epoch: it served last
///
/// Both nodes compute it from the same two claims. A claim only ever gets stronger while its node
/// runs and its nonce is the same (commits are added, a gate opens), and a node gives in only with
/// its own gate closed; therefore no two nodes ever give in to each other.
package enum DualPrimary: Hashable, Sendable {
    case survive
    case yield

    package struct Claim: Hashable, Sendable {
        package var epoch: Epoch
        /// Transactions after the fork.
        package var commits: UInt64
        package var gateWasOpen: Bool

        package init(epoch: Epoch, commits: UInt64, gateWasOpen: Bool) {
            self.epoch = epoch
            self.commits = commits
            self.gateWasOpen = gateWasOpen
        }
    }

    package init(mine: Claim, theirs: Claim) {
        let newer = mine.epoch > theirs.epoch
        let survives =
            switch (mine.commits > 0, theirs.commits > 0, mine.gateWasOpen, theirs.gateWasOpen) {
            case (false, true, _, _): false
            case (true, false, _, _): true
            case (false, false, _, _): newer
            case (true, true, true, false): true
            case (true, true, false, true): false
            case (true, true, true, true):
                mine.commits == theirs.commits ? newer : mine.commits > theirs.commits
            case (true, true, false, false): newer
            }
        self = survives ? .survive : .yield
    }
}
