import ArgumentParser
import Dispatch
import Glibc
import PairLab

struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a vault, starts two daemons, pairs them and switches HA on."
    )

    @OptionGroup var lab: LabOption

    @Flag(help: "Start the daemons only; pair and enable-ha are yours.")
    var bare = false

    func run() async throws {
        let pair = try await LabPair.make(in: self.lab.chosen)
        if !self.bare { try await Ledger.make(in: pair, on: .one) }
        for node in LabNode.allCases { try await pair.start(node) }
        if !self.bare {
            try await pair.pair()
            try await pair.enableHA(on: .one)
            print(try await pair.operate(.one, ["status"]).output)
        }
        print("The lab is in \(pair.folder.path). Try:")
        for node in LabNode.allCases {
            print("  pairctl status --socket \(pair.folder.control(node))")
            print("  sqlite3 \(pair.folder.vault(node))")
        }
        print("  pair-lab kill 2; pair-lab heal; pair-lab down")
    }
}

struct ShowStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows the status as either node sees it, and the link."
    )

    @OptionGroup var lab: LabOption

    func run() async throws {
        let pair = try self.lab.find()
        for node in LabNode.allCases {
            let process = pair[node].pid.map { pid in
                "daemon \(pid)\(pair[node].isPaused ? ", paused" : "")"
            }
            print("== \(node.name): \(process ?? "killed") ==")
            let answer = try await pair.pairctl(node, ["status", "--timeout", "2s"])
            print(answer.output + answer.errors)
        }
        print("link: \(try pair.isCut() ? "cut" : "open")")
    }
}

struct Kill: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ends a node's daemon at once (kill -9); heal starts it again."
    )

    @Argument(help: "1 or 2.") var node: LabNode
    @OptionGroup var lab: LabOption

    func run() async throws { try await self.lab.find().kill(self.node) }
}

struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Holds a node's daemon where it is (SIGSTOP); heal lets it go on."
    )

    @Argument(help: "1 or 2.") var node: LabNode
    @OptionGroup var lab: LabOption

    func run() async throws { try self.lab.find().pause(self.node) }
}

struct Cut: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Cuts the link between the nodes; nothing gets through and nobody is told."
    )

    @OptionGroup var lab: LabOption

    func run() async throws { try self.lab.find().cut() }
}

struct Heal: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Undoes kill, pause and cut."
    )

    @OptionGroup var lab: LabOption

    func run() async throws {
        let pair = try self.lab.find()
        try pair.heal()
        for node in LabNode.allCases {
            if pair[node].isPaused { try pair.resume(node) }
            if pair[node].pid == nil { try await pair.start(node) }
        }
    }
}

struct Down: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ends everything of the lab and removes its folder."
    )

    @OptionGroup var lab: LabOption

    func run() async throws { await (try self.lab.find()).down() }
}

struct Link: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The network between the nodes; started by up.",
        shouldDisplay: false
    )

    @OptionGroup var lab: LabOption

    func run() async throws {
        let link = try LabLink(try self.lab.chosen.load().ways)
        link.run()
        try link.serve(at: self.lab.chosen.link)
    }
}

struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows in under two minutes what a pair does, and proves it."
    )

    func run() async throws {
        let folder = try LabFolder.scratch()
        let interruptions = [SIGINT, SIGTERM, SIGHUP].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler {
                LabPair.end(everythingIn: folder)
                Glibc.exit(128 + number)
            }
            source.resume()
            return source
        }
        defer { for source in interruptions { source.cancel() } }
        do {
            try await Demonstration.run(in: folder, say: Console.say)
        } catch {
            Console.say("\nThe demonstration failed: \(error)")
            throw ExitCode.failure
        }
    }
}
