"""`musicml dashboard`: explore the runs and ask them, in a browser.

Start the dashboard's pages with Streamlit, at http://localhost:8501; Ctrl-C ends them. Options that are not listed here
are Streamlit's own and go on to it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from musicml.cli import options
from musicml.utils import InputError


def add_command(commands: Any) -> None:
    """Add `musicml dashboard` to the command line."""
    example = "musicml dashboard --runs runs --server.port 8502"
    parser = options.add_documented_parser(commands, start_dashboard, __doc__, example, has_json=False)
    words = "show files of this folder, too, where a run was made from it; may be given often"
    parser.add_argument("--folder", type=Path, action="append", default=[], metavar="DIR", help=words)
    parser.set_defaults(takes_other_words=True)


def start_dashboard(args: argparse.Namespace) -> int:
    """Run Streamlit on the dashboard until the user ends it; return its exit code.

    Of folders of data, the pages show files of those that the command names only, and of those trained on.
    Where the system can, Streamlit takes this process over, so that signals reach it and nothing waits for it.
    """
    from musicml.experiment import FOLDERS_VARIABLE

    pages = importlib.util.find_spec("dashboard")
    if importlib.util.find_spec("streamlit") is None or pages is None or pages.origin is None:
        raise InputError(
            'the dashboard needs Streamlit, and it is not installed: `pip install "musicml[dashboard]"` brings it.'
        )
    app = Path(pages.origin).with_name("app.py")
    # -P: a folder named dashboard or streamlit where the user stands is not taken for the installed one
    words = [sys.executable, "-P", "-m", "streamlit", "run", str(app), *args.other_words]
    for folder in args.folder:
        if not folder.is_dir():
            raise InputError("--folder must name a folder, and {folder} is none: check the path.", folder=folder)
    environment = {**os.environ, "MUSICML_DATA": str(args.data_root), "MUSICML_RUNS": str(args.runs)}
    if args.folder:  # each in JSON, since a name may hold any sign
        environment[FOLDERS_VARIABLE] = "\n".join(json.dumps(str(folder.absolute())) for folder in args.folder)
    if sys.platform != "win32":
        os.execve(words[0], words, environment)
    try:
        return subprocess.call(words, env=environment)
    except KeyboardInterrupt:  # it has reached Streamlit too
        return 130
