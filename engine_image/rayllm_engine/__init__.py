"""What rayllm-operator adds to a Ray Serve LLM replica: mirrors, generation defaults and a warm-up."""
