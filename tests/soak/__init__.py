"""Hours of edits, deletions, restarts and faults over many models: nothing leaks, and nothing is left behind."""
