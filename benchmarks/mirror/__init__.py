"""Downloads of a model from an S3 store: ours beside Ray's own and the fastest general clients."""
