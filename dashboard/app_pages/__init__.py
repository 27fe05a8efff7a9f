"""The pages, one file or package each."""

from pathlib import Path

FOLDER = Path(__file__).parent


def find_page(name: str) -> str:
    """Return the script of page `name`, relative to the dashboard's folder: `name.py`, or `page.py` of a package."""
    is_package = (FOLDER / name / "page.py").is_file()  # longer pages are packages with several modules
    return f"app_pages/{name}/page.py" if is_package else f"app_pages/{name}.py"
