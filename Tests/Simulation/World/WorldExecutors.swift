@_spi(ExperimentalCustomExecutors) @_spi(ExperimentalScheduling) import _Concurrency

/// Puts the world in place of the runtime's thread pool.
struct WorldExecutors: ExecutorFactory {
    static var mainExecutor: any MainExecutor { PlatformExecutorFactory.mainExecutor }
    static var defaultExecutor: any TaskExecutor { World.shared }

    /// To be called before the first task of the process.
    static func install() { _createExecutors(factory: WorldExecutors.self) }
}
