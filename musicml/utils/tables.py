"""pandas data frames for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from musicml.utils.errors import InputError, make_readable

if TYPE_CHECKING:
    import pandas


def make_data_frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> pandas.DataFrame:
    """Make a data frame from rows.

    Parameters
    ----------
    rows : each a mapping from column to value
    columns : the columns in order; None for those of the rows

    Raises
    ------
    InputError
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise InputError(
            'Tables need pandas, which is not installed. Run `pip install "musicml[dashboard]"`.'
        ) from error
    # pandas rejects text with bytes that are not UTF-8, which file names may contain
    readable = [
        {key: make_readable(value) if isinstance(value, str) else value for key, value in row.items()} for row in rows
    ]
    return pandas.DataFrame(readable, columns=None if columns is None else list(columns))
