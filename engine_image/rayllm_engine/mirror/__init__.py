"""Downloads a model from a bucket into the Hugging Face cache: right, or not at all."""
