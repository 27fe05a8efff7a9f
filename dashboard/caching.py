"""Cache what the pages read, for all sessions, until a file behind it changes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st

# a file's name need not be UTF-8, which Streamlit takes for granted
KEYS = {str: lambda text: text.encode("utf-8", "surrogatepass")}

cache_data = functools.partial(st.cache_data, show_spinner=False, hash_funcs=KEYS)
cache_resource = functools.partial(st.cache_resource, show_spinner=False, hash_funcs=KEYS)

Read = TypeVar("Read", bound=Callable[..., Any])


def cache_by(make_key: Callable[[Any], tuple], cache: Any = cache_resource, **options: Any) -> Callable[[Read], Read]:
    """Cache a function by a key that is made of its first argument, and by its other arguments.

    Parameters
    ----------
    make_key : makes a tuple of the first argument, such as `stamp_file`; the argument itself is not hashed
    cache : `cache_resource`, which hands out one object to all, or `cache_data`, which copies it
    options : Streamlit's, as `max_entries` and `ttl`
    """

    def decorate(read: Read) -> Read:
        def read_again(key: tuple, _first: Any, *others: Any) -> Any:
            return read(_first, *others)

        read_again.__module__, read_again.__qualname__ = read.__module__, read.__qualname__  # tell caches apart
        cached = cache(**options)(read_again)

        @functools.wraps(read)
        def get(first: Any, *others: Any) -> Any:
            return cached(make_key(first), first, *others)

        get.clear = cached.clear  # type: ignore[attr-defined]
        return get  # type: ignore[return-value]

    return decorate


def get_stamp(path: Path, *names: str) -> tuple[float, ...]:
    """Return when files of a folder last changed; 0 for a missing one."""
    found = []
    for name in names:
        try:
            found.append((path / name).stat().st_mtime)
        except OSError:
            found.append(0.0)
    return tuple(found)


def stamp_file(path: Path) -> tuple:
    """Return a key of a file, which changes with it."""
    return str(path), path.stat().st_mtime


def stamp_runs(*names: str) -> Callable[[Any], tuple]:
    """Return a function that makes the key of a run, or of several runs; it changes with these files of theirs."""

    def make_key(chosen: Any) -> tuple:
        folders = [one.run.path for one in (chosen if isinstance(chosen, list | tuple) else [chosen])]
        return tuple((str(folder), *get_stamp(folder, *names)) for folder in folders)

    return make_key
