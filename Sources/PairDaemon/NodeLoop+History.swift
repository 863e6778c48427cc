import PairCore
import PairHost
import PairWire

// What has happened, as far as this node remembers.
extension NodeLoop {
    func tellHistory(_ call: OperatorCall) {
        let record = self.record
        let changes = record.lineage.entries.map { entry in
            StatusReport.Change(entry, ownerName: self.nodeName(entry.owner))
        }
        call.finish(.done, "", HistoryList(changes: changes))
    }

    func tellEvents(_ call: OperatorCall, _ parameters: ControlCommand.Events) {
        call.finish(.done, "", EventList(events: self.shell.log.recent))
    }

    /// The configuration was read again: what the machine itself knows of it follows.
    func takeConfiguration() {
        // A machine that is made later reads it then.
        guard self.failover != nil else { return }
        self.tell(.configured(Failover.Configuration(self.shell.configuration)))
    }

    /// Evidence of not being the isolated one.
    func probeReach() {
        let shell = self.shell
        let addresses = shell.configuration.failover.reach.map { (host: $0.host, port: $0.port) }
        // Taken away since the machine asked: nobody is asked, so nothing is to be concluded.
        guard !addresses.isEmpty else { return shell.post(.reachProbed(answered: true)) }
        self.beside { shell.post(.reachProbed(answered: Reachability.anyAnswers(addresses))) }
    }
}
