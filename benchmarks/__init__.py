"""What the project measures of itself, next to its peers and in the same run."""
