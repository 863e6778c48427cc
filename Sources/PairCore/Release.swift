/// What this build calls itself, in `--version`, the status, the metrics and to the peer.
package enum Release {
    package static let version = "0.1.0"
}
