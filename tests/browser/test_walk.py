"""Test every page in both languages, light and dark, wide and narrow."""

import pytest

from dashboard import i18n
from musicml.data.published_results import ALL
from tests.browser.reading import AXE, audited
from tests.browser.tabs import NARROW, WIDE
from tests.fixtures import pages
from tests.fixtures.english import list_english

pytestmark = pytest.mark.browser

BESIDE = "document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth"
UNREADABLE = "document.body.append(Object.assign(new Image(), {src: 'data:,', id: 'unreadable'}))"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", pages.PAGES)
def test_everybody_can_read_every_page(walker, pictured, page, scheme):
    tab, found = walker.go(page), []
    with tab.wide():
        for width in (WIDE, NARROW):
            pictured(tab.resized(width), f"{page}-{scheme}-{width}")
            assert tab.page.evaluate(BESIDE) <= 0, f"something is wider than {width} pixels"
            if (scheme, width) != ("dark", NARROW):  # it shows nothing that the other three do not
                found.append(audited(tab.page))
        assert tab.troubles() == []
    assert not any(found), "\n".join(found)


def test_what_somebody_cannot_read_is_found(tab):
    if not AXE.exists():
        pytest.skip(f"axe-core must be there to audit the pages, and {AXE} is missing: make test-browser installs it")
    tab.open("setup").page.evaluate(UNREADABLE)
    assert "image-alt" in audited(tab.page)


def test_every_page_opens_in_indonesian_and_asks_no_other_machine(tab_of):
    tab, english = tab_of("id").open(), []
    for page in pages.PAGES:
        lead = i18n.Words("id", page)("lead").replace("`", "").replace("*", "")
        assert tab.go(page).troubles() == [], page
        assert lead[:40] in tab.said().replace("\n", " "), page
        english += [line for line in tab.said().splitlines() if list_english(line)]
    assert tab.outside == [] and [line for line in english if not any(one.source in line for one in ALL)] == []


def test_a_request_to_another_machine_is_noticed(tab):
    tab.open("setup").page.evaluate("fetch('https://elsewhere.example/').catch(() => null)")
    assert tab.troubles() == ["another machine was asked: https://elsewhere.example/"]
