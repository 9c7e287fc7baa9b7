"""Tests of the engine image's package, without Ray and without vLLM."""
