"""Cache the files that pages read, for all sessions, until they change."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st

# Streamlit encodes keys as UTF-8, but a file's name may hold other bytes
HASH_FUNCTIONS = {str: lambda text: text.encode("utf-8", "surrogatepass")}

cache_data = functools.partial(st.cache_data, show_spinner=False, hash_funcs=HASH_FUNCTIONS)
cache_resource = functools.partial(st.cache_resource, show_spinner=False, hash_funcs=HASH_FUNCTIONS)

Read = TypeVar("Read", bound=Callable[..., Any])


def cache_by(make_key: Callable[[Any], tuple], cache: Any = cache_resource, **options: Any) -> Callable[[Read], Read]:
    """Cache a function by a key made from its first argument, and by its other arguments.

    Parameters
    ----------
    make_key : returns a tuple for the first argument, such as `stamp_file`; the argument itself is not hashed
    cache : `cache_resource`, which shares one object, or `cache_data`, which returns copies
    options : Streamlit's own, such as `max_entries` and `ttl`
    """

    def decorate(read: Read) -> Read:
        """Return `read` with a cache."""

        def read_again(key: tuple, _first: Any, *others: Any) -> Any:  # Streamlit does not hash `_first`
            """Read a value that is not in the cache."""
            return read(_first, *others)

        read_again.__module__, read_again.__qualname__ = (
            read.__module__,
            read.__qualname__,
        )  # Streamlit names caches by them
        cached = cache(**options)(read_again)

        @functools.wraps(read)
        def get(first: Any, *others: Any) -> Any:
            """Return the value from the cache, or read it."""
            return cached(make_key(first), first, *others)

        get.clear = cached.clear  # type: ignore[attr-defined]
        return get  # type: ignore[return-value]

    return decorate


def get_stamp(path: Path, *names: str) -> tuple[float, ...]:
    """Return when files of a folder last changed; 0 for a missing one."""
    times = []
    for name in names:
        try:
            times.append((path / name).stat().st_mtime)
        except OSError:
            times.append(0.0)
    return tuple(times)


def stamp_file(path: Path) -> tuple:
    """Return a cache key of a file, which changes when the file does."""
    return str(path), path.stat().st_mtime


def stamp_runs(*names: str) -> Callable[[Any], tuple]:
    """Return a function that makes a cache key of one or several runs, which changes when these files do."""

    def make_key(chosen: Any) -> tuple:
        """Return the paths of the runs and when their files last changed."""
        folders = [view.run.path for view in (chosen if isinstance(chosen, list | tuple) else [chosen])]
        return tuple((str(folder), *get_stamp(folder, *names)) for folder in folders)

    return make_key
