import os
import shutil
from pathlib import Path

import pytest

from musicml.data.datasets import loading
from tests.browser.tabs import HIGH, LACKING, ROOT, WIDE, WORDS, Tab, chromium_of
from tests.dashboard.test_predict import seeing_colours, with_listener
from tests.fixtures import fake_runs
from tests.fixtures.page_server import Server

SCREENSHOTS = Path(os.environ.get("MUSICML_SCREENSHOTS") or ROOT / "build/screenshots")
MADE = ("gru", "transfer", "multi", "vggish")
taken = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Add the text of the page and the server's log to the report of a failed test."""
    report = yield
    if report.when == "call" and report.failed and "server" in item.funcargs:
        report.sections.append(("the server's last words", item.funcargs["server"].told()[-3000:]))
        for tab in (item.funcargs[name] for name in ("tab", "walker") if name in item.funcargs):
            report.sections.append(("what the page said", tab.said()))
    return report


def pytest_terminal_summary(terminalreporter):
    if taken:
        terminalreporter.write_line(f"{len(taken)} screenshots are in {SCREENSHOTS}")


@pytest.fixture(scope="session")
def chromium():
    """Start one browser for all tests."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        found = chromium_of(playwright)
        if found is None:
            pytest.fail(LACKING)
        browser = playwright.chromium.launch(executable_path=found, args=list(WORDS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def real(asked_about_tones, pictures, data_root, tmp_path_factory):
    """Make a folder of runs: three that predict (a forest on tones, networks on pictures and sounds), and fake ones.

    The networks have a few nodes: training would take long, and the pages would show nothing more."""
    root = tmp_path_factory.mktemp("shown") / "runs"
    shutil.copytree(asked_about_tones.path, root / asked_about_tones.name)
    names = {"tones": asked_about_tones.name}
    names |= {"pictures": seeing_colours(root, pictures).name, "cnn": hearing_genres(root, data_root).name}
    for number, family in enumerate(MADE):
        name = f"made_{family}"
        names[name] = fake_runs.make(root, f"{name}-20260301T14120{number}-s0", family=family, n=60).name
    return root, names


def hearing_genres(root, data_root):
    """Make the newest run: on synthetic genres, with random predictions."""
    run = fake_runs.make(root, family="cnn", dataset=loading.load_dataset("gtzan", data_root))
    return with_listener(run, "Softmax", 0.01)


@pytest.fixture(scope="session")
def names(real):
    """Return the runs' names by purpose: `tones`, `pictures`, `cnn`, `made_gru`, …"""
    return real[1]


@pytest.fixture(scope="session")
def server(real, data_root):
    with Server(real[0], data_root) as started:
        yield started


@pytest.fixture(scope="session")
def tab_of(chromium, server):
    """Return a function that opens a tab with a browser language and a color scheme; equal ones share a cache."""
    contexts = {}

    def found(language="en", scheme=None):
        if (language, scheme) not in contexts:  # a context's second tab makes the first one slow
            contexts[language, scheme] = chromium.new_context(
                viewport={"width": WIDE, "height": HIGH},
                locale=language,
                color_scheme=scheme,
                permissions=["microphone"],
            )
        return Tab(contexts[language, scheme], server)

    return found


@pytest.fixture
def tab(tab_of):
    """Open a new tab for one test."""
    made = tab_of()
    yield made
    made.page.close()


@pytest.fixture(scope="session")
def walkers(tab_of):
    """Open one tab per color scheme that walks from page to page, because pages keep some colors of their first."""
    return {scheme: tab_of(scheme=scheme).open() for scheme in ("light", "dark")}


@pytest.fixture
def walker(walkers, scheme):
    """Return the tab of a test's scheme."""
    return walkers[scheme]


@pytest.fixture(scope="session")
def pictured():
    """Take a screenshot of a tab: tab, name → path."""

    def take(tab, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        tab.page.screenshot(path=path)
        taken.append(path)
        return path

    return take
