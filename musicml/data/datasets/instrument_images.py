"""Thirty musical instruments: 4,793 training, 150 validation and 150 test pictures, 224x224 RGB JPEG.

Kaggle `gpiosenka/musical-instruments-image-classification`; `{train,valid,test}/<class>/*.jpg`, in some versions
inside `30 Musical Instruments/`. Thirty odd spellings (`acordian`, `Tambourine`, `saxaphone`) are kept: they are the
names people will compare with. Five test pictures a class: 149 of 150 right leaves a 95 % interval from 96.3 to 99.9 %.
Some pictures are there twice, in other sizes or crops, a few of them on two sides; a loader can't tell, an audit can.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from musicml.data.datasets import folder
from musicml.data.datasets.base import Dataset, find_path, read_source
from musicml.utils import Message

AS_IT_IS = Message("as published is the official split as it is: nothing in it is repaired")


def load(root: Path, as_published: bool = False) -> Dataset:
    """Load the pictures from `root`, with the archive's own three sides; there is nothing to repair in its lists."""
    pictures = find_path(root, "train", "30 Musical Instruments/train").parent
    dataset = folder.load(pictures)
    return replace(
        dataset,
        name="instrument_images",
        answers="instrument",
        source=read_source(root),
        notes=(*dataset.notes, AS_IT_IS) if as_published else dataset.notes,
        as_published=as_published,
    )
