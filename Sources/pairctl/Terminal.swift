import Glibc
import PairWire

/// Where data goes.
enum StandardOutput {
    static func write(_ text: String) { Descriptor.write(text, to: STDOUT_FILENO) }
}

/// Where everything that is not data goes.
enum StandardError {
    /// A line.
    static func write(_ line: String) { Descriptor.write(line + "\n", to: STDERR_FILENO) }

    /// What is happening; on a terminal a count of bytes takes the place of the one before.
    static func write(_ progress: ControlProgress) {
        guard let done = progress.doneBytes, let total = progress.totalBytes, total > 0 else {
            self.write(progress.text)
            return
        }
        let text = "\(progress.text): \(done * 100 / total) %"
        if isatty(STDERR_FILENO) == 1 {
            Descriptor.write("\r\u{1B}[K\(text)\(done >= total ? "\n" : "")", to: STDERR_FILENO)
        } else {
            self.write(text)
        }
    }
}

private enum Descriptor {
    static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else { return }
            rest = rest.dropFirst(max(0, count))
        }
    }
}

/// The person at the keyboard.
///
/// Through `/dev/tty`, so that it works where the standard streams lead elsewhere, and so that a
/// pipe is never taken for a person.
struct Terminal: ~Copyable {
    private let descriptor: Int32

    /// `nil` when there is none.
    init?() {
        let descriptor = open("/dev/tty", O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
    }

    deinit { close(self.descriptor) }

    /// Asks and reads a line that is not shown while it is typed; `nil` after Ctrl-C.
    ///
    /// Ctrl-C ends the line instead of the process, which would leave the terminal silent.
    func secret(_ question: String) -> String? {
        var former = termios()
        guard tcgetattr(self.descriptor, &former) == 0 else { return nil }
        var silent = former
        silent.c_lflag &= ~(tcflag_t(ECHO) | tcflag_t(ISIG))
        withUnsafeMutableBytes(of: &silent.c_cc) { $0[Int(VEOL2)] = InputLine.interrupt }
        tcsetattr(self.descriptor, TCSAFLUSH, &silent)
        defer {
            tcsetattr(self.descriptor, TCSAFLUSH, &former)
            Descriptor.write("\n", to: self.descriptor)
        }
        guard let line = self.ask(question), !line.utf8.contains(InputLine.interrupt) else {
            return nil
        }
        return line
    }

    /// Asks and reads a line.
    func ask(_ question: String) -> String? {
        Descriptor.write(question, to: self.descriptor)
        return InputLine.read(from: self.descriptor)
    }
}

/// One line of input.
enum InputLine {
    /// What Ctrl-C types.
    static let interrupt: UInt8 = 3

    /// Without its end, at most 4 KiB; `nil` when there is none.
    static func read(from descriptor: Int32) -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while bytes.count < 4096 {
            let count = Glibc.read(descriptor, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1, byte != UInt8(ascii: "\n") else { break }
            bytes.append(byte)
            if byte == Self.interrupt { break }
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }
}

/// Ctrl-C while an operation is going on.
enum Interruption {
    /// From now on Ctrl-C says that the operation goes on without us.
    static func explain() {
        signal(SIGINT) { _ in
            let text: StaticString =
                "\npairctl: stopped waiting; the operation goes on; type: pairctl status\n"
            _ = Glibc.write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
            _exit(75)
        }
    }
}
