"""From RayLLM's files, and from those of ray.serve.llm, to LLMModels. Text in, text out; no I/O."""
