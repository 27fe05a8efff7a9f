"""The command line: one command a verb. Results go to standard output, progress to standard error."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from musicml.cli.parser import parser
from musicml.utils import InputError, os_error_to_input_error, print_message


def run_and_exit() -> None:
    """The installed command `musicml`: run, and leave with the exit code; 1 after a fault of ours too, with its trace.

    Where a training is cut off in the middle of an epoch, a thread of TensorFlow's may still be making a batch. It is
    waited for while Python still runs: an interpreter that takes itself down shuts the thread out, and then waits for
    it for ever. Another Ctrl-C meanwhile ends the process at once.
    """
    try:
        code = main()
    except Exception:
        sys.excepthook(*sys.exc_info())
        code = 1
    if "tensorflow" in sys.modules:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        gc.collect()
    sys.exit(code)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 (some of it failed), 2 (bad input), 130 (stopped by Ctrl-C)."""
    if hasattr(sys.stdout, "reconfigure"):  # a file's name need not be valid in any encoding
        sys.stdout.reconfigure(errors="backslashreplace")
    asked = parser().parse_args(words)
    try:
        return asked.do(asked)
    except InputError as error:
        print_message(f"musicml: {error}")
    except KeyboardInterrupt as error:
        print_message(f"\nmusicml: {str(error) or 'stopped'}.")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: no second complaint at exit
        return 0
    except OSError as error:
        trouble = os_error_to_input_error(error, Path(error.filename or "."))
        if not isinstance(trouble, InputError):
            raise
        print_message(f"musicml: {trouble}")
    return 2
