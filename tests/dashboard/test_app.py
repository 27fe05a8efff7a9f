"""Test that every page opens in both languages with any runs, and shows only translated words."""

import ast
import configparser
import importlib
import re
import shutil
import string

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import i18n, layout
from dashboard import runs as dashboard_runs
from dashboard.app_pages import find_page
from musicml.utils import escape_csv_formula
from tests.fixtures import fake_runs, pages
from tests.fixtures.english import list_english

LANGUAGES = tuple(i18n.LANGUAGES)
HOME = pages.APP.parent
RESULTS = ("curves", "run", "confusion", "classes", "compare")  # pages that show one run or several
# what stands on a page by its first argument
SHOWS = {
    *("title", "header", "subheader", "markdown", "write", "caption", "text", "code", "info", "error", "warning"),
    *("success", "button", "download_button", "selectbox", "multiselect", "segmented_control", "radio", "slider"),
    *("toggle", "checkbox", "number_input", "text_input", "file_uploader", "audio_input", "metric", "expander", "tabs"),
    *("spinner", "toast", "progress", "pills", "popover", "link_button", "page_link", "select_slider"),
}
# names of the package, and positions in Plotly
TERMS = {"class activation map", "feature importance", "the recording", "middle right"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Make folders of runs in every state that a page may find."""
    made = {name: tmp_path_factory.mktemp("runs") / name for name in ("none", "one", "families", "training", "broken")}
    made["none"].mkdir()
    fake_runs.make(made["one"], family="cnn", n=40)
    for family in fake_runs.FAMILIES:
        fake_runs.make(made["families"], family=family, n=40, seed=3)
    fake_runs.make(made["training"], family="gru", status="training")
    fake_runs.make(made["broken"], family="gru", n=40)
    for number, damage in enumerate(fake_runs.DAMAGES):
        fake_runs.make(made["broken"], family="cnn", n=40, seed=number, status="broken", damage=damage)
    return made


@pytest.fixture
def looking_at(folders, monkeypatch, tmp_path):
    """Point the dashboard at the runs of one of `folders`, without data."""

    def chosen(name, data=None):
        monkeypatch.setenv("MUSICML_RUNS", str(folders[name]))
        monkeypatch.setenv("MUSICML_DATA", str(data or tmp_path / "data"))
        return sorted(path.name for path in folders[name].iterdir())

    return chosen


@pytest.mark.parametrize(
    ("state", "language"), [("none", "id"), ("one", "en"), ("families", "id"), ("training", "en"), ("broken", "en")]
)
def test_every_page_opens_whatever_runs_there_are(state, language, looking_at):
    looking_at(state)
    for page, app in pages.walk(language):
        assert app.title[0].value == i18n.read_words(language, page)["title"]


@pytest.mark.parametrize(("state", "language"), [("families", "id"), ("broken", "en")])
def test_every_page_opens_with_every_run(state, language, looking_at):
    names, seen = looking_at(state), set()
    for page in ("run", "confusion", "classes"):
        app = pages.opened(page, language)
        for name in (view.name for view in dashboard_runs.list_runs() if page == "run" or layout.is_complete(view)):
            pages.sound(app.selectbox(key="run").set_value(name).run(), language)
            seen.add(name)
    assert seen == set(names)


def test_no_message_has_lost_its_template_on_the_way_to_a_page(looking_at, monkeypatch):
    """Check that no message was joined or formatted before it was translated: it would be shown in English."""
    looking_at("families")
    plain, real = set(), layout.translate

    def watch(text, language):
        plain.update({text} if type(text) is str and list_english(text) else ())
        return real(text, language)

    monkeypatch.setattr(layout, "translate", watch)
    monkeypatch.setattr(layout, "get_language", lambda: "id")
    names = {layout.shorten_run_name(view.name): view.name for view in dashboard_runs.list_runs()}
    for _, app in pages.walk("id"):
        for one in app.selectbox:
            for label in one.options if one.key == "run" else ():
                pages.sound(app.selectbox(key="run").set_value(names[label]).run(), "id")
    assert plain == set()


@pytest.mark.parametrize(
    ("page", "language"),
    [("overview", "id"), ("curves", "id"), *((page, "en") for page in ("overview", "data", *RESULTS))],
)
def test_without_runs_a_page_says_what_to_do_first(page, language, looking_at):
    looking_at("none")
    assert i18n.read_words(language, "common")["first_steps"] in pages.said(pages.opened(page, language))


def test_a_broken_run_is_told_in_a_sentence_and_hides_no_other(looking_at):
    names = looking_at("broken")
    runs = pages.opened("overview").dataframe[0].value
    assert len(names) == 1 + len(fake_runs.DAMAGES) and set(map(layout.shorten_run_name, names)) == set(runs["run"])
    assert list(runs["status"][runs["run"].str.startswith("genre_gru")]) == [
        i18n.read_words("en", "common")["status_whole"]
    ]


def test_a_run_that_is_still_training_shows_how_far_it_has_come(looking_at):
    (name,) = looking_at("training")
    app = pages.opened("overview")
    assert layout.escape_markdown(layout.shorten_run_name(name)) in pages.said(app)
    assert "in training" in set(app.dataframe[0].value["status"])


@pytest.mark.parametrize("locale", ["id-ID", "id", "in"])
def test_the_browsers_language_is_the_first_one_shown(locale, looking_at):
    looking_at("none")
    app = AppTest.from_file(str(pages.APP), default_timeout=pages.SECONDS)
    app.context = {"locale": locale}
    assert app.run().title[0].value == i18n.read_words("id", "overview")["title"]


def test_the_language_chosen_stays_from_page_to_page(looking_at):
    looking_at("one")
    app = pages.opened("overview", "en")
    app.sidebar.button_group(key="lang").set_value("id").run()
    assert app.title[0].value == i18n.read_words("id", "overview")["title"]
    app.switch_page("app_pages/setup.py").run()
    assert app.title[0].value == i18n.read_words("id", "setup")["title"]


def test_a_run_named_like_a_path_is_not_opened(looking_at, tmp_path):
    (name,) = looking_at("one")
    outside = tmp_path / "outside"
    shutil.copytree(fake_runs.make(tmp_path / "elsewhere", family="cnn", n=40, seed=9).path, outside)
    for page in RESULTS:
        app = pages.opened(page, "en", run="../../outside", runs=str(outside))
        assert "outside" not in pages.said(app)


def blanks(sentence):
    return {field for _, field, _, _ in string.Formatter().parse(sentence) if field is not None}


def test_every_page_has_its_words_and_every_word_a_page():
    assert {path.stem for path in (HOME / "i18n").glob("*.toml")} == {*pages.PAGES, "common"}


def sources():
    """List the files that show something on a page."""
    return sorted(path for path in HOME.rglob("*.py") if "i18n" not in path.parts)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(HOME)))
def test_no_page_holds_raw_words(path):
    tree = ast.parse(path.read_text())
    known = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    known |= {id(inner) for node in ast.walk(tree) if is_refusal(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in known:
            assert not is_prose(node.value), f"{path.name}:{node.lineno} says {node.value!r}: put it into i18n/"
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if is_call and node.func.attr in SHOWS and node.args:
            first = node.args[0]
            raw = isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value
            assert not raw, f"{path.name}:{node.lineno} shows {raw!r}: put it into i18n/"


def is_refusal(node):
    """Return whether a string is a sentence that the package's catalog translates."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "InputError"


def is_prose(value):
    """Return whether a string has two words next to each other, unlike keys, formats and styles."""
    if value in TERMS or "shape=" in value:
        return False
    bare = re.sub(r"%?\{[^}]*\}|<[^>]*>|\(|\)|:[a-z0-9.]+", " ", value)
    return bool(re.search(r"[A-Za-z]{3,} +[a-z]{2,}", bare)) and not value.startswith(("MUSICML", "rgb"))


def keys_asked(path):
    """Find the keys that a page looks up, where they are written in full."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func
            if ast.unparse(called) in ("say", "say.show"):
                yield node.args[0].value, {word.arg for word in node.keywords}
            elif ast.unparse(called) == "say.select":
                yield node.args[0].value, set()
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "say.make_row" and node.args:
            heads = node.args[0].keys if isinstance(node.args[0], ast.Dict) else []
            yield from ((head.value, set()) for head in heads if isinstance(head, ast.Constant))


@pytest.mark.parametrize("page", pages.PAGES)
def test_a_page_asks_for_words_that_there_are_and_fills_their_blanks(page):
    own, common = i18n.read_words("en", page), i18n.read_words("en", "common")
    asked = [HOME / find_page(page), *(HOME / "app_pages" / page).glob("*.py")]
    for key, filled in (found for path in asked for found in keys_asked(path)):
        sentence = own.get(key, common.get(key))
        assert sentence is not None, f"{page}.toml and common.toml have no {key}"
        if None in filled:  # some values come as **mapping
            assert filled - {None} <= blanks(sentence), f"{page}.toml: {key}"
        else:
            assert blanks(sentence) == filled, f"{page}.toml: {key}"


def taken_from_faces(path):
    """Return the modules that define what a dashboard module imports from the package."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "musicml":
            face = importlib.import_module(node.module)
            for alias in node.names:
                yield alias.name, getattr(getattr(face, alias.name), "__module__", None) or node.module


def test_no_page_trains_and_only_the_predict_page_takes_what_runs_a_model():
    trains = ("musicml.training", "musicml.models", "musicml.evaluation.evaluate", "musicml.evaluation.leakage")
    asks = ("musicml.inference.predictor", "musicml.inference.explain", "musicml.inference.backends")
    asks += ("musicml.inference.streaming", "musicml.inference.export")
    seen = 0
    for path in sorted(HOME.rglob("*.py")):
        banned = trains if "predict" in path.parts else trains + asks
        for name, home in taken_from_faces(path):
            assert not home.startswith(banned), f"{path.relative_to(HOME)} imports {name} of {home}"
            seen += 1
    assert seen > 50


def test_every_module_but_those_of_the_predict_page_is_kept_from_models():
    setup = configparser.ConfigParser()
    setup.read(HOME.parent / "setup.cfg")
    kept = set(setup["importlinter:contract:asks"]["source_modules"].split())
    there = [HOME / "charts", HOME / "i18n", *(HOME / "app_pages").iterdir()]
    there += HOME.glob("[!_]*.py")
    names = {".".join(path.relative_to(HOME.parent).with_suffix("").parts) for path in there if path.name[0] != "_"}
    assert names - kept == {"dashboard.app_pages.predict"} and kept <= names


@pytest.mark.parametrize(
    ("cell", "shown"), [("=1+1", "'=1+1"), ("-5", "'-5"), (-5, -5), ("rock", "rock"), ("@x", "'@x")]
)
def test_a_cell_of_a_csv_is_no_formula(cell, shown):
    assert escape_csv_formula(cell) == shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a_*b*_[c](d)<e>", "a\\_\\*b\\*\\_\\[c\\](d)\\<e\\>"),
        ("give `--resume a_b` and c_d", "give `--resume a_b` and c\\_d"),
        ("one ` alone_", "one ' alone\\_"),
        ("www.x.y me@x.y", "www\\.x.y me\\@x.y"),
    ],
)
def test_what_markdown_would_take_for_markup_is_shown_as_it_is(words, shown):
    assert layout.escape_markdown(words) == shown


def test_an_address_names_the_language_and_what_is_chosen_stays(looking_at):
    looking_at("one")
    app = pages.opened("overview", "en", lang="id")
    assert app.title[0].value == i18n.read_words("id", "overview")["title"]
    del app.query_params["lang"]
    assert app.run().title[0].value == i18n.read_words("id", "overview")["title"]
