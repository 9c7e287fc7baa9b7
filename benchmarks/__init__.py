"""Measurements against real peers, in one run each."""
