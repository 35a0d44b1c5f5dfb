"""Prompt compilation: the quality metric and DSPy's optimizers.  Still empty; the programs to compile are ready."""
