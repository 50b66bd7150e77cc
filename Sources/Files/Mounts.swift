/// A file system where it is mounted (proc_pid_mountinfo(5)).
package struct Mount: Sendable {
    package var point: String
    /// Its type, such as `ext4` or `nfs4`.
    package var kind: String

    /// Whether other machines, or programs, have its files: whoever looks there may wait for ever.
    package var isRemote: Bool {
        let kinds = ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "autofs", "afs"]
        return kinds.contains(kind) || kind.hasPrefix("fuse")
    }

    /// Whether this kernel makes all its changes, and so tells of them (inotify(7)).
    package var tellsOfChanges: Bool {
        ["ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "f2fs", "zfs", "bcachefs", "overlay"].contains(kind)
    }

    /// All that this process sees, in the order in which they were mounted.
    package static func all() -> [Mount] {
        let lines = (try? fileContent("/proc/self/mountinfo")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return lines.split(separator: "\n").compactMap { line -> Mount? in
            let words = line.split(separator: " ")
            guard let dash = words.firstIndex(of: "-"), words.count > dash + 1, words.count > 4 else { return nil }
            // A blank is written in octal.
            return Mount(point: String(words[4]).replacing("\\040", with: " "), kind: String(words[dash + 1]))
        }
    }

    /// The one that a path lies in.
    ///
    /// `mounts`: All there are.
    package static func holding(_ path: String, among mounts: [Mount]) -> Mount? {
        guard let real = realPath(path) else { return nil }
        let holding = mounts.filter { $0.point == "/" || real == $0.point || real.hasPrefix("\($0.point)/") }
        // Of two in one place the later one hides the other.
        return holding.reversed().max { $0.point.utf8.count < $1.point.utf8.count }
    }
}
