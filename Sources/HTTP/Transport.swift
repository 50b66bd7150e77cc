/// What carries requests to one server: a connection, or a model of the server in the same process.
package protocol Transport: Sendable {
    /// Sends one request and gives the whole answer.
    /// - Throws: `TransportError` when there is no answer.
    func send(_ request: Request) async throws -> Response

    /// Sends one request and delivers its answer piece by piece for as long as the server sends.
    func stream(_ request: Request) -> AsyncThrowingStream<[UInt8], any Error>
}
