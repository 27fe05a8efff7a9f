"""Where each data set comes from: who keeps it, which version, under what licence, and whom to cite."""

from __future__ import annotations

from dataclasses import dataclass

from musicml.utils import Message

KAGGLE, ZENODO = "Kaggle", "Zenodo"


@dataclass(frozen=True)
class Source:
    """One data set's source.

    Attributes
    ----------
    name : the data set
    host : `Kaggle` or `Zenodo`
    ref : what the host knows it by: owner/slug, or the number of a record
    archive : the file's name there
    version : the version that is asked for; None where its number is not known here, which means the newest
    page : where a person reads about it
    licence : of its makers; None where they name none here, and then its host may
    citation : whom to name
    n_examples : files with a label in the whole set, at least; a copy that holds fewer is said to be short
    md5 : of the archive, where the host publishes it
    """

    name: str
    host: str
    ref: str
    archive: str
    version: str | None
    page: str
    licence: str | None
    citation: str
    n_examples: int
    md5: str | None = None

    @property
    def suffix(self) -> str:
        """The archive's ending: `.zip` or `.tgz`."""
        return self.archive[self.archive.rindex(".") :]

    def url(self, version: str | None) -> str:
        """The page of a version, where its host has one for each."""
        return f"{self.page}/versions/{version}" if self.host == KAGGLE and version else self.page


def on_kaggle(name: str, ref: str, version: str | None, licence: str | None, citation: str, n_examples: int) -> Source:
    """A data set that Kaggle keeps, which hands it out as one zip."""
    page = f"https://www.kaggle.com/datasets/{ref}"
    return Source(name, KAGGLE, ref, f"{ref.split('/')[1]}.zip", version, page, licence, citation, n_examples)


SOURCES = {
    origin.name: origin
    for origin in (
        on_kaggle(
            "gtzan",
            "andradaolteanu/gtzan-dataset-music-genre-classification",
            "1",
            None,
            Message(
                'G. Tzanetakis and P. Cook, "Musical genre classification of audio signals", '
                '"IEEE Transactions on Speech and Audio Processing" 10(5), 2002'
            ),
            1000,
        ),
        on_kaggle(
            "instrument_images",
            "gpiosenka/musical-instruments-image-classification",
            None,
            None,
            Message('G. Piosenka, "Musical Instruments Image Classification", at Kaggle'),
            5093,
        ),
        on_kaggle(
            "instrument_sounds",
            "soumendraprasad/musical-instruments-sound-dataset",
            "3",
            None,
            Message('S. Prasad, "Musical Instrument\'s Sound Dataset", at Kaggle'),
            2000,
        ),
        Source(
            "openmic",
            ZENODO,
            "1432913",
            "openmic-2018-v1.0.0.tgz",
            "1.0.0",
            "https://zenodo.org/records/1432913",
            "CC BY 4.0",
            Message(
                'E. J. Humphrey, S. Durand and B. McFee, "OpenMIC-2018: an open dataset for multiple instrument '
                'recognition", ISMIR 2018'
            ),
            20_000,
            "e4ccf187e2bb5ab2e115416e8aafe7f4",
        ),
    )
}
