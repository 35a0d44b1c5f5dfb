"""Ollama, spoken natively: its chat for generation, its own client for everything else."""
