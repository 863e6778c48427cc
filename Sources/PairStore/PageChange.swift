/// What a commit has put into a page, as far as the page's images before and after it tell.
///
/// A page of a b-tree keeps its cells where they are while others come and go, so what is looked for is
/// the bytes in cells that changed. What a deletion leaves (a higher begin of the content, freeblocks,
/// zeros) is no content: the page of any older backup looks the same after the same deletion.
struct PageChange {
    private let image: [UInt8]
    /// Where the image has content that was not there before.
    private let offsets: [Int]
    /// A row that was not there before came to a leaf of a table.
    let hasNewRow: Bool
    private let isTree: Bool

    /// Fewer bytes may be alike by chance.
    private static let leastContent = 4
    /// Of a page without cells; its first bytes are a page's number.
    private static let leastBytes = 16

    /// - Parameter before: empty when there was no such page.
    init(from before: [UInt8], to image: [UInt8]) {
        self.image = image
        let page = TreePage(image)
        self.isTree = page != nil
        let places = page?.content ?? [0..<image.count]
        self.offsets = places.joined().filter { $0 >= before.count || image[$0] != before[$0] }
        let rowsBefore = TreePage(before)?.rows ?? []
        self.hasNewRow = page.map { !$0.rows.isSubset(of: rowsBefore) } ?? false
    }

    /// Whether it is more than a page can have by chance.
    var isDistinct: Bool {
        self.offsets.count >= (self.isTree ? Self.leastContent : Self.leastBytes)
    }

    /// Whether `other` has all of it, where it was put.
    func isIn(_ other: [UInt8]) -> Bool {
        guard self.isDistinct, other.count == self.image.count else { return false }
        guard self.isTree else { return other == self.image }
        return other[0] == self.image[0] && self.offsets.allSatisfy { other[$0] == self.image[$0] }
    }
}

/// The cells of a page of a b-tree that is not the database's first (fileformat2, 1.6).
private struct TreePage {
    /// What belongs to cells, without what lies free between them.
    private(set) var content: [Range<Int>] = []
    /// The keys of a table's leaf.
    private(set) var rows: Set<UInt64> = []

    private static let tableLeaf: UInt8 = 13

    /// - Returns: `nil` for any other page, or one that is not well formed.
    init?(_ image: [UInt8]) {
        guard image.count >= 512, [2, 5, 10, 13].contains(image[0]) else { return nil }
        let isLeaf = image[0] > 5
        let pointers = isLeaf ? 8 : 12
        let count = Self.number(image, at: 3)
        guard pointers + 2 * count <= image.count else { return nil }
        let cells = (0..<count).map { Self.number(image, at: pointers + 2 * $0) }
        guard cells.allSatisfy({ $0 >= pointers + 2 * count && $0 < image.count }) else {
            return nil
        }
        guard let free = Self.freeBlocks(image) else { return nil }
        var ends = Set(free.map(\.lowerBound))
        ends.formUnion(cells)
        ends.insert(image.count)
        let borders = ends.sorted()
        let starts = Set(cells)
        for (start, end) in zip(borders, borders.dropFirst()) where starts.contains(start) {
            self.content.append(start..<end)
        }
        guard image[0] == Self.tableLeaf else { return }
        for cell in cells {
            var offset = cell
            _ = Self.varint(image, &offset)
            self.rows.insert(Self.varint(image, &offset))
        }
    }

    private static func number(_ image: [UInt8], at offset: Int) -> Int {
        Int(image[offset]) << 8 | Int(image[offset + 1])
    }

    private static func freeBlocks(_ image: [UInt8]) -> [Range<Int>]? {
        var found: [Range<Int>] = []
        var next = self.number(image, at: 1)
        while next != 0 {
            // In rising order, or the page is damaged.
            guard next + 4 <= image.count, next >= found.last?.upperBound ?? 0 else { return nil }
            let size = self.number(image, at: next + 2)
            guard size >= 4, next + size <= image.count else { return nil }
            found.append(next..<next + size)
            next = self.number(image, at: next)
        }
        return found
    }

    /// Of up to nine bytes, the highest first (fileformat2, 1.6).
    private static func varint(_ image: [UInt8], _ offset: inout Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<9 where offset < image.count {
            let byte = image[offset]
            offset += 1
            if index == 8 { return value << 8 | UInt64(byte) }
            value = value << 7 | UInt64(byte & 0x7f)
            if byte & 0x80 == 0 { break }
        }
        return value
    }
}
