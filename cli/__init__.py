"""The `emoreason` command."""
