"""Pages of the dashboard, opened without a browser."""

import functools
import gc
import os
from pathlib import Path

from streamlit import env_util
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dashboard import text

APP = Path(__file__).parent.parent / "dashboard/app.py"
PAGES = tuple(sorted(path.stem for path in (APP.parent / "app_pages").glob("[!_]*.py")))
SECONDS = 60  # a page that takes longer hangs

# each AppTest would read what every installed package says of itself, which takes longer than the page
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)
# each page would look for its callers through every module that is loaded, TensorFlow's thousands among them
env_util.is_repl = functools.cache(env_util.is_repl)


@functools.cache
def set_aside(_file):
    """Let what a file of tests finds in memory be, once.

    Streamlit and Keras both look for garbage after each run of a page. Where other tests have loaded TensorFlow and
    trained with it that takes several times as long as the page.
    """
    gc.collect()
    gc.freeze()


def opened(page="overview", language="en", **query):
    """A page as it is after its first run; `query` is what stands in its address behind the question mark."""
    set_aside(os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0])
    app = AppTest.from_file(str(APP), default_timeout=SECONDS)
    app.context = {"locale": language, "theme": "light"}
    app.query_params.update(query)
    app.run()
    if page != "overview":
        app.switch_page(f"app_pages/{page}.py").run()
    return sound(app, language)


def sound(app, language="en"):
    """The page, if nothing went wrong on it that is a fault of ours."""
    fault = text.Words(language, "common")("fault")
    assert not app.exception, app.exception[0].message
    assert all(error.value != fault for error in app.error), "a fault of ours: its trace is on standard error"
    return app


def said(app):
    """Everything that a page says in words, in one string."""
    kinds = (
        app.title,
        app.header,
        app.subheader,
        app.markdown,
        app.caption,
        app.error,
        app.warning,
        app.info,
        app.success,
    )
    return "\n".join(str(element.value) for kind in kinds for element in kind)
