"""The commands, a module per heading of `emoreason --help`; what is heavy is imported inside a command."""
