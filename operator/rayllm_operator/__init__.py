"""rayllm-operator: one RayLLM registry file in, an OpenAI-compatible endpoint on Kubernetes out.

The layers, each of which may import only those below it (``pyproject.toml`` enforces this):

``cli``, ``controller``
    The command line, and the reconciling process.
``kube``, ``render``
    The only code that talks to the API server; and the pure step from a plan to manifests.
``plan``
    Pure decisions over a model, the pools, the configuration and what was observed.
``api``
    The kinds that users write, their validation, and the generators of CRDs and admission policy.
"""

__version__ = "0.1.0"
