"""Tests of the engine image itself: they build it, which needs root and 25 GB of disk (`make test-image`)."""
