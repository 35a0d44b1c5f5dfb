"""How asks compose: the therapy session and the item converter, as DSPy modules."""
