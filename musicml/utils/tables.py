"""Tables as pandas data frames, for notebooks."""

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
    rows : a mapping from column to value each
    columns : the columns in their order; None for those of the rows

    Raises
    ------
    InputError
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise InputError(
            'a table needs pandas, and it is not installed: `pip install "musicml[dashboard]"` brings it.'
        ) from error
    # pandas takes no text with bytes that are not UTF-8, which a file's name may hold
    plain = [
        {key: make_readable(value) if isinstance(value, str) else value for key, value in row.items()} for row in rows
    ]
    return pandas.DataFrame(plain, columns=None if columns is None else list(columns))
