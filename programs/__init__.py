"""How asks compose: therapy sessions, the item converter, and the verifier, as DSPy modules."""
