"""Find experiment files by name, in a checkout or in the installed package."""

from __future__ import annotations

from pathlib import Path

from musicml.utils import InputError, suggest_names

PUBLISHED = "as_published"  # the subfolder of experiments that replicate published protocols
LOCAL_FOLDER = Path("experiments")
PACKAGE = Path(__file__).parents[1]


def find_experiment(name: str | Path, folder: str = "") -> Path:
    """Find an experiment file: a path, or a name in ./experiments or among the experiments that come with musicml.

    Parameters
    ----------
    name : a path, or a file name with or without `.toml`
    folder : search only this subfolder; in `PUBLISHED`, the name of a published result is enough

    Raises
    ------
    InputError
        If there is no such file.
    """
    path = Path(name)
    if path.is_file():
        return path
    names = _list_file_names(str(name).removesuffix(".toml"), folder)
    candidates = [home / file for home in _list_experiment_folders() for file in names]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise _make_not_found_error(path, candidates[0], folder)


def find_experiment_folder(folder: str = "") -> Path:
    """Find the folder of experiments, or its subfolder `folder`: ./experiments, else the one of musicml."""
    folders = [home / folder for home in _list_experiment_folders()]
    return next((path for path in folders if any(path.glob("*.toml"))), folders[0])


def find_checkout() -> Path | None:
    """Find the checkout that this code runs from; None if the package is installed."""
    # an installed package has its experiments inside, not next to it
    return PACKAGE.parent if (PACKAGE.parent / "experiments" / PUBLISHED).is_dir() else None


def _list_experiment_folders() -> list[Path]:
    """List the folders that can contain experiments, the user's own first."""
    return [LOCAL_FOLDER, (find_checkout() or PACKAGE) / "experiments"]


def _list_file_names(name: str, folder: str) -> list[str]:
    """List the possible files of an experiment in a folder of experiments, the most likely first."""
    if not folder:
        return [f"{name}.toml", f"{PUBLISHED}/{name}.toml"]
    stem = Path(name).name
    return [f"{folder}/{stem}.toml", f"{folder}/{stem}_published.toml"]


def _make_not_found_error(path: Path, candidate: Path, folder: str) -> InputError:
    """Make the error for a missing file, which lists the files in the folder of a path, else all experiments."""
    is_path = path.parent != Path() and any(path.parent.glob("*.toml"))
    folders = [home / name for home in _list_experiment_folders() for name in (folder, folder or PUBLISHED)]
    known = {file.stem for place in ([path.parent] if is_path else folders) for file in place.glob("*.toml")}
    return InputError(
        "Experiment file {path} not found: {hint}",
        path=path if path.suffix == ".toml" else candidate,
        hint=suggest_names(path.stem, known),
    )
