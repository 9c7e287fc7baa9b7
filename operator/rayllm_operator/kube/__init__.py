"""The only place that talks to the API server: a small port of our own, and one adapter."""
