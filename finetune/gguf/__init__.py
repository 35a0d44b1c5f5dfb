"""One GGUF file out of a plain transformers folder: what Ollama and llama.cpp load."""

from finetune.gguf.writer import KINDS, write_gguf

__all__ = ["KINDS", "write_gguf"]
