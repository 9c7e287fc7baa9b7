"""The data path benchmark."""
