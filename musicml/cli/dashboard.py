"""`musicml dashboard`: explore runs and try their models in a browser.

Start the dashboard with Streamlit at http://localhost:8501. Press Ctrl-C to stop it. Options that are not listed here
are passed to Streamlit.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from musicml.cli import launch, options
from musicml.utils import InputError


def add_command(commands: Any) -> None:
    """Add `musicml dashboard` to the command line."""
    example = "musicml dashboard --runs runs --server.port 8502"
    parser = options.add_documented_parser(commands, start_dashboard, __doc__, example, has_json=False)
    text = "also show files of this folder, if a run was trained on it; can be given several times"
    parser.add_argument("--folder", type=Path, action="append", default=[], metavar="DIR", help=text)
    parser.set_defaults(takes_other_words=True)  # for Streamlit's own options


def start_dashboard(args: argparse.Namespace) -> int:
    """Run Streamlit on the dashboard until the user stops it. Return its exit code.

    The pages show data files only from folders that the user named, here or in an earlier training.
    """
    from musicml.experiment import FOLDERS_VARIABLE

    pages = importlib.util.find_spec("dashboard")
    if importlib.util.find_spec("streamlit") is None or pages is None or pages.origin is None:
        raise InputError(
            'The dashboard needs Streamlit, which is not installed. Install it with `pip install "musicml[dashboard]"`.'
        )
    app = Path(pages.origin).with_name("app.py")
    # -P keeps Python from importing a folder named dashboard or streamlit in the current folder
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(app), *args.other_words]
    for folder in args.folder:
        if not folder.is_dir():
            raise InputError("Expected --folder to name a folder, got {folder}. Check the path.", folder=folder)
    environment = {**os.environ, "MUSICML_DATA": str(args.data_root), "MUSICML_RUNS": str(args.runs)}
    if args.folder:  # JSON escapes line breaks, which a folder's name may contain
        environment[FOLDERS_VARIABLE] = "\n".join(json.dumps(str(folder.absolute())) for folder in args.folder)
    return launch.replace_process(command, environment)
