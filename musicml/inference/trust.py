"""Trust: whether a run is the user's own, told by a signature with the user's secret.

A fingerprint tells that the parts of a run belong together, whoever made them. The signature tells that this user made
the run or trusts it: an HMAC-SHA256 of what decides which model is loaded and how it is asked. A run without one is
asked in a process of its own (`musicml.inference.isolated_process`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import shlex
import sys

from musicml.experiment import FOLDS_FOLDER, Run, make_secret, read_secret
from musicml.inference.manifest import read_manifest
from musicml.utils import InputError, Message, parse_json, read_small_file, write_json

logger = logging.getLogger(__name__)

FILE = "signature.json"
HAS_MEMORY_LIMIT = sys.platform == "linux"
MAX_BYTES = 10_000
MEANING = Message(
    "run {run_name} is trusted from now on: its model is opened in musicml's own process, without a limit on memory or "
    "time. A model holds no code, but a damaged one can still end the program. Trust runs of people you know."
)

_made: set[bytes] = set()  # what this process signed, or would have where the user's folder can't be written to


def sign_run(run: Run) -> bool:
    """Sign a run that this process made; return whether a signature was written.

    Where the user's folder can't be written to, the log says so, and the run is trusted by this process alone.
    """
    message = _describe(run)
    _made.add(message)
    try:
        _write(run, message)
    except InputError as error:
        logger.warning("the run is not signed, so later it is asked in a process of its own: %s", error)
        return False
    return True


def trust_run(run: Run) -> str:
    """Sign a run that someone else made, with the runs of its folds; return what that means.

    Raises
    ------
    InputError
        If the run can't be asked, or the user's folder can't be written to.
    """
    from musicml.inference import backends

    for one in (run, *(Run(path) for path in sorted((run.path / FOLDS_FOLDER).glob("[0-9]*")))):
        serving = read_manifest(one)
        for engine in ("auto", "keras"):
            backends.find_model(one.path, serving, engine)
        _write(one, _describe(one))
    return MEANING.format(run_name=run.name)


def is_own(run: Run) -> bool:
    """Return whether the user's secret signed the run as it is now."""
    try:
        message = _describe(run)
    except InputError:
        return False
    if message in _made:
        return True
    secret = read_secret()
    try:
        table = parse_json(read_small_file(run.path / FILE, MAX_BYTES))
    except (OSError, ValueError):
        return False
    found = table.get("hmac") if isinstance(table, dict) else None
    if secret is None or not isinstance(found, str):
        return False
    # of bytes, since it takes only ASCII as text; JSON may hold halves of characters, which have no bytes
    return hmac.compare_digest(found.encode(errors="replace"), _sign(secret, message))


def describe_isolation(run: Run) -> str:
    """Say that a run is asked in a process of its own, and how to trust it."""
    limits = Message("whose memory and time are limited")
    if not HAS_MEMORY_LIMIT:
        limits = Message("whose memory this system can't limit, so only the sizes in its files were checked")
    place = shlex.quote(str(run.path))
    return Message(
        "run {name} has no signature of yours, since someone else or an older musicml made it, so "
        "its model is opened in a process of its own, {limits}: if you know who made it, `musicml "
        "runs --trust {place}` makes it quicker",
        name=run.name,
        limits=limits,
        place=place,
    )


def check_is_own(run: Run, purpose: str) -> None:
    """Refuse what needs the model in this process, of a run that is not the user's own."""
    if not is_own(run):
        raise InputError(
            "Expected a run that you made or trust for {purpose}, and {run_name} is neither. If you know who made it, "
            "run `musicml runs --trust {path}`.",
            purpose=purpose,
            run_name=run.name,
            path=shlex.quote(str(run.path)),
        )


def _describe(run: Run) -> bytes:
    """Return what is signed: the digests that everything that is loaded is checked against."""
    serving = run.read("serving.json")
    fingerprint = serving.get("fingerprint") if isinstance(serving, dict) else None
    return json.dumps(["run", 1, fingerprint, run.info.exported]).encode()


def _sign(secret: bytes, message: bytes) -> bytes:
    return hmac.new(secret, message, hashlib.sha256).hexdigest().encode()


def _write(run: Run, message: bytes) -> None:
    write_json(run.path / FILE, {"hmac": _sign(make_secret(), message).decode()})
