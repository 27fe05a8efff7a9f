"""Sources of the datasets: host, version, license and citation."""

from __future__ import annotations

from dataclasses import dataclass

from musicml.utils import Message

KAGGLE, ZENODO = "Kaggle", "Zenodo"


@dataclass(frozen=True)
class Source:
    """The source of a dataset.

    Attributes
    ----------
    name : the dataset
    host : `Kaggle` or `Zenodo`
    ref : the host's identifier: owner/slug, or the number of a record
    archive : the file name at the host
    version : the version to download; None for the newest
    page : the web page for users
    licence : the license of its authors; None if they state none here, but the host may
    citation : the work to cite
    n_examples : minimum number of labeled files in the complete dataset; a smaller copy gets a warning
    md5 : of the archive, if the host publishes it
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
        """The file extension of the archive: `.zip` or `.tgz`."""
        return self.archive[self.archive.rindex(".") :]

    def get_url(self, version: str | None) -> str:
        """Return the web page of a version, if the host has one for each."""
        return f"{self.page}/versions/{version}" if self.host == KAGGLE and version else self.page


def _make_kaggle_source(
    name: str, ref: str, version: str | None, licence: str | None, citation: str, n_examples: int
) -> Source:
    """Make the source of a dataset on Kaggle, which serves it as one zip."""
    page = f"https://www.kaggle.com/datasets/{ref}"
    return Source(name, KAGGLE, ref, f"{ref.split('/')[1]}.zip", version, page, licence, citation, n_examples)


SOURCES = {
    origin.name: origin
    for origin in (
        _make_kaggle_source(
            "gtzan",
            "andradaolteanu/gtzan-dataset-music-genre-classification",
            "1",
            None,
            Message(
                'G. Tzanetakis and P. Cook, "Musical genre classification of audio signals", '
                '"IEEE Transactions on Speech and Audio Processing" 10(5), 2002'
            ),
            1000,  # one of them is unreadable
        ),
        _make_kaggle_source(
            "instrument_images",
            "gpiosenka/musical-instruments-image-classification",
            None,
            None,
            Message('G. Piosenka, "Musical Instruments Image Classification", at Kaggle'),
            5093,
        ),
        _make_kaggle_source(
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
