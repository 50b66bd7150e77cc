internal import Glibc

/// A small file system of its own, mounted in memory until the value is gone.
///
/// It needs the right to mount.
package final class SmallDisk: Sendable {
    package let path: String

    /// `size`: As mount(8) takes it, such as `1m`.
    package init(at path: String, size: String) async throws {
        self.path = path
        try await shell(["mkdir", "-p", path])
        try await shell(["mount", "-t", "tmpfs", "-o", "size=\(size)", "tmpfs", path])
    }

    /// Leaves no room.
    package func fill() async throws {
        _ = try await execute(["dd", "if=/dev/zero", "of=\(path)/filler", "bs=1k"])
    }

    package func makeRoom() async throws { try await shell(["rm", "-f", "\(path)/filler"]) }

    deinit { umount2(path, Int32(MNT_DETACH)) }
}
