/// Fields of the Compose Specification that Docker Swarm cannot do, each with what to do instead.
///
/// The lists follow what the Engine's service API lacks (API 1.41 to 1.50). `docker stack deploy` refuses the first
/// kind and passes over the second.
enum Unsupported {
    /// Without these the service would be a different one, so they are refused.
    static let refused: [(key: String, cure: String)] = [
        ("volume_driver", "name the driver at the volume, under the top-level 'volumes'"),
        ("volumes_from", "name the same volumes at both services"),
        ("cpu_quota", "use deploy.resources.limits.cpus"),
        ("cpu_shares", "use deploy.resources.reservations.cpus"),
        ("cpuset", "use placement constraints and deploy.resources.limits.cpus"),
        ("cpus", "use deploy.resources.limits.cpus"),
        ("mem_limit", "use deploy.resources.limits.memory"),
        ("mem_reservation", "use deploy.resources.reservations.memory"),
        ("memswap_limit", "use deploy.resources.limits.memory"),
        ("pids_limit", "use deploy.resources.limits.pids"),
        ("provider", "run the provider outside Swarm"),
    ]

    /// These have no effect and are reported, once each, where they stand.
    static let ignored: [(key: String, cure: String)] = [
        ("container_name", "Swarm names containers itself; remove it"),
        ("privileged", "use 'cap_add', or run it outside Swarm"),
        ("devices", "use a node-local service outside Swarm, or a bind mount of the device"),
        ("network_mode", "attach the service to an external network named 'host' instead"),
        ("links", "services of one network reach each other by name; remove it"),
        ("external_links", "attach both services to one external network"),
        ("cgroup", "remove it"), ("cgroup_parent", "remove it"), ("cgroupns_mode", "remove it"),
        ("domainname", "put the domain into 'hostname'"),
        ("ipc", "remove it"), ("mac_address", "remove it"), ("pid", "remove it"), ("uts", "remove it"),
        ("security_opt", "set the profile in the Engine's own configuration"),
        ("shm_size", "mount a tmpfs at /dev/shm with type, target and tmpfs.size"),
        ("tmpfs", "write it under 'volumes' with 'type: tmpfs'"),
        ("userns_mode", "remove it"),
        ("device_cgroup_rules", "remove it"), ("gpus", "use deploy.resources.reservations.generic_resources"),
        ("runtime", "set the default runtime of the Engine"), ("storage_opt", "remove it"),
        ("platform", "use placement constraints on node.platform"),
        ("pull_policy", "Swarm pulls what a node lacks; remove it"), ("attach", "remove it"),
        ("annotations", "use 'labels'"), ("blkio_config", "remove it"), ("label_file", "use 'labels'"),
        ("oom_kill_disable", "remove it"), ("develop", "remove it"), ("post_start", "use the image's entrypoint"),
        ("pre_stop", "handle 'stop_signal' in the image"), ("models", "remove it"), ("use_api_socket", "remove it"),
        ("mem_swappiness", "remove it"), ("cpu_count", "use deploy.resources.limits.cpus"),
        ("cpu_percent", "use deploy.resources.limits.cpus"), ("cpu_period", "use deploy.resources.limits.cpus"),
        ("cpu_rt_period", "remove it"), ("cpu_rt_runtime", "remove it"),
    ]
}
