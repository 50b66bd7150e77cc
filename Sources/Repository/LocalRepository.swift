internal import Glibc

/// A repository on this machine that is given as a path: what it says is read where it lies, before it is copied.
///
/// git makes the same difference: a path is reached directly, a `file://` address through the transport.
enum LocalRepository {
    /// The folder in which git keeps what belongs to the repository at a path; nil when the address is no path, or when
    /// only git's transport can tell what is there.
    static func folder(at url: String) -> String? {
        guard url.hasPrefix("/") else { return nil }
        return ["\(url)/.git", url].first { folder in
            // References that are not files, or in `packed-refs`, may be remembered by the process that reads them.
            access("\(folder)/HEAD", R_OK) == 0 && access("\(folder)/reftable", F_OK) != 0
                && isFolder("\(folder)/objects") && isFolder("\(folder)/refs/heads")
        }
    }

    /// Whether a reference's name means just itself where git takes an expression, as git's own rules for names want it.
    static func isPlain(_ name: String) -> Bool {
        !name.utf8.contains { $0 <= 0x20 || $0 == 0x7F || "~^:?*[\\".utf8.contains($0) } && !name.contains("@{")
            && !name.contains("..")
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
