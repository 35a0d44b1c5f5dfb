"""The way of a tuned student to the programs that serve it: chat template, stop tokens, parity, patched folders."""
