internal import Crypto
package import Delivery
internal import Files
internal import Glibc

extension ControllerIdentity {
    /// Who this process is to other controllers: the same after a restart on this machine with this store, another one
    /// elsewhere; the instance differs with each process.
    ///
    /// Source: machine-id(5) for what tells machines apart.
    package static func found(store: String) -> ControllerIdentity {
        let machine = (try? fileContent("/etc/machine-id", limit: 4096)) ?? Array(hostName().utf8)
        let place = realPath(store) ?? store
        let digest = sha256(machine + Array(" \(place)".utf8)).prefix(8)
        let instance = String(UInt64.random(in: .min ... .max), radix: 16)
        return ControllerIdentity(id: "\(hostName())-\(digest)", instance: "\(getpid())-\(instance)")
    }
}

/// The name of this machine.
package func hostName() -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    gethostname(&buffer, buffer.count - 1)
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
