"""Run the command line as `python -m musicml.cli`, for when the `musicml` script is not on the path."""

from musicml.cli.main import run_and_exit

run_and_exit()
