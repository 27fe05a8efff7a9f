"""Datasets: read, download, generate, split and audit them, and look up published results on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.data.file_digests import (
        CACHE_FOLDER,
        collect_digests,
        count_known_digests,
        digest_examples,
        load_digests,
    )
    from musicml.data.published_results import get_reference, list_references
    from musicml.data.reference import AS_PUBLISHED, COUNT_COLUMNS, HONEST, Reference
    from musicml.data.synthetic.generate import generate_sample_data
    from musicml.data.synthetic.instrument_images import PICTURE_COPIES

__getattr__, __dir__, __all__ = export_lazily(__name__)
