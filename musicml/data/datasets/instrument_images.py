"""Thirty musical instruments: 4,793 training, 150 validation and 150 test pictures, 224x224 RGB JPEG.

Kaggle `gpiosenka/musical-instruments-image-classification`; `{train,valid,test}/<class>/*.jpg`, in some versions
inside `30 Musical Instruments/`. Unusual spellings (`acordian`, `Tambourine`, `saxaphone`) are kept, so that results
can be compared with others. There are five test pictures per class: with 149 of 150 correct, the 95% confidence
interval is 96.3 to 99.9%. Some pictures occur twice in other sizes or crops, a few of them in two splits: `audit`
finds them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from musicml.data.datasets import folder
from musicml.data.datasets.base import Dataset, find_path, read_source
from musicml.utils import Message

UNCHANGED = Message("as published: the official split without changes, since there is nothing to repair")


def load(root: Path, as_published: bool = False) -> Dataset:
    """Load the pictures from `root`, with the archive's own splits; its lists contain nothing to repair."""
    pictures = find_path(root, "train", "30 Musical Instruments/train").parent
    dataset = folder.load(pictures)
    return replace(
        dataset,
        name="instrument_images",
        answers="instrument",
        source=read_source(root),
        notes=(*dataset.notes, UNCHANGED) if as_published else dataset.notes,
        as_published=as_published,
    )
