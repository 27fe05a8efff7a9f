import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from musicml.cli.main import main
from musicml.data import published_results
from musicml.data.datasets.base import Dataset, Example
from musicml.evaluation import intervals, predictions
from musicml.evaluation import metrics as report
from musicml.evaluation.metrics import METRIC_NAMES
from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.inference import calibration
from musicml.reports import fonts, model_card, plots, render, run_data
from musicml.reports.contents import build_document
from musicml.reports.document import Code, Document, Estimate, Heading, Note, Paragraph, Table, format_cell
from musicml.reports.formats import BREAK, FORMATS
from musicml.reports.plots import Bars
from musicml.reports.report import make_attachments, write_csv, write_report
from musicml.reports.sections import reproducibility
from musicml.reports.wording import LANGUAGES, read_words
from musicml.training.callbacks import LossNotFiniteError
from musicml.training.fit import describe_early_end
from musicml.utils import add_messages, files, messages, parse_json, translate
from musicml.utils.errors import InputError
from tests.fixtures.english import list_english
from tests.fixtures.fake_runs import DAMAGES, FAMILIES, make

pytest.importorskip("matplotlib")
pytest.importorskip("typst")

PACKAGE = Path(render.__file__).parent.parent
ODD = ("<b>&_%$#{}~^\\", "gam`elan | x", "rock'n\"roll", "-", "musik \N{MUSICAL SYMBOL G CLEF} é")
ODD += ("C:\\drums", "a\\gb", r"\1", "[gong", "*star")


@pytest.fixture(scope="module")
def genres(tmp_path_factory):
    return make(tmp_path_factory.mktemp("runs"), "genre_cnn_a", family="cnn", n=40, draws=60)


@pytest.fixture(scope="module")
def several_at_once(tmp_path_factory):
    return make(tmp_path_factory.mktemp("runs"), "openmic_a", family="multi", n=60, draws=60)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A run of few classes, whose figures are soon drawn."""
    root = tmp_path_factory.mktemp("runs")
    return make(root, "openmic_b", family="multi", n=20, class_names=("gong", "suling"), draws=20, epochs=2)


def changed(run, name, **changes):
    """A JSON file of a run with other values under some keys; None takes a key away."""
    content = {**parse_json((run.path / name).read_text()), **changes}
    content = add_messages({key: value for key, value in content.items() if value is not None})
    (run.path / name).write_text(json.dumps(content))
    return run


def texts(document):
    """Every sentence, caption and cell of a document."""
    found = [document.title]
    for block in document.blocks:
        found += [getattr(block, name) for name in ("text", "caption", "source", "alt") if hasattr(block, name)]
        found += getattr(block, "items", ())
        if isinstance(block, Table):
            found += [*block.columns, *(format_cell(cell, document.language) for row in block.rows for cell in row)]
    return found


def said_of(*some, language="en"):
    """All that a report of some runs says, in one line."""
    return " ".join(texts(build_document(some, language)))


def named(document, name):
    return next(table for table in document.tables if table.name == name)


def notes_in(document):
    return [block for block in document.blocks if isinstance(block, Note)]


def numbers_in(value):
    """Every number of JSON, or of a CSV file's cells."""
    if isinstance(value, dict):
        return {one for inner in value.values() for one in numbers_in(inner)}
    if isinstance(value, list):
        return {one for inner in value for one in numbers_in(inner)}
    try:
        return {float(value)}
    except (TypeError, ValueError):
        return set()


def test_every_metric_has_a_name_in_a_report():
    assert {f"metric.{name}" for name in METRIC_NAMES} <= set(read_words())


AVOIDED = (  # and what is said for it
    (r"\bgrup\b", "kelompok"),
    (r"(himpunan|kumpulan|gugus) data", "dataset"),
    (r"\bdata (nyata|sungguhan|riil)", "data asli"),
    (r"macro ROC-AUC|makro ROC-AUC", "ROC-AUC makro"),
    (r"putar(nya)? ulang|putaran ulang", "ulang"),
)


def test_indonesian_says_one_word_for_one_thing_everywhere():
    for wording in messages.load_catalog("id").values():
        for word, better in AVOIDED:
            assert not re.search(word, wording, re.IGNORECASE), f"{better} rather than {wording!r}"


def test_a_report_has_its_sections_in_order_and_says_that_the_data_is_generated(genres):
    made = build_document([genres])
    heads = [block.text for block in made.blocks if isinstance(block, Heading) and block.level == 1]
    assert heads == [
        *("Summary", "Data", "Split", "Model", "Settings", "Training curves", "Results per class", "Confusion matrix"),
        *("Calibration", "Published results", "Environment", "Reproducibility", "Citation", "Caveats"),
    ]
    assert "sample" in [note.kind for note in notes_in(made)]
    judged = genres.read("report.json")
    accuracy, (low, high) = judged["metrics"]["accuracy"], judged["intervals"]["accuracy"]
    assert (
        f"Accuracy: {accuracy:.3f} (95% confidence interval {low:.3f} to {high:.3f}) on 40 test files in 10 groups"
    ) in " ".join(texts(made))


@pytest.mark.parametrize("family", [*FAMILIES, "gtzan_gru_published"])
def test_in_indonesian_nothing_is_left_in_english_but_sources_and_values(family, tmp_path):
    kind = {"family": family} if family in FAMILIES else {"experiment": f"as_published/{family}"}
    said = texts(build_document([make(tmp_path, "a", n=20, draws=2, epochs=2, excluded=0, **kind)], "id"))
    cited = (*(result.source for result in published_results.ALL), "@software")
    own = "none|its files are made up"  # a value of a setting, and a note of the fixture
    english = [text for text in said if list_english(re.sub(own, "", text))]
    assert [text for text in english if not any(source in text for source in cited)] == []
    assert any(re.search(r"\d,\d{3}", text) for text in said)


def test_every_figure_and_table_says_from_which_files_of_which_run(genres, several_at_once):
    for run in (genres, several_at_once):
        made = build_document([run])
        for block in (*made.tables, *made.figures):
            if "published_results" in block.source and "run" not in block.source:
                continue
            found = re.findall(r"[\w]+\.(?:json|csv|toml)", block.source)
            assert run.name in block.source and found, block.name
            assert all((run.path / file).is_file() for file in found), block.source


@pytest.mark.parametrize("which", ["genres", "several_at_once"])
def test_every_figure_in_the_tables_of_the_page_is_in_a_file_of_the_run(which, request, monkeypatch):
    monkeypatch.setattr(plots, "render_inline", lambda *_: "")
    run, known, seen = request.getfixturevalue(which), set(), 0
    for path in run.path.glob("*.json"):
        known |= numbers_in(json.loads(path.read_text()))
    for path in run.path.glob("*.csv"):
        known |= numbers_in([cell for row in csv.reader(path.open(encoding="utf-8")) for cell in row])
    written = {f"{value:.3f}" for value in known}
    page = render.to_html(build_document([run]))
    tables = re.findall(r'<figure class="table" id="table-(.+?)">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert len(tables) > 8
    for name, body in tables:
        if not name.startswith("reference"):
            figures_of = re.findall(r"(?<![\d.])\d\.\d{3}(?!\d)", body)
            assert set(figures_of) <= written, name
            seen += len(figures_of)
    assert seen > 100


def test_wrong_figures_in_the_report_are_shown_as_they_are_and_never_mended(tmp_path):
    run = make(tmp_path, "a", n=20)
    changed(run, "report.json", metrics={**run.read("report.json")["metrics"], "accuracy": 0.123456})
    figures = {row[0]: row[1] for row in named(build_document([run]), "figures").rows}
    assert format_cell(figures["Accuracy"], "en").startswith("0.123")


@pytest.mark.parametrize(("ending", "language"), [(".html", "id"), (".md", "en"), (".tex", "id"), (".pdf", "id")])
def test_all_four_formats_are_written_with_what_lies_beside_them(ending, language, small, tmp_path):
    to = tmp_path / f"report{ending}"
    written = write_report([small], to, language)
    made = build_document([small], language)
    expected = {f"{figure.name}.{kind}" for figure in made.figures for kind in ("svg", "pdf")}
    expected |= {f"{table.name}.{kind}" for table in made.tables for kind in ("csv", "tex")}
    assert written[0] == to and {path.name for path in written[1:]} == expected | {"CONTENTS.txt"}
    assert {path.parent for path in written[1:]} == {tmp_path / f"{to.name}-files"}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([to.name, f"{to.name}-files"])
    assert all(path.stat().st_size for path in written)
    if ending == ".pdf":
        content = to.read_bytes()
        assert content.startswith(b"%PDF") and int(re.search(rb"<xmpTPg:NPages>(\d+)<", content)[1]) > 5
        assert f"<dc:language><rdf:Bag><rdf:li>{language}<".encode() in content
        return
    said, place = to.read_text(encoding="utf-8"), 0
    for block in made.blocks:  # every section, in the same order
        if isinstance(block, Heading):
            place = said.index(FORMATS[ending].escape(block.text), place)


def test_a_report_is_replaced_by_the_next_one_and_the_same_run_gives_the_same_bytes(small, tmp_path):
    def written():
        paths = [tmp_path / f"a{ending}" for ending in (".html", ".pdf")]
        return {path.name: path.read_bytes() for to in paths for path in write_report([small], to)}

    first = written()
    plots.save.cache_clear()
    assert written() == first


MARKS = {ending: form.mark for ending, form in FORMATS.items()}
OTHERS = {  # what is no report, however it quotes a report's mark
    **{f"thesis{ending}": "three years of work" for ending in FORMATS},
    "page.html": f'<!doctype html>\n<html lang="en">\n<body><pre>{MARKS[".html"]}</pre></body>\n</html>\n',
    "notes.md": f"# Notes\n\n{MARKS['.md']}\n\nmade by `musicml report`\n",
    "facts.md": f"---\ntitle: mine\n---\n\nwords\n\n{MARKS['.md']}\n",
    "quoted.tex": f"\\documentclass{{article}}\n{MARKS['.tex']}\n",
    "table.tex": f"{MARKS['.tex']}; needs \\usepackage{{booktabs, array}}\n",
    "paper.pdf": "%PDF-1.7\n<</Title(On musicml report)/Keywords(musicml report, mine)/Creator(Typst 0.1)>>\n",
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_report_is_never_written_over(name, genres, tmp_path):
    (tmp_path / name).write_text(OTHERS[name])
    with pytest.raises(InputError, match="not replaced"):
        write_report([genres], tmp_path / name)
    assert (tmp_path / name).read_text() == OTHERS[name]


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md"])
def test_a_card_takes_the_place_of_a_card_and_never_of_a_projects_own_page(name, genres, tmp_path):
    to = tmp_path / name
    shutil.copy(PACKAGE.parent / name, to)
    before = to.read_bytes()
    with pytest.raises(InputError, match="not replaced"):
        write_report([genres], to, card=True)
    assert to.read_bytes() == before
    to.unlink()
    for _ in range(2):
        write_report([genres], to, card=True)


def test_a_folder_with_something_in_it_that_no_report_put_there_is_not_replaced(small, tmp_path):
    folder, to = tmp_path / "x.md-files", tmp_path / "x.md"
    folder.mkdir()
    for name, content in (("photo.jpg", "mine"), ("CONTENTS.txt", "chapter 1: Written by musicml report\n")):
        (folder / name).write_text(content)
        with pytest.raises(InputError, match="does not belong to a report"):
            write_report([small], to)
        assert (folder / name).read_text() == content and not to.exists()
        (folder / name).unlink()
    folder.rmdir()
    write_report([small], to)
    (folder / "chapter.txt").write_text("mine")
    with pytest.raises(InputError, match="chapter.txt, which no report wrote"):
        write_report([small], to)
    assert (folder / "chapter.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "name, language, n, words",
    [
        ("a.docx", "en", 1, r"ending in \.html, \.md, \.tex, \.pdf"),
        ("a.html", "fr", 1, "en or id, got 'fr'"),
        ("a.html", "en", 0, "at least one run"),
    ],
)
def test_other_endings_languages_and_no_runs_are_refused(name, language, n, words, genres, tmp_path):
    with pytest.raises(InputError, match=words):
        write_report([genres] * n, tmp_path / name, language)
    assert not list(tmp_path.iterdir())


def test_when_a_figure_can_not_be_drawn_nothing_is_left_behind(genres, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plots, "save", fail)
    with pytest.raises(OSError):
        write_report([genres], tmp_path / "a.md")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing, ending", [("matplotlib", ".html"), ("typst", ".pdf")])
def test_a_missing_package_is_named_with_its_cure(missing, ending, genres, tmp_path, monkeypatch):
    plots.save.cache_clear()
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r'pip install -e "\.\[report\]"'):
        write_report([genres], tmp_path / f"a{ending}")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A report of a run whose classes are named as no class should be."""
    run = make(tmp_path_factory.mktemp("runs"), "a_run_with_underscores", n=40, class_names=ODD, draws=20)
    return build_document([run])


def test_no_name_means_anything_to_html(odd):
    page = render.to_html(odd)
    assert "<b>&_" not in page and "&lt;b&gt;&amp;_%$#{}~^\\" in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', page):
        assert target in ids
    assert "http-equiv" not in page and not re.search(r'(src|href)="(?!#|https://)', page)


def test_no_name_means_anything_to_markdown(odd):
    page = render.render_text(odd, ".md", "report-files")
    assert "\\<b" not in page and "&lt;b&gt;&amp;\\_%\\$\\#\\{\\}\\~\\^\\\\" in page
    tables = re.findall(r"((?:^\|.*\|\n)+)", page, re.MULTILINE)
    for table in tables:  # as many cells as the head has
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table
    assert len(tables) > 8


def test_no_name_means_anything_to_latex(odd, tmp_path):
    text = render.render_text(odd, ".tex", "report-files")
    assert "\\textless{}b\\textgreater{}\\&\\_\\%\\$\\#\\{\\}\\textasciitilde{}\\textasciicircum{}" in text
    body = text.split("\\begin{document}")[1]
    for special in ("%", "#", "$", "_"):
        assert not re.search(rf"(?<!\\){re.escape(special)}", body), special
    assert not re.search(r"(?<!\\)[\^~]", body)
    assert len(re.findall(r"(?<!\\){", body)) == len(re.findall(r"(?<!\\)}", body))
    assert not re.search(r"(\\\\|\\(?:midrule|toprule|item|endhead|endfirsthead))\s*[\[*]", body)  # nor as an argument
    assert "{[}gong" in body and "{*}star" in body
    for name in ("itemize", "longtable", "here", "quote"):
        assert body.count(f"\\begin{{{name}}}") == body.count(f"\\end{{{name}}}")
    for table in re.findall(r"\\begin\{longtable\}.*?\\end\{longtable\}", body, re.DOTALL):
        assert "\n\n" not in table  # which would be a row without cells
    engine = shutil.which("lualatex") or shutil.which("xelatex")
    if engine:
        (tmp_path / "a.tex").write_bytes(render.render(odd, ".tex", "a.tex-files"))
        (tmp_path / "a.tex-files").mkdir()
        for name, content in make_attachments(odd).items():
            (tmp_path / "a.tex-files" / name).write_bytes(content)
        ran = subprocess.run([engine, "-halt-on-error", "a.tex"], cwd=tmp_path, capture_output=True, input="")
        assert ran.returncode == 0, ran.stdout[-2000:]


def test_no_name_means_anything_to_typst(odd):
    assert '"<b>&_%$#{}~^\\\\' in render.render_text(odd, ".pdf")
    assert render.render(odd, ".pdf").startswith(b"%PDF")


SCRIPTS = ("ガムラン", "邦楽", "ลูกทุ่ง", "국악", "Ďábel", "rock")


@pytest.fixture(scope="module")
def many_scripts(tmp_path_factory):
    run = make(tmp_path_factory.mktemp("runs"), "a", n=20, class_names=SCRIPTS, draws=10, epochs=2)
    return build_document([run])


@pytest.mark.parametrize("ending", FORMATS)
def test_a_script_that_no_font_here_has_is_named_and_written_as_it_is(ending, many_scripts, monkeypatch):
    monkeypatch.setattr(fonts, "list_system_fonts", list)
    content = render.render(many_scripts, ending)
    (note,) = [note for note in notes_in(render.add_note_on_fonts(many_scripts)) if "boxes" in note.text]
    assert "letters for CJK, Hangul, Katakana, Thai" in note.text
    if ending != ".pdf":
        said = content.decode()
        assert "Hangul, Katakana, Thai" in said and all(name in said for name in SCRIPTS) and "??" not in said


def test_what_the_own_fonts_lack_is_drawn_with_the_systems(monkeypatch):
    hiragana, thai = "\N{HIRAGANA LETTER NO}", "\N{THAI CHARACTER NO NU}"
    stix = str(fonts.get_own_font().with_name("STIXGeneral.ttf"))  # which has the one and not the other
    monkeypatch.setattr(fonts, "list_system_fonts", lambda: [stix])
    assert fonts.find_fonts(f"{hiragana}{thai}") == ((stix,), thai) and fonts.find_fonts("rock é") == ((), "")
    for name, is_used in ((hiragana, True), ("rock", False)):
        drawing = Bars(((name, 0.5, None),), "F1", "")
        assert (b"STIXGeneral" in plots.save(drawing, "svg")) is is_used
        assert (b"/Type3" in plots.save(drawing, "pdf")) is is_used


def width_of(columns, table):
    """How much of a line a table takes, if a letter is as wide as those of Latin Modern are on average."""
    letter, found = (5.0, 4.2)[len(table.columns) > 6], re.findall(r">.*?p\{([\d.]+)\\linewidth\}|[lr]", columns)
    assert len(found) == len(table.columns)
    cells = [[name, *(format_cell(row[k], "en") for row in table.rows)] for k, name in enumerate(table.columns)]
    own = [float(share) if share else letter * max(map(len, cells[k])) / 455 for k, share in enumerate(found)]
    return sum(own) + 8 * (len(found) - 1) / 455


def test_no_table_runs_over_the_margin_in_latex(genres, several_at_once, odd, tmp_path):
    some = [make(tmp_path, f"{name}-20260301T141205-s0", family=name, n=20, draws=10) for name in ("transfer", "vgg16")]
    documents = [odd, *(build_document(found) for found in ([genres], [several_at_once], some))]
    tables = [table for made in documents for table in made.tables]
    for table in [*tables, Table("wide", ("class", *(f"column{k}" for k in range(12))), (("a", *range(12)),), "", "")]:
        text = render.render_table(table, "en")
        if len(table.columns) > 16:
            assert "\\resizebox{\\linewidth}" in text, table.name
        else:
            columns = text.split("\\begin{tabular}{@{}")[1].split("@{}}\n")[0]
            assert width_of(columns, table) <= 1, (table.name, columns)


def test_a_table_for_a_spreadsheet_has_points_all_digits_and_no_formula(genres):
    first = genres.read("report.json")["per_class"][0]
    table = named(build_document([genres], "id"), "per_class")
    table = replace(table, rows=(*table.rows, ("-", "=1+1", *table.rows[0][2:])))
    rows = list(csv.reader(write_csv(table, "id").splitlines()))
    assert rows[0][3] == "Presisi" and rows[0][4].startswith("Presisi, ") and len(rows[0]) == len(rows[1])
    assert float(rows[1][3]) == first["precision"] and rows[-1][:2] == ["'-", "'=1+1"]


def test_a_class_with_one_example_and_one_that_is_never_answered_are_told_in_words(tmp_path):
    run = make(tmp_path, "a", n=30, class_names=("gong", "suling", "rebab"))
    rows = run.read("report.json")["per_class"]
    rows[0] |= {"support": 1, "intervals": None, "wilson": {"precision": None, "recall": None}}
    rows[1] |= {"said": 0, "precision": None, "f1": 0.0}
    rows[2] |= {"support": 0, "precision": None, "recall": None, "f1": None, "auc": None, "average_precision": None}
    made = build_document([changed(run, "report.json", per_class=rows)])
    said = " ".join(texts(made))
    assert "Only one test example, so recall is either 0 or 1: gong." in said
    assert "Never predicted, so their precision is not defined: suling." in said
    assert "No test examples, so their results are unknown: rebab." in said
    table = named(made, "per_class")
    place = table.columns.index("Precision")
    assert [format_cell(row[place], "en") for row in table.rows[1:]] == ["–", "–"]  # and no false 0
    assert all(render.render(made, ending) for ending in FORMATS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_few_test_groups_and_a_temperature_at_its_bound_are_remarked_on(language, tmp_path):
    few, enough = make(tmp_path, "few", n=40), make(tmp_path, "enough", n=60)
    changed(few, "report.json", temperature=20.0, temperatures=[20.0])
    remarks = [
        intervals.describe_few_groups(10, intervals.INTERVAL_METHOD),
        calibration.describe_temperature_bound(20.0),
    ]
    groups, bound = (translate(remark, language) for remark in remarks)
    assert groups in said_of(few, language=language) and bound in said_of(few, language=language)
    changed(few, "report.json", temperatures=None)  # as an earlier musicml wrote it
    assert bound in said_of(few, language=language)
    assert not any(remark in said_of(enough, language=language) for remark in (groups, bound))


def test_without_an_interval_or_without_a_main_figure_a_report_says_why(tmp_path):
    said = said_of(make(tmp_path, "one_group", n=20, groups=1))
    assert "All test files belong to one group" in said and "without a confidence interval" in said
    alike = make(tmp_path, "alike", n=20)
    changed(alike, "report.json", intervals={**alike.read("report.json")["intervals"], "accuracy": None})
    assert "Every bootstrap resample gave the same value" in said_of(alike)
    metrics = alike.read("report.json")["metrics"]
    del metrics["accuracy"]
    assert "Accuracy is not defined" in said_of(changed(alike, "report.json", metrics=metrics))  # and is no 0


@pytest.mark.parametrize("status", ["started", "training", "trained"])
def test_a_run_that_is_not_whole_is_refused_with_its_cure(status, tmp_path):
    with pytest.raises(InputError, match="is not complete.*train --resume"):
        build_document([make(tmp_path, "a", n=20, status=status)])


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_is_damaged_a_report_is_written_or_refused_in_a_sentence(damage, tmp_path):
    run = make(tmp_path, "a", n=20, draws=2, status="broken", damage=damage)
    try:
        made = build_document([run], "id")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert all(render.render_text(made, ending, "x") for ending in (".md", ".tex", ".html"))


@pytest.mark.parametrize("name", ["history.csv", "layers.json", "split.csv", "excluded.csv"])
def test_a_file_that_is_missing_is_told_and_the_rest_is_there(name, tmp_path):
    run = make(tmp_path, "a", n=20)
    whole = build_document([run])
    (run.path / name).unlink()
    made = build_document([run])
    assert name in " ".join(note.text for note in notes_in(made))
    assert named(made, "per_class").rows == named(whole, "per_class").rows


def test_a_report_of_an_older_musicml_is_told_what_it_lacks(tmp_path):
    run = make(tmp_path, "a", family="multi", n=30)
    rows = run.read("report.json")["per_class"]
    for row in rows:
        row.pop("wilson")
    new = ("reliability", "reliability_before", "temperature", "at_half", "thresholds")
    made = build_document([changed(run, "report.json", **dict.fromkeys(new), per_class=rows)])
    said = " ".join(texts(made))
    for words in ("has no reliability diagram", "has no results at a threshold of 0.5", "has no Wilson intervals"):
        assert words in said
    table = named(made, "calibration")
    assert table.rows[-1][1] == run.read("serving.json")["temperature"] and "serving.json" in table.source


def test_both_thresholds_and_the_reliability_diagram_stand_in_a_report(several_at_once, tmp_path):
    made, judged = build_document([several_at_once]), several_at_once.read("report.json")
    row = next(row for row in named(made, "thresholds").rows if row[0] == "Macro F1")
    assert (row[1].value, row[2].value) == (judged["at_half"]["metrics"]["macro_f1"], judged["metrics"]["macro_f1"])
    drawn = next(figure for figure in made.figures if figure.name == "reliability")
    assert [point[2] for point in drawn.drawing.series[0][1]] == [row["n"] for row in judged["reliability"]]
    run = changed(make(tmp_path, "a", family="multi", n=30), "report.json", thresholds=None)
    table = named(build_document([run]), "per_class_thresholds")
    assert "serving.json" in table.source and table.rows[0][1] == run.read("serving.json")["thresholds"][0]


@pytest.mark.numeric
def test_149_of_150_has_its_interval_in_both_languages(tmp_path):
    run = make(tmp_path, "a", family="transfer", n=150)
    rows, names = run.table("predictions.csv"), run.read("labels.json")
    for place, row in enumerate(rows):
        said = row["labels"] if place else next(name for name in names if name != row["labels"])
        row |= {f"score:{name}": 0.971 if name == said else 0.001 for name in names}
    files.write_csv(run.path / "predictions.csv", rows, list(rows[0]))
    table = predictions.read_predictions(run)
    made = report.compute_report(
        table.scores, table.targets, table.groups, list(names), "single", run.read("serving.json")["thresholds"]
    )
    assert made["metrics"]["accuracy"] == pytest.approx(149 / 150, abs=1e-6)
    low, high = made["intervals"]["accuracy"]
    assert 0.93 < low < 149 / 150 < high < 1.0
    english, indonesian = (said_of(changed(run, "report.json", **made), language=language) for language in LANGUAGES)
    assert f"Accuracy: 0.993 (95% confidence interval {low:.3f} to {high:.3f})" in english
    assert "149 of 150 test files were classified correctly." in english
    commas = f"{low:.3f} sampai {high:.3f}".replace(".", ",")
    assert f"Akurasi: 0,993 (selang kepercayaan 95% {commas})" in indonesian
    assert "accuracy 0.990 (0.963–0.999), 149 of 150 correct" in english  # the published one beside it
    document = build_document([run])
    assert "Accuracy has Wilson's interval" in named(document, "figures").caption
    by_class = {row[0]: format_cell(row[2], "en") for row in named(document, "per_class_wilson").rows}
    assert by_class.pop(rows[0]["labels"]) == "0.800 (0.376–0.964)"  # 4 of 5
    assert set(by_class.values()) == {"1.000 (0.566–1.000)"}  # 5 of 5


def read_card(run, language="en"):
    """A model card's facts, and its text."""
    _, front, body = model_card.render(run, language).split("---\n", 2)
    return yaml.safe_load(front), body


def test_a_run_judged_in_folds_has_no_threshold_and_no_temperature_but_each_folds_own(tmp_path):
    run = make(tmp_path, "a", family="multi", n=30)
    changed(run, "run.json", split={**run.read("run.json")["split"], "folds": 3})
    older = run.read("report.json") | {"split": "out of fold"}
    for name in ("thresholds", "temperature"):
        older.pop(name)  # as an older musicml left them out
    for judged in (older, older | {"thresholds": None, "temperature": None}):
        files.write_json(run.path / "report.json", judged)
        made = build_document([run])
        table, said = named(made, "per_class_thresholds"), " ".join(texts(made))
        assert {row[1] for row in table.rows} == {"one per fold"}
        assert named(made, "calibration").rows[-1][1] == "one per fold"
        assert "serving.json" not in table.source + named(made, "calibration").source
        assert "Each fold has its own thresholds" in said and "Each fold has its own temperature" in said
        assert "on 30 out-of-fold files in" in said and "validation the model was" not in said
        assert not re.search(r"\btest (file|example)s?\b", without_published(made))
    assert read_card(run)[0]["model-index"][0]["results"][0]["dataset"]["split"] == "out of fold"
    assert "pada 30 berkas di luar fold dalam" in said_of(run, language="id")


def without_published(document):
    """What a document says of its own runs."""
    heads = [k for k, block in enumerate(document.blocks) if isinstance(block, Heading) and block.level == 1]
    begin = next(k for k in heads if document.blocks[k].text in ("Published results", "Hasil publikasi"))
    end = next(k for k in heads if k > begin)
    return " ".join(texts(replace(document, blocks=(*document.blocks[:begin], *document.blocks[end:]))))


@pytest.mark.parametrize("family", ["gru", "multi"])
def test_a_run_judged_on_validation_is_never_said_to_be_tested(family, tmp_path):
    run = changed(make(tmp_path, family, n=30, family=family), "report.json", split="val")
    for language, of_test, of_val in (
        ("en", r"\btest (file|example)s?\b", "on 30 validation files in"),
        ("id", r"\b(berkas|contoh) (uji|pengujian)\b", "30 berkas validasi"),
    ):
        made = build_document([run], language)
        assert not re.search(of_test, without_published(made)) and of_val in " ".join(texts(made))
    assert read_card(run)[0]["model-index"][0]["results"][0]["dataset"]["split"] == "validation"


@pytest.mark.parametrize(("language", "words"), [("en", "Training"), ("id", "Pelatihan")])
def test_a_training_that_ended_early_is_said_to_have(tmp_path, language, words):
    sentence = describe_early_end(LossNotFiniteError("{loss} in {epoch}", loss=float("nan"), epoch=3), "all", 2)
    run = changed(make(tmp_path, "a", family="multi", n=30), "run.json", warnings=[sentence])
    (text,) = [note.text for note in notes_in(build_document([run], language)) if note.kind == "training"]
    assert text.startswith(f"{words} ({run.name}): ") and "epoch 3" in text and (sentence in text) == (language == "en")


def test_the_command_to_repeat_a_run_names_the_same_experiment(tmp_path, monkeypatch):
    run = make(tmp_path / "runs", "a", family="gru", n=20, overrides={"training.epochs": 2})
    code = next(block for block in build_document([run]).blocks if isinstance(block, Code)).text
    assert code == "musicml train genre_gru --data sample --seed 0 --set training.epochs=2"
    assert Path("experiments/genre_gru.toml").is_file()
    kept = config.read_experiment(run.path / "experiment.toml")
    assert kept.name == "experiment"  # which is why that file isn't named
    assert "`a/experiment.toml`" in said_of(run)
    monkeypatch.chdir(tmp_path)
    assert "`runs/a/experiment.toml`" in said_of(run)
    changed(run, "run.json", published={"reference": "gtzan_gru"}, experiment="genres_gru")
    assert reproducibility.make_command(run_data.RunData(run)).startswith("musicml train as_published/genres_gru ")


def test_addresses_and_long_names_stay_inside_their_cells():
    page = Table("a", ("what", "value"), (("page", "https://x.org/a|b"),), "", "")
    assert "\n| page | <https://x.org/a%7Cb> |\n" in render.render_text(Document("t", "en", (page,)), ".md")
    name = "instrument_images_resnet50-20260301T141205-s0"
    wide = Table("a", ("key", name), (("x", "y"),), "", "")
    text = render.render_text(Document("t", "en", (wide,)), ".pdf")
    assert f'strong("{name.replace("_", "_" + BREAK).replace("-", "-" + BREAK)}")' in text


def test_no_heading_is_hyphenated(tmp_path):
    made = Document("images " * 9, "en", (Heading("The images " * 9), Paragraph("images")))
    text = render.render_text(made, ".pdf")
    (tmp_path / "a.typ").write_text(text + "\n#context [#metadata(text.hyphenate) <body>]")
    assert "show heading: set text(hyphenate: false)" in text and text.count("hyphenate: false") == 2
    typst = pytest.importorskip("typst")
    assert typst.query(str(tmp_path / "a.typ"), "<body>", field="value", one=True) == "true"


@pytest.mark.numeric
def test_published_tables_have_wilsons_intervals_where_it_is_known_of_how_many(genres, several_at_once):
    table = named(build_document([genres]), "reference-gtzan_cnn")
    recall = next(row for row in table.rows if row[0] == "reggae")[table.columns.index("Recall")]
    assert recall.value == 0.17 and recall.interval == pytest.approx((0.030053, 0.563503), abs=1e-6)  # 1 of 6
    made = build_document([several_at_once])
    precision = named(made, "reference-openmic_vggish_forest")
    assert all(row[precision.columns.index("Precision")].interval is None for row in precision.rows)
    assert any("No counts were published" in text for text in texts(made))
    cnn = named(made, "reference-openmic_cnn")
    assert "on 374 test files. No counts per class were published" in cnn.caption and len(cnn.rows) == 3


@pytest.mark.parametrize(
    "family, words",
    [
        (
            "transfer",
            "VGG16, frozen, with a new head: accuracy 0.960 (0.915–0.982), 144 of 150 correct; macro precision",
        ),
        ("sounds", "ResNet50, pretrained, on spectrograms: macro ROC-AUC 0.902–0.908."),
        ("gru", "GRU on MFCC: accuracy 0.788; loss 0.805"),
    ],
)
def test_of_a_published_system_without_a_table_of_classes_that_is_said(family, words, tmp_path):
    said = said_of(make(tmp_path, "a", family=family, n=20, draws=10))
    assert words in said.split("No results per class were published")[1]


@pytest.mark.numeric
def test_runs_beside_each_other_are_compared_by_a_paired_test_and_seeds_have_a_spread(tmp_path):
    some = [make(tmp_path, f"run{seed}", n=60, seed=seed, draws=40) for seed in (0, 1)]
    some.append(make(tmp_path, "rival", family="gru", n=60))
    made = build_document(some)
    pairs = named(made, "pairs")
    assert len(pairs.rows) == 3 and all("exact sign flips of groups" in row for row in pairs.rows)
    assert any(re.search(r"classified \d+ more of 60 files|equally many of 60", text) for text in texts(made))
    seeds = named(made, "seeds").rows[0]
    values = [run.read("report.json")["metrics"]["accuracy"] for run in some[:2]]
    assert seeds[2] == 2 and seeds[3] == pytest.approx(sum(values) / 2)
    assert [row[0] for row in named(made, "comparison").rows] == ["run0", "run1", "rival"]
    names = [block.name for block in made.figures]
    assert len(set(names)) == len(names) and any("Same data as run run0" in text for text in texts(made))


def test_runs_of_other_data_stand_side_by_side_without_a_test_and_it_is_said_why(genres, several_at_once, tmp_path):
    made = build_document([genres, several_at_once], "id")
    said = " ".join(texts(made))
    assert "Tidak ada uji berpasangan" in said and "run dari satu dataset" in said
    assert "pairs" not in [table.name for table in made.tables]
    assert build_document([genres, runs.Run(genres.path)]) == build_document([genres])  # named twice it is one
    with pytest.raises(InputError, match="one run for a model card, got 2"):
        write_report([genres, several_at_once], tmp_path / "README.md", card=True)


def test_a_replay_says_what_is_wrong_with_its_protocol_and_what_the_honest_run_gives(tmp_path):
    honest, replay = make(tmp_path, "honest", n=20, family="gru"), make(tmp_path, "replay", n=20, family="gru")
    fault = "Pieces of a track were on both sides."
    published = {"reference": "gtzan_gru", "honest": "genre_gru", "fault": fault, "figures": ["accuracy"]}
    changed(replay, "run.json", published=published, protocol="as published", experiment="genres_gru")
    served = {"first_second": {"accuracy": 0.25, "accuracy_interval": [0.1, 0.5], "n": 20}}
    changed(replay, "report.json", as_served=served, protocol="as published", split="val")
    made = build_document([replay, honest])
    said = " ".join(texts(made))
    figure = format_cell(Estimate(honest.report.main, honest.report.get_interval("accuracy")), "en")
    assert fault in said and f"run honest of genre_gru: accuracy {figure}" in said
    assert "Published: accuracy 0.788." in said and "known flaw" in said
    assert "scored on the validation split" in said and "effect of a flaw" in said
    assert ("first second only · accuracy", Estimate(0.25, (0.1, 0.5))) in named(made, "as_served-1").rows
    assert "pairs" not in [table.name for table in made.tables]
    assert "Add its run to this report" in said_of(replay)


def test_a_split_that_keeps_nothing_together_is_never_said_to_keep_groups_apart(tmp_path):
    run = make(tmp_path, "a", n=20)
    data, settings = (run.read("run.json")[key] for key in ("data", "settings"))
    by_track = {**settings, "data": {**settings["data"], "split": "track"}}
    apart, unknown = "No group occurs in more than one split", "treats each file, or each piece of a file,"
    said = [
        said_of(changed(run, "run.json", data=facts, settings=chosen))
        for facts, chosen in ((data, settings), ({**data, "as_published": True}, settings), (data, by_track))
    ]
    assert [apart in words for words in said] == [True, False, False]
    assert [unknown in words for words in said] == [False, True, True]
    rows = [{**row, "group": row["example"]} for row in run.table("split.csv")]
    files.write_csv(run.path / "split.csv", rows, list(rows[0]))
    changed(run, "run.json", data=data, settings=settings)
    assert "Each file is its own group" in said_of(run)


def test_the_audit_that_was_kept_of_the_data_stands_in_the_report(tmp_path, monkeypatch):
    from musicml.data.audit import audit
    from musicml.data.audit.findings import Audit, AuditFinding
    from musicml.reports.sections import data as about_data

    run = make(tmp_path / "runs", "a", n=20)
    examples = tuple(Example(f"{k}.wav", tmp_path, {"low": True}, str(k)) for k in range(3))
    dataset = Dataset("gtzan", "sound", "single", "genre", ("low", "high"), examples)
    monkeypatch.setattr(about_data, "reload_dataset", lambda data, root=None: dataset)
    assert re.search("not been audited.*`musicml audit gtzan`", said_of(run))
    row = ("error", "2 of 3 files can't be read.", "They count in no figure.")
    found = (AuditFinding("unreadable", "fault", *row[1:]), AuditFinding("balance", "fine", "ok"))
    kept = Audit("gtzan", True, False, 3, 1.0, found, (), None, dataset.hash())
    path = audit.get_audit_path(tmp_path, dataset)
    path.parent.mkdir()
    path.write_text(json.dumps(kept.to_dict()))
    table = named(build_document([run], data_root=tmp_path), "audit")
    assert table.source == f"Source: .audit/{path.name} in the data folder." and table.rows == (row,)
    path.write_text("{}")
    assert "Expected an audit" in " ".join(texts(build_document([run], data_root=tmp_path)))


def test_a_card_has_facts_that_hugging_face_reads_and_the_sections_of_one(several_at_once, tmp_path):
    to = tmp_path / "README.md"
    assert write_report([several_at_once], to, card=True) == [to]
    facts, body = read_card(several_at_once)
    assert to.read_text().endswith(body)
    assert facts["library_name"] == "keras" and facts["pipeline_tag"] == "audio-classification"
    assert "sample-data" in facts["tags"] and "license" not in facts
    metrics = facts["model-index"][0]["results"][0]["metrics"]
    assert metrics[0]["value"] == several_at_once.report.main and "95% confidence interval" in body
    heads = ["Model details", "Uses", "Training data", "Evaluation", "Limitations", "Citation"]
    assert re.findall("^## (.*)$", body, re.MULTILINE) == heads
    assert "## Rincian model" in read_card(several_at_once, "id")[1]
    with pytest.raises(InputError, match=r"ending in \.md"):
        write_report([several_at_once], tmp_path / "card.html", card=True)


def test_the_command_writes_a_report_and_says_where(small, tmp_path, capsys):
    words = ["report", small.name, "--runs", str(small.path.parent), "--to", str(tmp_path / "a.md"), "--lang", "id"]
    assert main(words) == 0
    assert str(tmp_path / "a.md-files") in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["runs"] == [small.name] and len(said["files"]) > 20
    assert "# Laporan" in (tmp_path / "a.md").read_text()


def test_a_bar_that_is_not_defined_is_said_in_words_and_not_drawn_as_0():
    (axes,) = Bars((("gong", None, None), ("suling", 0.0, (0.0, 0.2))), "F1", "not defined").draw().axes
    assert [text.get_text() for text in axes.texts] == ["not defined"] and len(axes.patches) == 1


def test_numbers_are_written_as_the_language_writes_them():
    cells = (0.5, 12345, None, "x", True, -0.0001, Estimate(None, (0.1, 0.2)))
    assert [format_cell(cell, "id") for cell in cells] == ["0,500", "12.345", "–", "x", "true", "0,000", "–"]
