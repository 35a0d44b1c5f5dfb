"""The five stages of a run, one file each."""
