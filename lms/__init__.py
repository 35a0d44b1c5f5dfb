"""Models by declaration: a spec from a recipe becomes a `dspy.LM`."""
