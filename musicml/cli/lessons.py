"""`musicml lessons`: copy the eight lessons into a folder, and open them in JupyterLab.

The lessons are notebooks with exercises that check answers. They need no network and no account. Notebooks that are
already in the folder are kept, with the answers in them. Press Ctrl-C to stop JupyterLab. Options that are not listed
here are passed to it. Write their values with `=`, as in `--ip=0.0.0.0`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from musicml.cli import launch, options, output
from musicml.utils import InputError


def add_command(commands: Any) -> None:
    """Add `musicml lessons` to the command line."""
    example = "musicml lessons my_lessons --language id"
    parser = options.add_documented_parser(commands, open_lessons, __doc__, example)
    text = "the folder to copy to, in which each language has a folder (default: my_lessons)"
    parser.add_argument("folder", nargs="?", type=Path, default=Path("my_lessons"), metavar="DIR", help=text)
    parser.add_argument("--language", choices=["en", "id"], default="en", help="English or Indonesian (default: en)")
    parser.add_argument("--copy-only", action="store_true", help="only copy the notebooks")
    parser.add_argument("--no-browser", action="store_true", help="print JupyterLab's address and open no browser")
    parser.add_argument("--port", type=int, help="JupyterLab's port (default: 8888, or the next that is free)")
    parser.set_defaults(takes_other_words=True)  # for JupyterLab's own options


def open_lessons(args: argparse.Namespace) -> int:
    """Copy the notebooks, then run JupyterLab on their folder until the user stops it. Return its exit code."""
    from musicml.course import copy_lessons

    folder = args.folder / args.language
    notebooks = copy_lessons(folder, args.language)
    if args.json:
        output.print_json({"folder": str(folder), "notebooks": [notebook.name for notebook in notebooks]})
    else:
        print(f"{len(notebooks)} notebooks in {folder}")
    if args.copy_only or args.json:
        return 0
    if importlib.util.find_spec("jupyterlab") is None:
        raise InputError(
            "Opening the lessons needs JupyterLab, which is not installed. Install it with `pip install "
            '"musicml[lessons]"`, or open {folder} with another program for notebooks.',
            folder=folder,
        )
    # the folder is the root of the browser's file list, and the kernel's working folder
    root = f"--ServerApp.root_dir={folder.absolute()}"
    own = [*["--no-browser"] * args.no_browser, *([f"--port={args.port}"] if args.port else [])]
    command = [sys.executable, "-m", "jupyterlab", root, *own, *args.other_words]
    # without TensorFlow's own log, which a notebook shows in red when it is imported
    return launch.replace_process(command, {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ})
