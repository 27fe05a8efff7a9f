"""Sign runs with the user's secret, so that runs by other people are recognized.

A fingerprint proves that the files of a run belong together, but not who made them. The signature proves that this user
made or trusts the run. It is an HMAC-SHA256 of the digests of all files that predictions depend on. The model of a run
without it is opened in an isolated process (`musicml.inference.isolated_process`).
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
    "Run {run_name} is now trusted. Its model is opened in musicml's own process, without limits on memory or time. "
    "A model contains no code, but a damaged one can still end the program. Trust only runs of people you know."
)

_made: set[bytes] = set()  # messages signed by this process, even if the signature could not be written


def sign_run(run: Run) -> bool:
    """Sign a run that this process made; return whether a signature was written.

    If the user's folder is not writable, only this process trusts the run, and a warning is logged.
    """
    message = _describe(run)
    _made.add(message)
    try:
        _write(run, message)
    except InputError as error:
        logger.warning("the run could not be signed, so its model will be opened in an isolated process: %s", error)
        return False
    return True


def trust_run(run: Run) -> str:
    """Sign a run by someone else and the runs of its folds; return an explanation of the consequences.

    Raises
    ------
    InputError
        If the run can't predict, or the user's folder is not writable.
    """
    from musicml.inference import backends

    for part in (run, *(Run(path) for path in sorted((run.path / FOLDS_FOLDER).glob("[0-9]*")))):
        serving = read_manifest(part)
        for engine in ("auto", "keras"):
            backends.find_model(part.path, serving, engine)  # checks the digests that are signed
        _write(part, _describe(part))
    return MEANING.format(run_name=run.name)


def is_own(run: Run) -> bool:
    """Return whether the run, in its present state, is signed with the user's secret."""
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
    signature = table.get("hmac") if isinstance(table, dict) else None
    if secret is None or not isinstance(signature, str):
        return False
    # compared in constant time, as bytes, since text must be ASCII; JSON may contain lone surrogates without bytes
    return hmac.compare_digest(signature.encode(errors="replace"), _sign(secret, message))


def describe_isolation(run: Run) -> str:
    """Explain that the model of a run is opened in an isolated process, and how to trust the run."""
    limits = Message("with limited memory and time")
    if not HAS_MEMORY_LIMIT:
        limits = Message("whose memory can't be limited on this system, so only the sizes in its files were checked")
    place = shlex.quote(str(run.path))
    return Message(
        "Run {name} does not have your signature: someone else or an older musicml made it. Its model is opened in a "
        "process of its own, {limits}. If you know who made it, make it faster with `musicml runs --trust {place}`.",
        name=run.name,
        limits=limits,
        place=place,
    )


def check_is_own(run: Run, purpose: str) -> None:
    """Raise an InputError if a purpose needs a trusted run, and the run is not the user's own."""
    if not is_own(run):
        raise InputError(
            "Expected a run that you made or trust for {purpose}. {run_name} is neither. If you know who made it, "
            "run `musicml runs --trust {path}`.",
            purpose=purpose,
            run_name=run.name,
            path=shlex.quote(str(run.path)),
        )


def _describe(run: Run) -> bytes:
    """Return the message to sign, made of the digests against which all loaded files are checked."""
    serving = run.read("serving.json")
    fingerprint = serving.get("fingerprint") if isinstance(serving, dict) else None
    return json.dumps(["run", 1, fingerprint, run.info.exported]).encode()


def _sign(secret: bytes, message: bytes) -> bytes:
    return hmac.new(secret, message, hashlib.sha256).hexdigest().encode()


def _write(run: Run, message: bytes) -> None:
    write_json(run.path / FILE, {"hmac": _sign(make_secret(), message).decode()})
