"""Where prompts, probes and questions come from."""
