"""`python -m musicml.cli`, where the console script is not on the path."""

import sys

from musicml.cli import main

sys.exit(main())
