"""BibTeX: whom to cite for musicml and for each data set."""

from __future__ import annotations

MUSICML = """@software{{musicml,
  author  = {{{{musicml contributors}}}},
  title   = {{musicml: train, judge and try out music classifiers}},
  version = {{{version}}},
  license = {{MIT}}
}}"""

ENTRIES = {
    "gtzan": (
        """@article{tzanetakis2002,
  author  = {Tzanetakis, George and Cook, Perry},
  title   = {Musical genre classification of audio signals},
  journal = {IEEE Transactions on Speech and Audio Processing},
  volume  = {10},
  number  = {5},
  pages   = {293--302},
  year    = {2002},
  doi     = {10.1109/TSA.2002.800560}
}""",
        """@misc{sturm2013,
  author        = {Sturm, Bob L.},
  title         = {The {GTZAN} dataset: Its contents, its faults, their effects on evaluation, and its future use},
  year          = {2013},
  eprint        = {1306.1461},
  archiveprefix = {arXiv}
}""",
        """@misc{gtzan_kaggle,
  title        = {{GTZAN} dataset: music genre classification},
  howpublished = {Kaggle},
  url          = {https://www.kaggle.com/datasets/andradaolteanu/gtzan-dataset-music-genre-classification}
}""",
    ),
    "openmic": (
        """@inproceedings{humphrey2018,
  author    = {Humphrey, Eric J. and Durand, Simon and McFee, Brian},
  title     = {{OpenMIC-2018}: An open dataset for multiple instrument recognition},
  booktitle = {Proceedings of the 19th International Society for Music Information Retrieval Conference},
  year      = {2018},
  note      = {Data: https://zenodo.org/records/1432913}
}""",
    ),
    "instrument_images": (
        """@misc{piosenka_instruments,
  author       = {Piosenka, G.},
  title        = {Musical Instruments Image Classification},
  howpublished = {Kaggle},
  url          = {https://www.kaggle.com/datasets/gpiosenka/musical-instruments-image-classification}
}""",
    ),
    "instrument_sounds": (
        """@misc{prasad_instruments,
  author       = {Prasad, S.},
  title        = {Musical Instrument's Sound Dataset},
  howpublished = {Kaggle},
  url          = {https://www.kaggle.com/datasets/soumendraprasad/musical-instruments-sound-dataset}
}""",
    ),
}


def of_musicml(version: str) -> str:
    """The entry of musicml itself."""
    return MUSICML.format(version=version)


def of(dataset: str) -> tuple[str, ...]:
    """The entries of a data set's papers and pages; none for somebody's own folder."""
    return ENTRIES.get(dataset, ())
