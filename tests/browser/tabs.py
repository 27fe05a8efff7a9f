"""Drive a tab of a real browser that shows the dashboard."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from dashboard import i18n

ROOT = Path(__file__).parent.parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LACKING = (
    "The browser tests need Chromium, and none was found. Install it with apt install chromium, or "
    ".venv/bin/playwright install chromium."
)
# a fake microphone that beeps once a second, without a permission dialog
WORDS = ("--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
WIDE, NARROW, HIGH = 1280, 400, 900
PROBED = re.compile(r"/\w+/_stcore/(health|host-config)")
TALLEST = 8_000  # pixels of a screenshot
DONE = """() => {
  const app = document.querySelector("[data-testid=stApp]");
  return app && app.dataset.testScriptState === "notRunning" && app.dataset.testConnectionState === "CONNECTED"
    && document.querySelector("[data-testid=stMain] h1")
    && !document.querySelector("[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]");
}"""
HEIGHT = "document.querySelector('[data-testid=stMain]').scrollHeight"


def chromium_of(playwright: Any) -> str | None:
    """Return the path of Chromium: the machine's, or the one that Playwright has downloaded."""
    own = playwright.chromium.executable_path
    return next(filter(None, map(shutil.which, NAMES)), own if Path(own).exists() else None)


class Tab:
    """A tab of the browser.

    Attributes
    ----------
    page : Playwright's page
    complaints : errors on the browser's console
    outside : requests to other machines
    """

    def __init__(self, context: Any, server: Any):
        self.page, self.server, self.complaints, self.outside = context.new_page(), server, [], []
        self.page.set_default_timeout(20_000)
        self.page.on("console", self.heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self.asked)
        self.page.on("websocket", self.asked)

    def heard(self, message: Any) -> None:
        """Record an error on the console, unless Streamlit only probes for the server's root."""
        url = message.location.get("url", "")
        if message.type == "error" and self.is_here(url) and not PROBED.fullmatch(url.removeprefix(self.server.url)):
            self.complaints.append(f"{message.text} ({url})")

    def asked(self, asked: Any) -> None:
        """Record a request or websocket to another machine."""
        if not self.is_here(asked.url):
            self.outside.append(f"another machine was asked: {asked.url}")

    def is_here(self, url: str) -> bool:
        """Return whether an address is the dashboard's, or empty."""
        return not url or url.startswith((self.server.url, self.server.url.replace("http", "ws"), "data:", "blob:"))

    def open(self, page: str = "overview", **query: str) -> Tab:
        """Load a page by its address."""
        self.page.goto(f"{self.server.url}/{'' if page == 'overview' else page}?{urlencode(query)}")
        return self.settled()

    def read(self) -> Tab:
        """Load the first page and wait until it is readable."""
        self.page.goto(self.server.url)
        self.page.wait_for_function(DONE)
        self.page.wait_for_selector("[data-testid=stDataFrame] canvas, [data-testid=stPlotlyChart] .main-svg")
        return self

    def go(self, page: str) -> Tab:
        """Go to a page by the navigation."""
        end = "/" if page == "overview" else f"/{page}"
        links = self.page.locator("[data-testid=stSidebarNavLink]")
        for link in links.all():
            if link.get_attribute("href").split("?")[0].endswith(end):
                link.click()
                break
        title = i18n.Words(self.language, page)("title")
        self.page.locator("[data-testid=stMain] h1").filter(has_text=title).wait_for()
        return self.settled()

    def settled(self) -> Tab:
        """Wait until the page is complete and drawn."""
        self.page.wait_for_function(DONE)
        self.page.wait_for_timeout(250)  # a script run may follow at once
        self.page.wait_for_function(DONE)
        return self

    def resized(self, width: int) -> Tab:
        """Set the width, and make the window as high as the page."""
        self.page.set_viewport_size({"width": width, "height": HIGH})
        self.page.wait_for_timeout(200)
        height = min(max(HIGH, self.page.evaluate(HEIGHT)), TALLEST)
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.wait_for_timeout(200)
        return self

    @contextlib.contextmanager
    def wide(self) -> Iterator[None]:
        """Restore the wide window afterwards, which the navigation needs."""
        try:
            yield
        finally:
            self.page.set_viewport_size({"width": WIDE, "height": HIGH})

    @property
    def language(self) -> str:
        """The language of the page."""
        chosen = self.page.locator("[data-testid=stSidebar] [role=radiogroup] [aria-checked=true]").first
        return {name: code for code, name in i18n.LANGUAGES.items()}[chosen.text_content().strip()]

    def said(self) -> str:
        """Return the visible text of the page."""
        return self.page.locator("[data-testid=stMain]").inner_text()

    def troubles(self) -> list[str]:
        """Return errors that are bugs of the dashboard."""
        found = self.page.locator("[data-testid=stException]").all_inner_texts()
        faults = [i18n.Words(language, "common")("fault") for language in i18n.LANGUAGES]
        return found + [fault for fault in faults if fault in self.said()] + self.complaints + self.outside


def main() -> None:
    """Exit with an error message if there is no Chromium, or none that starts."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        found = chromium_of(playwright)
        try:
            found and playwright.chromium.launch(executable_path=found, args=list(WORDS)).close()
        except Error as error:
            sys.exit(f"{found} does not start: {error}")
    sys.exit(None if found else LACKING)


if __name__ == "__main__":
    main()
