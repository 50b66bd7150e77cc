internal import CSystemd
internal import Glibc
internal import Threads

/// A service manager as its clients see it: `systemd --user` or the system's own.
///
/// Source: org.freedesktop.systemd1(5), the D-Bus interface of systemd 247 and newer.
package actor Systemd: ServiceManager {
    /// Which manager.
    package enum Scope: String, Sendable { case user, system }

    /// What is told without being asked.
    package enum Signal: Sendable {
        /// A unit's properties changed.
        case changed(unit: String)
        /// A job ended: `done`, `failed`, `canceled`, `timeout`, `dependency`, `skipped`.
        case jobRemoved(unit: String, result: String)
        /// The connection is gone; the next call makes a new one.
        case disconnected
    }

    package nonisolated let scope: Scope
    private nonisolated let executor: ThreadExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    // SAFETY: only touched on the actor's own thread, which is the executor above.
    private nonisolated(unsafe) var bus: OpaquePointer?
    private var generation = 0
    /// How many signals were received.
    private var signalCount = 0
    private var listeners: [Int: AsyncStream<Signal>.Continuation] = [:]
    private var nextListener = 0
    /// Jobs asked for here and not over yet, by path.
    private var jobs: [String: Job] = [:]

    private struct Job {
        var waiters: [CheckedContinuation<String, Never>] = []
    }

    package init(_ scope: Scope) {
        self.scope = scope
        executor = ThreadExecutor(name: "systemd")
    }

    // MARK: Units

    /// How a unit is, as `systemctl list-units` shows it.
    package struct Unit: Sendable, Hashable {
        package var name: String
        /// `loaded`, `not-found`, `bad-setting`, `error`, `masked`.
        package var load: String
        /// `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`.
        package var active: String
        /// The state of its kind, such as `running`, `exited`, `dead`, `auto-restart`.
        package var sub: String
        /// Whether a job for it is waiting or running.
        package var hasJob: Bool

        package init(name: String, load: String, active: String, sub: String, hasJob: Bool) {
            self.name = name
            self.load = load
            self.active = active
            self.sub = sub
            self.hasJob = hasJob
        }
    }

    /// The units of these names, loaded for it where need be.
    package func units(named names: [String]) throws(SystemdError) -> [Unit] {
        let reply = try manager("ListUnitsByNames", timeout: .seconds(60)) { message throws(SystemdError) in
            try message.append(names)
        }
        var result: [Unit] = []
        result.reserveCapacity(names.count)
        _ = try reply.enter("a", "(ssssssouso)")
        while try reply.enter("r", "ssssssouso") {
            let name = try reply.string()
            _ = try reply.string()
            let load = try reply.string()
            let active = try reply.string()
            let sub = try reply.string()
            _ = try reply.string()
            _ = try reply.string("o")
            let job = try reply.unsigned()
            _ = try reply.string()
            _ = try reply.string("o")
            try reply.leave()
            result.append(Unit(name: name, load: load, active: active, sub: sub, hasJob: job != 0))
        }
        return result
    }

    /// The simple properties of a unit and of the part that its kind has.
    package func properties(of unit: String) throws(SystemdError) -> [String: String] {
        let path = try manager("LoadUnit") { message throws(SystemdError) in try message.append(unit) }.string("o")
        var result: [String: String] = [:]
        let kind = unit.split(separator: ".").last.map(String.init) ?? ""
        for interface in ["Unit", kind.prefix(1).uppercased() + kind.dropFirst()] {
            let reply = try call(path, "org.freedesktop.DBus.Properties", "GetAll") { message throws(SystemdError) in
                try message.append("org.freedesktop.systemd1.\(interface)")
            }
            result.merge(try reply.properties()) { _, new in new }
        }
        return result
    }

    /// The version of systemd, such as `257`.
    package func managerVersion() throws(SystemdError) -> String {
        try managerProperty("Version").split(separator: " ").first.map(String.init) ?? ""
    }

    /// How far the machine, or the user's session, is: `starting`, `running`, `degraded` and others (systemctl(1),
    /// is-system-running).
    package func managerState() throws(SystemdError) -> String { try managerProperty("SystemState") }

    /// When a service manager read its units, in microseconds of `CLOCK_MONOTONIC`.
    package struct Readings: Sendable, Equatable {
        /// When it was started: it ran the generators then, and read every unit it needed.
        package var first: UInt64
        /// The time of day then, in microseconds since 1970; zero where it is not known.
        package var firstTime: UInt64
        /// When it did so last; nil where it does not say, as before systemd 250.
        package var last: UInt64?

        package init(first: UInt64, firstTime: UInt64, last: UInt64?) {
            self.first = first
            self.firstTime = firstTime
            self.last = last
        }
    }

    /// When it read its units (org.freedesktop.systemd1(5), `GeneratorsStartTimestamp` and
    /// `UnitsLoadTimestampMonotonic`, which is 0 before the first reload).
    package func readings() throws(SystemdError) -> Readings {
        let first = try managerTime("GeneratorsStartTimestampMonotonic")
        let time = try managerTime("GeneratorsStartTimestamp")
        let last: UInt64?
        do {
            last = try managerTime("UnitsLoadTimestampMonotonic")
        } catch {
            guard error.name == "org.freedesktop.DBus.Error.UnknownProperty" else { throw error }
            last = nil
        }
        return Readings(first: first, firstTime: time, last: last.map { max(first, $0) })
    }

    private func managerProperty(_ name: String) throws(SystemdError) -> String {
        let reply = try askForManagerProperty(name)
        _ = try reply.enter("v", "s")
        return try reply.string()
    }

    private func managerTime(_ name: String) throws(SystemdError) -> UInt64 {
        let reply = try askForManagerProperty(name)
        _ = try reply.enter("v", "t")
        return try reply.long()
    }

    private func askForManagerProperty(_ name: String) throws(SystemdError) -> Message {
        try call("/org/freedesktop/systemd1", "org.freedesktop.DBus.Properties", "Get") {
            message throws(SystemdError) in
            try message.append("org.freedesktop.systemd1.Manager")
            try message.append(name)
        }
    }

    // MARK: Jobs

    /// What is asked of a unit.
    package enum UnitMethod: String, Sendable {
        case start = "StartUnit"
        case stop = "StopUnit"
        case restart = "RestartUnit"
    }

    /// A job that was queued; its result is told by systemd's own signal.
    package struct JobID: Sendable, Hashable {
        package let path: String

        package init(path: String) { self.path = path }
    }

    /// Queues a job and gives it at once.
    /// - Throws: `SystemdError` when the unit does not exist or the job cannot be queued.
    package func enqueue(_ method: UnitMethod, _ unit: String) throws(SystemdError) -> JobID {
        let reply = try manager(method.rawValue) { message throws(SystemdError) in
            try message.append(unit)
            try message.append("replace")
        }
        let path = try reply.string("o")
        jobs[path] = jobs[path] ?? Job()
        drain()
        return JobID(path: path)
    }

    /// Waits for a job's end and gives its result.
    package func result(of job: JobID) async -> String {
        guard jobs[job.path] != nil else { return finished[job.path] ?? "unknown" }
        return await withCheckedContinuation { jobs[job.path]?.waiters.append($0) }
    }
    /// Results of jobs that ended before anybody waited for them.
    private var finished: [String: String] = [:]

    /// Reads every unit file again and runs the generators; returns when that is done.
    package func reload() throws(SystemdError) {
        _ = try manager("Reload", timeout: .seconds(600)) { _ throws(SystemdError) in }
        drain()
    }

    /// Forgets that a unit failed.
    package func resetFailed(_ unit: String) throws(SystemdError) {
        do {
            _ = try manager("ResetFailedUnit") { message throws(SystemdError) in try message.append(unit) }
        } catch let error where error.isNoSuchUnit {}
    }

    /// Makes units start at boot, or no longer.
    package func enable(_ files: [String], _ isEnabled: Bool) throws(SystemdError) {
        _ = try manager(isEnabled ? "EnableUnitFiles" : "DisableUnitFiles") { message throws(SystemdError) in
            try message.append(files)
            try message.append(false)
            if isEnabled { try message.append(true) }
        }
    }

    // MARK: Signals

    /// Its answer comes after every signal that it sent before (D-Bus specification, "Message Bus Overview": messages of one sender
    /// to one receiver stay in order).
    ///
    /// It is asked to send them, because it forgets who wants them when it comes back to a bus that was restarted.
    package func position() throws(SystemdError) -> String? {
        do {
            _ = try manager("Subscribe") { _ throws(SystemdError) in }
        } catch let error where error.name.hasSuffix(".AlreadySubscribed") {
            drain()
            return bus == nil ? nil : "\(generation).\(signalCount)"
        }
        // Nobody knows what it did not tell; whoever listens begins anew.
        disconnect()
        return nil
    }

    /// What systemd tells from now on.
    package func signals() throws(SystemdError) -> AsyncStream<Signal> {
        _ = try connected()
        let (stream, continuation) = AsyncStream.makeStream(of: Signal.self, bufferingPolicy: .bufferingNewest(65536))
        let number = nextListener
        nextListener += 1
        listeners[number] = continuation
        continuation.onTermination = { [weak self] _ in
            guard let self else { return }
            Task { await self.forget(number) }
        }
        return stream
    }

    private func forget(_ listener: Int) { listeners[listener] = nil }

    private func tell(_ signal: Signal) { for listener in listeners.values { listener.yield(signal) } }

    private func received(_ message: OpaquePointer) {
        sd_bus_message_ref(message)
        signalCount += 1
        let message = Message(message)
        guard let member = sd_bus_message_get_member(message.pointer).map({ String(cString: $0) }) else { return }
        if member == "JobRemoved" {
            guard (try? message.unsigned()) != nil, let path = try? message.string("o"),
                let unit = try? message.string(),
                let result = try? message.string()
            else { return }
            if let job = jobs.removeValue(forKey: path) {
                if finished.count > 4096 { finished = [:] }
                finished[path] = result
                for waiter in job.waiters { waiter.resume(returning: result) }
            }
            tell(.jobRemoved(unit: unit, result: result))
        } else if member == "PropertiesChanged", !listeners.isEmpty {
            guard let path = sd_bus_message_get_path(message.pointer).map({ String(cString: $0) }) else { return }
            tell(.changed(unit: Self.unescaped(path)))
        }
    }

    /// The unit an object path stands for (systemd's bus label escaping).
    static func unescaped(_ path: String) -> String {
        let label = path.split(separator: "/").last.map { Array($0.utf8) } ?? []
        var bytes: [UInt8] = []
        var index = 0
        while index < label.count {
            if label[index] == UInt8(ascii: "_"), index + 2 < label.count,
                let value = UInt8(String(decoding: label[(index + 1)...(index + 2)], as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                index += 3
            } else {
                bytes.append(label[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: The bus

    private func manager(
        _ member: String,
        timeout: Duration = .seconds(30),
        _ fill: (Message) throws(SystemdError) -> Void
    ) throws(SystemdError) -> Message {
        try call(
            "/org/freedesktop/systemd1",
            "org.freedesktop.systemd1.Manager",
            member,
            timeout: timeout,
            fill
        )
    }

    private func call(
        _ path: String,
        _ interface: String,
        _ member: String,
        timeout: Duration = .seconds(30),
        _ fill: (Message) throws(SystemdError) -> Void
    ) throws(SystemdError) -> Message {
        let bus = try connected()
        var made: OpaquePointer?
        try checked(
            sd_bus_message_new_method_call(bus, &made, "org.freedesktop.systemd1", path, interface, member),
            "the bus"
        )
        guard let made else { throw SystemdError(name: "", description: "the bus makes no message") }
        let message = Message(made)
        try fill(message)
        var error = sd_bus_error()
        defer { sd_bus_error_free(&error) }
        var reply: OpaquePointer?
        let microseconds = UInt64(timeout.components.seconds) * 1_000_000
        let result = sd_bus_call(bus, message.pointer, microseconds, &error, &reply)
        if result < 0 {
            let name = error.name.map { String(cString: $0) } ?? ""
            let text = error.message.map { String(cString: $0) } ?? errorText(-result)
            if sd_bus_is_open(bus) <= 0 { disconnect() }
            throw SystemdError(name: name, description: "systemd (\(scope.rawValue)): \(text)")
        }
        guard let reply else { throw SystemdError(name: "", description: "systemd gives no answer") }
        return Message(reply)
    }

    private func connected() throws(SystemdError) -> OpaquePointer {
        if let bus { return bus }
        var opened: OpaquePointer?
        let result = scope == .user ? sd_bus_open_user(&opened) : sd_bus_open_system(&opened)
        guard result >= 0, let opened else {
            let cure =
                scope == .user
                ? "; run it in a session of the user (XDG_RUNTIME_DIR and DBUS_SESSION_BUS_ADDRESS set), "
                    + "and let the user linger: loginctl enable-linger"
                : ""
            throw SystemdError(
                name: "",
                description: "the bus of systemd (\(scope.rawValue)) cannot be reached: \(errorText(-result))\(cure)"
            )
        }
        bus = opened
        generation += 1
        do {
            try listen(opened)
        } catch {
            // A connection on which nothing is told would be taken for a silent one.
            disconnect()
            throw error
        }
        return opened
    }

    private func listen(_ bus: OpaquePointer) throws(SystemdError) {
        let sender = "type='signal',sender='org.freedesktop.systemd1'"
        let rules = [
            "\(sender),interface='org.freedesktop.systemd1.Manager',member='JobRemoved'",
            "\(sender),interface='org.freedesktop.systemd1.Manager',member='JobNew'",
            "\(sender),interface='org.freedesktop.systemd1.Manager',member='Reloading'",
            "\(sender),interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
                + "path_namespace='/org/freedesktop/systemd1/unit'",
        ]
        let context = Unmanaged.passUnretained(self).toOpaque()
        for rule in rules {
            let result = sd_bus_add_match(bus, nil, rule, received(message:context:error:), context)
            try checked(result, "the bus takes no subscription")
        }
        _ = try manager("Subscribe") { _ throws(SystemdError) in }
        let descriptor = sd_bus_get_fd(bus)
        let number = generation
        let handled = Threads.Signal()
        startThread(named: "systemd") { [weak self] in
            var isOpen = true
            while isOpen {
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                _ = poll(&entry, 1, -1)
                let state = OpenState()
                Task { [weak self] in
                    state.isOpen = await self?.pump(number) ?? false
                    handled.post()
                }
                handled.wait()
                isOpen = state.isOpen
            }
        }
    }

    /// Handles what has arrived; false when the connection of that generation is no more.
    private func pump(_ number: Int) -> Bool {
        guard number == generation, bus != nil else { return false }
        drain()
        return bus != nil && number == generation
    }

    private func drain() {
        while let bus {
            let result = sd_bus_process(bus, nil)
            if result == 0 { return }
            if result < 0 { return disconnect() }
        }
    }

    private func disconnect() {
        guard let old = bus else { return }
        bus = nil
        generation += 1
        sd_bus_close_unref(old)
        for job in jobs.values { for waiter in job.waiters { waiter.resume(returning: "unknown") } }
        jobs = [:]
        tell(.disconnected)
    }

    /// Called by libsystemd on the actor's own thread, from within `sd_bus_process` or `sd_bus_call`.
    fileprivate nonisolated func take(_ message: OpaquePointer) {
        // SAFETY: the pointer is used before this call returns, on this thread.
        nonisolated(unsafe) let message = message
        assumeIsolated { $0.received(message) }
    }
}

/// What one turn of the waiting thread learns.
private final class OpenState: Sendable {
    // SAFETY: written before the semaphore is posted, read after it was waited for.
    nonisolated(unsafe) var isOpen = false
}

private func received(
    message: OpaquePointer?,
    context: UnsafeMutableRawPointer?,
    error: UnsafeMutablePointer<sd_bus_error>?
) -> Int32 {
    guard let message, let context else { return 0 }
    Unmanaged<Systemd>.fromOpaque(context).takeUnretainedValue().take(message)
    return 0
}

/// Tells the manager that started this program how it is; does nothing when none did.
///
/// Source: sd_notify(3), such as `READY=1`, `WATCHDOG=1`, `STATUS=…`.
package func notify(_ state: String) { sd_notify(0, state) }

/// How often the manager wants to hear from the program, or nil when it does not watch.
package func watchdogInterval() -> Duration? {
    var microseconds: UInt64 = 0
    guard sd_watchdog_enabled(0, &microseconds) > 0, microseconds > 0 else { return nil }
    return .microseconds(Int64(microseconds))
}

func errorText(_ number: Int32) -> String { String(cString: strerror(number)) }
