"""Find experiment files by their names, in a checkout and in an installed package."""

from __future__ import annotations

from pathlib import Path

from musicml.utils import InputError, suggest_names

PUBLISHED = "as_published"  # the folder of the published protocols, inside the folder of the experiments
HERE = Path("experiments")
PACKAGE = Path(__file__).parents[1]


def find_experiment(name: str | Path, folder: str = "") -> Path:
    """Find an experiment file: a path, a name in ./experiments, or a name among the experiments of musicml.

    Parameters
    ----------
    name : a path, or a file's name with or without `.toml`
    folder : search only this folder of the experiments; in `PUBLISHED`, the name of a published result is enough

    Raises
    ------
    InputError
        If there is no such file.
    """
    given = Path(name)
    if given.is_file():
        return given
    wanted = [home / place for home in _list_homes() for place in _list_places(str(name).removesuffix(".toml"), folder)]
    for path in wanted:
        if path.is_file():
            return path
    raise _make_refusal(given, wanted[0], folder)


def find_experiment_folder(folder: str = "") -> Path:
    """Find the folder of all experiments, or `folder` in it: in the current folder, else the one of musicml."""
    folders = [home / folder for home in _list_homes()]
    return next((path for path in folders if any(path.glob("*.toml"))), folders[0])


def find_checkout() -> Path | None:
    """Find the checkout that this code runs from; None where the package is installed."""
    return PACKAGE.parent if (PACKAGE.parent / "experiments" / PUBLISHED).is_dir() else None


def _list_homes() -> list[Path]:
    """List the folders that can hold experiments, the nearest first."""
    return [HERE, (find_checkout() or PACKAGE) / "experiments"]


def _list_places(name: str, folder: str) -> list[str]:
    """List where a folder of experiments can have the one of this name, the likeliest first."""
    if not folder:
        return [f"{name}.toml", f"{PUBLISHED}/{name}.toml"]
    plain = Path(name).name
    return [f"{folder}/{plain}.toml", f"{folder}/{plain}_published.toml"]


def _make_refusal(given: Path, wanted: Path, folder: str) -> InputError:
    """Make the error for a missing file, with the names in the folder of a path, else those of all experiments."""
    is_path = given.parent != Path() and any(given.parent.glob("*.toml"))
    folders = [home / one for home in _list_homes() for one in (folder, folder or PUBLISHED)]
    known = {path.stem for place in ([given.parent] if is_path else folders) for path in place.glob("*.toml")}
    return InputError(
        "{path} must be an experiment file and is not there: {hint}",
        path=given if given.suffix == ".toml" else wanted,
        hint=suggest_names(given.stem, known),
    )
