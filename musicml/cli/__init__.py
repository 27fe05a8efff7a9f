"""The command line: one module per command, found by `musicml.cli.main`."""
