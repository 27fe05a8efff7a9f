"""Download the real datasets, or install them from a local archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.data.download.download import check_request, download_dataset
    from musicml.data.download.musicnn import (
        MUSICNN_WEIGHTS,
        MissingWeightsError,
        download_musicnn,
        get_musicnn_path,
        load_musicnn,
    )
    from musicml.data.download.sources import SOURCES

__getattr__, __dir__, __all__ = export_lazily(__name__)
