/// The word that somebody meant who wrote one that does not exist.
package enum NearMiss {
    /// The one of `known` that is most like `word`; `nil` when none is near.
    package static func of(_ word: String, among known: some Sequence<String>) -> String? {
        let ranked = known.map { (word: $0, distance: self.distance(word.lowercased(), $0)) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }),
            best.distance <= max(1, best.word.count / 3)
        else { return nil }
        return best.word
    }

    /// How many characters must be put in, taken out, changed, or exchanged with their neighbour
    /// (Damerau and Levenshtein).
    private static func distance(_ lhs: String, _ rhs: String) -> Int {
        let (source, target) = (Array(lhs), Array(rhs))
        var rows = [Array(0...target.count)]
        for (i, left) in source.enumerated() {
            var row = [i + 1]
            for (j, right) in target.enumerated() {
                var least = rows[i][j] + (left == right ? 0 : 1)
                least = min(least, row[j] + 1, rows[i][j + 1] + 1)
                if i > 0, j > 0, left == target[j - 1], source[i - 1] == right {
                    least = min(least, rows[i - 1][j - 1] + 1)
                }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[source.count][target.count]
    }
}
