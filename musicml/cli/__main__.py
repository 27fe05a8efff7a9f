"""`python -m musicml.cli`, where the console script is not on the path."""

from musicml.cli.main import run_and_exit

run_and_exit()
