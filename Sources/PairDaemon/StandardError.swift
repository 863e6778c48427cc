import Glibc

/// The one place that writes to standard error.
package enum StandardError {
    /// Writes the text in one call, so that lines of several threads do not mix.
    package static func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.write(2, bytes, bytes.count)
    }
}
