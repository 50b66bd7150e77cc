internal import Glibc
package import JSON
internal import Subprocess

/// A headless Chromium, driven over its DevTools protocol by a pair of pipes.
///
/// Source: Chrome DevTools Protocol, `--remote-debugging-pipe`: messages end with a zero byte; file 3 is read, 4 written.
package actor Browser {
    private let scratch: Scratch
    private let input: Int32
    private let output: Int32
    private var number = 0
    private var buffer: [UInt8] = []
    private var session = ""
    private var process: Task<Void, Never>?
    /// What went wrong in the pages: errors on the console, exceptions, resources that did not load.
    package private(set) var errors: [String] = []

    package init() throws {
        scratch = try Scratch()
        for name in ["in", "out"] where mkfifo("\(scratch.path)/\(name)", 0o600) != 0 { throw Unmet("no pipe") }
        // Opened for both directions, so that neither side waits for the other.
        input = Glibc.open("\(scratch.path)/in", O_RDWR | O_CLOEXEC)
        output = Glibc.open("\(scratch.path)/out", O_RDWR | O_CLOEXEC | O_NONBLOCK)
    }

    deinit {
        process?.cancel()
        close(input)
        close(output)
    }

    /// Starts the program and opens an empty page.
    package func start() async throws {
        let folder = scratch.path
        let words = [
            "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run",
            "--remote-debugging-pipe --user-data-dir=\(folder)/profile about:blank 3<\(folder)/in 4>\(folder)/out",
        ]
        process = Task {
            _ = try? await execute(
                ["sh", "-c", words.joined(separator: " ") + " 2>\(folder)/log"],
                environment: ["HOME": folder],
                timeout: .seconds(280)
            )
        }
        let target = try await send("Target.createTarget", ["url": "about:blank"])
        let attached = try await send(
            "Target.attachToTarget",
            ["targetId": target["targetId"] ?? .null, "flatten": true]
        )
        session = attached["sessionId"]?.string ?? ""
        for domain in ["Page", "Runtime", "Log", "Network"] { try await send("\(domain).enable") }
    }

    package func stop() { process?.cancel() }

    /// Opens an address and waits until it has loaded.
    package func open(_ address: String) async throws {
        _ = try await send("Page.navigate", ["url": .string(address)])
        try await until("document.readyState === 'complete' && location.href !== 'about:blank'")
    }

    /// The value of an expression in the page.
    package func value(_ expression: String) async throws -> JSON {
        let answer = try await send(
            "Runtime.evaluate",
            ["expression": .string(expression), "returnByValue": true, "awaitPromise": true]
        )
        if let exception = answer["exceptionDetails"] { throw Unmet("\(expression): \(exception.text())") }
        return answer["result"]?["value"] ?? .null
    }

    /// Waits until an expression is true in the page.
    package func until(_ expression: String, within limit: Duration = .seconds(30)) async throws {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            if (try? await value(expression).bool) == true { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        let body = try await value("document.body.innerText").string ?? ""
        throw Unmet("not within \(limit): \(expression)\n\(body.prefix(2000))")
    }

    /// The size of the window, and whether the colours are dark.
    package func look(width: Int, height: Int, isDark: Bool) async throws {
        try await send(
            "Emulation.setDeviceMetricsOverride",
            [
                "width": .int(Int64(width)), "height": .int(Int64(height)), "deviceScaleFactor": 1,
                "mobile": .bool(width < 600),
            ]
        )
        try await send(
            "Emulation.setEmulatedMedia",
            ["features": [["name": "prefers-color-scheme", "value": isDark ? "dark" : "light"]]]
        )
    }

    /// Presses a key, such as `Tab` or `Enter`.
    package func press(_ key: String) async throws {
        let code: JSON = key == "Tab" ? 9 : 13
        for kind in ["keyDown", "keyUp"] {
            var members: JSON.Members = [
                "type": .string(kind), "key": .string(key), "code": .string(key), "windowsVirtualKeyCode": code,
            ]
            if key == "Enter", kind == "keyDown" { members["text"] = "\r" }
            try await send("Input.dispatchKeyEvent", .object(members))
        }
    }

    /// Whether scripts run in pages that are opened from now on.
    package func allowScripts(_ allowed: Bool) async throws {
        try await send("Emulation.setScriptExecutionDisabled", ["value": .bool(!allowed)])
    }

    /// Keeps a picture of the page below `.build/screenshots`.
    package func picture(_ name: String) async throws {
        let answer = try await send("Page.captureScreenshot", ["format": "png"])
        let folder = "\(checkout)/.build/screenshots"
        try writeFile(answer["data"]?.string ?? "", to: "\(folder)/\(name).base64")
        try await shell([
            "sh", "-c", "base64 -d \(folder)/\(name).base64 >\(folder)/\(name).png && rm \(folder)/\(name).base64",
        ])
    }

    @discardableResult
    private func send(_ method: String, _ parameters: JSON = .object([:])) async throws -> JSON {
        number += 1
        let own = number
        var message: JSON.Members = ["id": .int(Int64(own)), "method": .string(method), "params": parameters]
        if !session.isEmpty { message["sessionId"] = .string(session) }
        var bytes = JSON.object(message).encoded() + [0]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(input, $0.baseAddress, min($0.count, 32_768)) }
            guard count > 0 else { throw Unmet("the browser does not listen") }
            bytes.removeFirst(count)
        }
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            for message in receive() {
                guard message["id"]?.int == Int64(own) else {
                    note(message)
                    continue
                }
                if let error = message["error"] { throw Unmet("\(method): \(error.text())") }
                return message["result"] ?? .null
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw Unmet("the browser does not answer to \(method): \(fileText("\(scratch.path)/log") ?? "")")
    }

    private func receive() -> [JSON] {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(output, &chunk, chunk.count)
            guard count > 0 else { break }
            buffer += chunk[..<count]
        }
        var parts = buffer.split(separator: 0, omittingEmptySubsequences: false)
        buffer = Array(parts.removeLast())
        return parts.compactMap { try? JSON(parsing: Array($0)) }
    }

    private func note(_ message: JSON) {
        let parameters = message["params"]
        switch message["method"]?.string {
        case "Runtime.exceptionThrown": errors.append(parameters?.text() ?? "")
        case "Runtime.consoleAPICalled" where parameters?["type"]?.string == "error":
            errors.append(parameters?.text() ?? "")
        case "Log.entryAdded" where parameters?["entry"]?["level"]?.string == "error":
            errors.append(parameters?["entry"]?.text() ?? "")
        default: break
        }
    }
}
