"""Compiling the prompts of a recipe, and comparing compiled programs across models."""
