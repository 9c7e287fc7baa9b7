"""What rayllm-operator adds to a Ray Serve LLM replica: generation defaults and a warm-up."""
