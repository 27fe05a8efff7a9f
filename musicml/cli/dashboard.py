"""`musicml dashboard`: explore the runs and ask them, in a browser."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from musicml.cli import options
from musicml.utils import InputError


def add_command(commands: Any) -> None:
    """Add `musicml dashboard` to the command line."""
    parser = options.add_parser(
        commands,
        "dashboard",
        lambda args: start_dashboard(args.data_root, args.runs, args.other_words, args.folder),
        "explore the runs and ask them, in a browser",
        (
            "Start the dashboard's pages with Streamlit, at http://localhost:8501; Ctrl-C ends them. Options that are "
            "not listed here are Streamlit's own and go on to it."
        ),
        "musicml dashboard --runs runs --server.port 8502",
        has_json=False,
    )
    parser.add_argument(
        "--folder",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="show files of this folder, too, where a run was made from it; may be given often",
    )
    parser.set_defaults(takes_other_words=True)


def start_dashboard(
    data_root: Path, runs_root: Path, streamlit_words: Sequence[str], folders: Sequence[Path] = ()
) -> int:
    """Run Streamlit on the dashboard until the user ends it; return its exit code.

    Of folders of data, the pages show files of `data_root` and `folders` only, and of those that the user trained on.
    Where the system can, Streamlit takes this process over, so that signals reach it and nothing waits for it.
    """
    words = _build_command(streamlit_words)
    from musicml.experiment import MORE_FOLDERS

    for folder in folders:
        if not folder.is_dir():
            raise InputError("--folder must name a folder, and {folder} is none: check the path.", folder=folder)
    environment = {**os.environ, "MUSICML_DATA": str(data_root), "MUSICML_RUNS": str(runs_root)}
    if folders:  # each in JSON, since a name may hold any sign
        environment[MORE_FOLDERS] = "\n".join(json.dumps(str(folder.absolute())) for folder in folders)
    if sys.platform != "win32":
        os.execve(words[0], words, environment)
    try:
        return subprocess.call(words, env=environment)
    except KeyboardInterrupt:  # it has reached Streamlit too
        return 130


def _build_command(streamlit_words: Sequence[str]) -> list[str]:
    """Return the command that starts Streamlit on the installed pages.

    Raises
    ------
    InputError
        If Streamlit or the pages are not installed.
    """
    pages = importlib.util.find_spec("dashboard")
    if importlib.util.find_spec("streamlit") is None or pages is None or pages.origin is None:
        raise InputError(
            'the dashboard needs Streamlit, and it is not installed: `pip install "musicml[dashboard]"` brings it.'
        )
    app = Path(pages.origin).with_name("app.py")
    # -P: a folder named dashboard or streamlit where the user stands is not taken for the installed one
    return [sys.executable, "-P", "-m", "streamlit", "run", str(app), *streamlit_words]
