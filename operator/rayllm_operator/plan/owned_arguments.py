"""Engine arguments that are not the user's to set: other keys, Ray or this operator decide them."""

_WORKERS = "scaling_config says how many workers a replica has and what each takes; leave it out"
_ONE_ENGINE = "a replica is one engine, and deployment_config.autoscaling_config says how many replicas run"
_SERVE = "Ray Serve answers HTTP, not vLLM, so it would have no effect; leave it out"
_NO_KEYS = "Ray Serve answers HTTP, not vLLM, so no key would be asked for; protect the Service instead"

OWNED_ARGUMENTS = {
    "model": "use engine_config.hf_model_id",
    "served_model_name": "use engine_config.model_id",
    "disable_log_stats": "the engine's metrics need the statistics; leave it out",
    "worker_use_ray": "Ray always runs the workers; leave it out",
    "engine_use_ray": "Ray always runs the engine; leave it out",
    "distributed_executor_backend": "Ray always runs the workers; leave it out",
    "hf_token": "it would be readable in the cluster; name the Secret in cluster_config.huggingFaceToken",
    **dict.fromkeys(("device_ids", "nnodes", "node_rank", "master_addr", "master_port"), _WORKERS),
    **dict.fromkeys(
        (
            "data_parallel_size",
            "data_parallel_rank",
            "data_parallel_start_rank",
            "data_parallel_size_local",
            "data_parallel_address",
            "data_parallel_rpc_port",
            "data_parallel_backend",
            "data_parallel_hybrid_lb",
            "data_parallel_external_lb",
            "data_parallel_multi_port_external_lb",
            "data_parallel_supervisor_port",
            "dp_supervisor_probe_interval_s",
            "dp_supervisor_probe_timeout_s",
            "dp_supervisor_probe_failure_threshold",
        ),
        _ONE_ENGINE,
    ),
    "prefill_context_parallel_size": _WORKERS,
    "api_key": _NO_KEYS,
    **dict.fromkeys(
        (
            "host",
            "port",
            "uds",
            "uvicorn_log_level",
            "disable_uvicorn_access_log",
            "disable_access_log_for_endpoints",
            "allow_credentials",
            "allowed_origins",
            "allowed_methods",
            "allowed_headers",
            "ssl_keyfile",
            "ssl_certfile",
            "ssl_ca_certs",
            "enable_ssl_refresh",
            "ssl_cert_reqs",
            "ssl_ciphers",
            "root_path",
            "middleware",
            "enable_request_id_headers",
            "disable_fastapi_docs",
            "enable_offline_docs",
            "h11_max_incomplete_event_size",
            "h11_max_header_count",
        ),
        _SERVE,
    ),
}
"""What to do instead of setting each.

``max_model_len`` and ``tensor_parallel_size`` are not here: they may repeat what ``max_total_tokens`` and
``num_workers`` say.
"""
