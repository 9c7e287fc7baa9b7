"""The echo engine."""
