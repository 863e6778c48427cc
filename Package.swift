// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target of ours is held to.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// Targets whose inner loops run over every byte of the vault.
///
/// Debug builds optimise them too, because the end-to-end tests put them under the load of a real application.
let hot: [SwiftSetting] = strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]

/// Debug builds can make mistakes on purpose, to prove that the simulator finds them.
let planted: SwiftSetting = .define("PLANTED_BUGS", .when(configuration: .debug))

/// One thread and no closures that escape: debug builds watch that no two accesses overlap.
let simulator: [SwiftSetting] = [
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
]

let package = Package(
    name: "pair",
    products: [
        .executable(name: "paird", targets: ["paird"]),
        .executable(name: "pairctl", targets: ["pairctl"]),
        .executable(name: "pair-lab", targets: ["pair-lab"]),
        .executable(name: "pair-bench", targets: ["pair-bench"]),
        .executable(name: "pair-sim", targets: ["pair-sim"]),
    ],
    dependencies: [
        // Event loops and HTTP for the peer link, the control socket and the health listener.
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        // Command lines, help texts and completion of all programs.
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        // The log façade of the daemon.
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        // Start and stop in order, signals included.
        .package(
            url: "https://github.com/swift-server/swift-service-lifecycle",
            exact: "2.13.0"
        ),
        // YAML with the line and column of every node, for the configuration's errors.
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        // Latency percentiles of pair-bench.
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", exact: "0.2.0"),
    ],
    targets: [
        // C, found by pkg-config.
        .systemLibrary(
            name: "CSQLite",
            pkgConfig: "sqlite3",
            providers: [.apt(["libsqlite3-dev"])]
        ),
        .systemLibrary(
            name: "COpenSSL",
            pkgConfig: "openssl",
            providers: [.apt(["libssl-dev"])]
        ),
        // The wal-index: header double read, hash insertion, barriers, OFD lock constants.
        .target(name: "CWALIndex"),

        // Pure: the nouns and the decisions. Imports nothing.
        .target(name: "PairCore", swiftSettings: hot + [planted]),
        // Pure: SQLite's WAL and our segments, as bytes.
        .target(name: "PairWAL", dependencies: ["PairCore"], swiftSettings: hot),
        // Pure: what nodes and pairctl say to each other, as bytes.
        .target(name: "PairWire", dependencies: ["PairCore"], swiftSettings: hot),
        // Pure: two nodes, a network, two disks and a clock, in one thread.
        .target(
            name: "PairSim",
            dependencies: ["PairCore", "PairWire"],
            swiftSettings: hot + [planted] + simulator
        ),

        // Edge: files and SQLite; captures, keeps segments, seeds, applies, remembers.
        .target(
            name: "PairStore",
            dependencies: ["PairCore", "PairWAL", "CSQLite", "CWALIndex", "COpenSSL"],
            swiftSettings: hot
        ),
        // Edge: NIO and OpenSSL; the peer link, the control socket, the health listener.
        .target(
            name: "PairNet",
            dependencies: [
                "PairCore", "PairWire", "COpenSSL",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: hot
        ),
        // Edge: the machine; sd_notify, gate files, product name, reachability.
        .target(name: "PairHost", dependencies: ["PairCore"], swiftSettings: strict),

        // Joins them: one loop per node, the configuration, start and stop.
        .target(
            name: "PairDaemon",
            dependencies: [
                "PairCore", "PairWAL", "PairWire", "PairStore", "PairNet", "PairHost",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict
        ),
        // Starts, breaks and inspects real daemons on loopback; sees what an operator sees.
        .target(
            name: "PairLab",
            dependencies: ["PairCore", "PairWire"],
            swiftSettings: strict
        ),

        // Executables: parse, call, exit.
        .executableTarget(
            name: "paird",
            dependencies: [
                "PairDaemon", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "pairctl",
            dependencies: [
                "PairCore", "PairWire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict
        ),
        // Starts the other two, so that building it must build them: `swift run pair-lab demo`.
        .executableTarget(
            name: "pair-lab",
            dependencies: [
                "PairLab", "paird", "pairctl",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict
        ),
        // Runs seeds until one breaks a promise.
        .executableTarget(
            name: "pair-sim",
            dependencies: ["PairCore", "PairSim"],
            swiftSettings: hot + [planted]
        ),
        .executableTarget(
            name: "pair-bench",
            dependencies: [
                "PairCore", "PairLab", "CSQLite",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: strict
        ),

        // Threads for tests that block or compute for long; used by test targets only.
        .target(name: "TestThreads", path: "Tests/TestThreads", swiftSettings: strict),
        .testTarget(
            name: "PairCoreTests",
            dependencies: ["PairCore"],
            swiftSettings: strict + [planted]
        ),
        .testTarget(
            name: "PairWALTests",
            dependencies: ["PairCore", "PairWAL", "TestThreads"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PairWireTests",
            dependencies: ["PairCore", "PairWire", "TestThreads"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "SimulationTests",
            dependencies: ["PairCore", "PairSim", "TestThreads"],
            exclude: ["Transcripts"],
            swiftSettings: strict + [planted]
        ),
        .testTarget(
            name: "PairStoreTests",
            dependencies: [
                "PairCore", "PairWAL", "PairStore", "CSQLite", "TestThreads", "store-fixture",
            ],
            swiftSettings: strict
        ),
        // What the store's tests kill: a secondary that applies a log in a process of its own.
        .executableTarget(
            name: "store-fixture",
            dependencies: ["PairCore", "PairWAL", "PairStore"],
            path: "Tests/Fixtures/store-fixture",
            swiftSettings: strict
        ),
        .testTarget(
            name: "PairNetTests",
            dependencies: [
                "PairCore", "PairWire", "PairNet", "TestThreads",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PairHostTests",
            dependencies: ["PairCore", "PairHost"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PairDaemonTests",
            dependencies: [
                "PairCore", "PairWire", "PairNet", "PairDaemon", "TestThreads",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        // Real daemons, real faults; needs the executables beside the test bundle.
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "PairCore", "PairWire", "PairStore", "PairNet", "PairLab", "TestThreads", "paird",
                "pairctl", "pair-lab", "pair-bench",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        // The rules of this package that a program can check.
        .testTarget(name: "TidyTests", swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
