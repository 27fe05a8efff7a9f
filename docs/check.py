"""Check the built site: every internal link leads somewhere, nothing comes from the network, every text is translated.

`make docs` runs it: `python docs/check.py build/docs docs/locales`.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from babel.messages.pofile import read_po

TRANSLATED = ("index", "tutorials", "howto", "teaching")  # catalogs that must be complete
LOADED = {"link": "href", "script": "src", "img": "src", "source": "src", "iframe": "src"}  # loaded with the page
REMOTE = re.compile(r"""(?:@import|url\()\s*["']?(?:https?:)?//""")


class Page(HTMLParser):
    """The links, anchors and loaded resources of an HTML page."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.resources: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        """Collect what a tag refers to."""
        values = dict(attrs)
        self.anchors.update(value for key, value in attrs if key in ("id", "name") and value)
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        is_shown = not (tag == "link" and values.get("rel") in ("canonical", "search", "author"))
        if tag in LOADED and is_shown and values.get(LOADED[tag]):
            self.resources.append(values[LOADED[tag]])


def check_pages(site: Path) -> list[str]:
    """List broken internal links and remote resources of the pages in `site`."""
    paths = sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)
    pages = {path.resolve(): Page(path) for path in paths}
    problems = []
    for path, page in pages.items():
        for link in [*page.links, *page.resources]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.resources and parts.scheme != "data":
                    problems.append(f"{path}: loads {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                problems.append(f"{path}: {link} does not exist")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                problems.append(f"{path}: {link} has no such anchor")
    for path in site.rglob("*.css"):
        if REMOTE.search(path.read_text("utf-8")):
            problems.append(f"{path}: loads from the network")
    return problems if pages else [f"{site}: no pages"]


def check_translations(templates: Path, locales: Path) -> list[str]:
    """List texts of the English pages that lack an Indonesian one, and translations of texts that no longer exist."""
    problems = []
    for name in TRANSLATED:
        path = locales / f"id/LC_MESSAGES/{name}.po"
        with (templates / f"{name}.pot").open("rb") as english, path.open("rb") as indonesian:
            wanted, catalog = read_po(english), read_po(indonesian)
        for message in wanted:
            found = catalog.get(message.id)
            if message.id and (found is None or not found.string or found.fuzzy):
                problems.append(f"{path}: no translation of {message.id!r}")
        known = {message.id for message in wanted}
        problems += [f"{path}: unused translation of {message.id!r}" for message in catalog if message.id not in known]
    return problems


def main() -> int:
    """Print the problems of the site; return 1 if there are any."""
    site, locales = map(Path, sys.argv[1:])
    problems = check_pages(site) + check_translations(site / "gettext", locales)
    print(*problems, sep="\n", end="\n" if problems else "")
    if any("translation" in problem for problem in problems):
        print("`make docs-messages` brings the catalogs up to date. Then fill what is empty or fuzzy.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
