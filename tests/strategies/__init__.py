"""Hypothesis strategies that tests of several kinds share."""
