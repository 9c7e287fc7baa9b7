"""How quickly replicas come and go: our profile beside RayLLM's and Ray Serve's defaults, in one Ray."""
