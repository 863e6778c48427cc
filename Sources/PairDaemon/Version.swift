/// The version of these programs, as `--version`, status and metrics say it.
package enum Version {
    package static let current = "0.1.0"
}
