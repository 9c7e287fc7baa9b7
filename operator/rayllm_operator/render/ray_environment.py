"""What every Ray pod is told about Serve: the settings of the data path that are no part of an application.

They are the same on both data paths, so that a model which begins to sleep needs no new cluster.
Source: ``ray/serve/_private/constants.py`` of Ray 2.60.
"""

RAY_ENVIRONMENT = {
    # HAProxy on the pod's port, which talks to the replicas' own HTTP servers.
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    # The replica's code runs on the event loop of its HTTP server, and deployments talk by gRPC.
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    # It would also keep back a thousand log records: of a start, all of them.
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1",
    # A replica that is removed would keep its GPUs for 30 s, until load balancers outside of the cluster have
    # forgotten it. Our HAProxies are told at once, and where one is refused it tries another replica.
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "5",
    # In seconds: a replica that comes or goes replaces HAProxy's process, and the former one ends after that
    # long with all the answers that it still streams. Ray gives a replica's port to no other for as long.
    "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "3600",
    # Ray runs its workers at nice 15, behind every other process of the pod.
    "RAY_worker_niceness": "0",
}
"""Environment variables of head and workers. A variable of the model, a pool or the configuration wins."""
