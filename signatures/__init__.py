"""What is asked of a model: one DSPy signature per ask; the docstring is the prompt."""
