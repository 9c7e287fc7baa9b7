"""A stand-in for KubeRay 1.7 on one machine without a kubelet: real Kubernetes objects, a real local Ray.

It keeps the contract that an operator above KubeRay sees: names, ownership, the finalizer, the hash that
decides between an in-place change and a new cluster, Serve's configuration put to the real Ray dashboard,
the real application statuses mirrored back, conditions, Services and events. What a kubelet would do it
does as well: each Ray pod is one local ``ray start``.

Not covered: incremental upgrades, suspension, GCS fault tolerance, init containers and sidecars, persistent
volumes, and the autoscaler (a group keeps ``max(minReplicas, replicas)`` pods). Images are not looked at: every
pod runs the one engine environment. Facts about KubeRay are from its source at v1.7.0.
"""
