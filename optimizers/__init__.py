"""Prompt compilation: the quality metric and DSPy's optimizers.  Still empty; the programs it will compile are ready."""
