import csv
import json
import re
import shutil
import string
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from musicml.cli.main import main
from musicml.data.datasets.base import Dataset, Example
from musicml.evaluation import intervals, predictions
from musicml.evaluation import metrics as report
from musicml.evaluation.metrics import METRIC_NAMES
from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.inference import calibration
from musicml.reports import (
    attachments,
    matplotlib_plots,
    model_card,
    render_html,
    render_latex,
    render_markdown,
    render_pdf,
    run_data,
)
from musicml.reports import document as blocks
from musicml.reports import report as writeup
from musicml.reports.document import Estimate, Table, shown
from musicml.reports.plot_specs import Bars
from musicml.reports.sections import reproducibility
from musicml.utils import files, translate
from musicml.utils.errors import InputError
from tests.fixtures.fake_runs import DAMAGES, make

pytest.importorskip("matplotlib")
pytest.importorskip("typst")

WORDS = Path(writeup.__file__).parent / "words"
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
    content = {**json.loads((run.path / name).read_text()), **changes}
    (run.path / name).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return run


def texts(document):
    """Every sentence, caption and cell of a document."""
    found = [document.title]
    for block in document.blocks:
        found += [getattr(block, name) for name in ("text", "caption", "source", "alt") if hasattr(block, name)]
        found += getattr(block, "items", ())
        if isinstance(block, Table):
            found += [*block.columns, *(shown(cell, document.language) for row in block.rows for cell in row)]
    return found


def named(document, name):
    return next(table for table in document.tables if table.name == name)


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


def test_both_languages_have_the_same_words_with_the_same_blanks():
    english, indonesian = (tomllib.loads((WORDS / f"{name}.toml").read_text(encoding="utf-8")) for name in ("en", "id"))
    flat = [{(s, k): words for s, rows in one.items() for k, words in rows.items()} for one in (english, indonesian)]
    assert list(flat[0]) == list(flat[1])
    for key in flat[0]:
        blanks = [{blank for _, blank, _, _ in string.Formatter().parse(one[key]) if blank} for one in flat]
        assert blanks[0] == blanks[1], key
    assert set(METRIC_NAMES) <= set(english["metric"])


AVOIDED = (  # and what is said for it
    (r"\bgrup\b", "kelompok"),
    (r"(himpunan|kumpulan|gugus) data", "dataset"),
    (r"\bdata (nyata|sungguhan|riil)", "data asli"),
    (r"macro ROC-AUC|makro ROC-AUC", "ROC-AUC makro"),
    (r"putar(nya)? ulang|putaran ulang", "ulang"),
)


def test_indonesian_says_one_word_for_one_thing_everywhere():
    root, found = Path(writeup.__file__).parent.parent.parent, []
    for folder in ("musicml/utils/i18n/id", "dashboard/i18n/id"):
        found += sorted((root / folder).glob("*.toml"))
    for path in (*found, WORDS / "id.toml"):
        for value in values_in(tomllib.loads(path.read_text(encoding="utf-8"))):
            for word, better in AVOIDED:
                assert not re.search(word, value, re.IGNORECASE), f"{path.name}: {better} rather than {value!r}"
    assert len(found) > 30


def values_in(table):
    """Every text of a table of tables."""
    if isinstance(table, dict):
        return [text for inner in table.values() for text in values_in(inner)]
    return [text for inner in table for text in values_in(inner)] if isinstance(table, list) else [str(table)]


def test_a_report_has_its_sections_in_order_and_says_that_the_data_is_generated(genres):
    made = writeup.build_document([genres])
    heads = [block.text for block in made.blocks if isinstance(block, blocks.Heading) and block.level == 1]
    assert heads == [
        *("Summary", "Data", "Split", "Model", "Settings", "How it learnt", "Class by class", "What is taken for what"),
        *("Calibration", "Published results", "Environment", "How to repeat it", "Citation", "Limits"),
    ]
    assert any(isinstance(block, blocks.Note) and block.kind == "sample" for block in made.blocks)
    report = genres.read("report.json")
    accuracy, (low, high) = report["metrics"]["accuracy"], report["intervals"]["accuracy"]
    summary = (
        f"accuracy {accuracy:.3f}, with a 95 % interval from {low:.3f} to {high:.3f}, on 40 test files of 10 groups"
    )
    assert any(summary in text for text in texts(made))


def test_in_indonesian_nothing_is_left_in_english_but_names_and_commas_stand_in_figures(genres, several_at_once):
    for run in (genres, several_at_once):
        english, indonesian = (writeup.build_document([run], language) for language in writeup.LANGUAGES)
        same = {
            text for text in set(texts(english)) & set(texts(indonesian)) if re.search(r"\b(the|of|is|and)\b", text)
        }
        own = {"its files are made up"} | {row["reason"] for row in run.table("excluded.csv")}
        assert {text for text in same if "@software" not in text} <= own
        assert any(re.search(r"\d,\d{3}", text) for text in texts(indonesian))


def test_every_figure_and_table_says_from_which_files_of_which_run(genres, several_at_once):
    for run in (genres, several_at_once):
        made = writeup.build_document([run])
        for block in (*made.tables, *made.figures):
            if "published_results" in block.source and "run" not in block.source:
                continue
            files = re.findall(r"[\w]+\.(?:json|csv|toml)", block.source)
            assert run.name in block.source and files, block.name
            assert all((run.path / file).is_file() for file in files), block.source


@pytest.mark.parametrize("which", ["genres", "several_at_once"])
def test_every_figure_in_the_tables_of_the_page_is_in_a_file_of_the_run(which, request, monkeypatch):
    monkeypatch.setattr(matplotlib_plots, "inline", lambda drawing, name, alt: "")
    run = request.getfixturevalue(which)
    known = set()
    for path in run.path.glob("*.json"):
        known |= numbers_in(json.loads(path.read_text()))
    for path in run.path.glob("*.csv"):
        known |= numbers_in([cell for row in csv.reader(path.open(encoding="utf-8")) for cell in row])
    written = {f"{value:.3f}" for value in known}
    page = render_html.to_html(writeup.build_document([run]))
    tables = re.findall(r'<figure class="table" id="table-(.+?)">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert len(tables) > 8
    seen = 0
    for name, body in tables:
        if not name.startswith("reference"):
            figures_of = re.findall(r"(?<![\d.])\d\.\d{3}(?!\d)", body)
            assert set(figures_of) <= written, name
            seen += len(figures_of)
    assert seen > 100


def test_wrong_figures_in_the_report_are_shown_as_they_are_and_never_mended(tmp_path):
    run = make(tmp_path, "a", n=20)
    report = run.read("report.json")
    changed(run, "report.json", metrics={**report["metrics"], "accuracy": 0.123456})
    assert ("accuracy", "0.123") in [
        (row[0], shown(row[1], "en")[:5]) for row in named(writeup.build_document([run]), "figures").rows
    ]


@pytest.mark.parametrize("language", writeup.LANGUAGES)
@pytest.mark.parametrize("ending", writeup.FORMATS)
def test_all_four_formats_are_written_with_what_lies_beside_them(ending, language, small, tmp_path):
    to = tmp_path / f"report{ending}"
    written = writeup.write_report([small], to, language)
    made = writeup.build_document([small], language)
    expected = {f"{figure.name}.{kind}" for figure in made.figures for kind in ("svg", "pdf")}
    expected |= {f"{table.name}.{kind}" for table in made.tables for kind in ("csv", "tex")}
    assert written[0] == to and {path.name for path in written[1:]} == expected | {"CONTENTS.txt"}
    assert {path.parent for path in written[1:]} == {tmp_path / f"{to.name}-files"}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([to.name, f"{to.name}-files"])
    assert all(path.stat().st_size for path in written)
    if ending == ".pdf":
        content = to.read_bytes()
        pages = int(re.search(rb"<xmpTPg:NPages>(\d+)<", content)[1])
        assert content.startswith(b"%PDF") and pages > 5
        assert f"<dc:language><rdf:Bag><rdf:li>{language}<".encode() in content


def test_a_report_is_replaced_by_the_next_one_and_the_same_run_gives_the_same_bytes(small, tmp_path):
    def written():
        return {path.name: path.read_bytes() for to in named for path in writeup.write_report([small], to)}

    named = [tmp_path / f"a{ending}" for ending in writeup.FORMATS]
    first = written()
    matplotlib_plots.saved.cache_clear()
    assert written() == first


@pytest.mark.parametrize("ending", writeup.FORMATS)
def test_what_is_no_report_is_never_written_over(ending, genres, tmp_path):
    to = tmp_path / f"thesis{ending}"
    to.write_text("three years of work")
    with pytest.raises(InputError, match="not written over"):
        writeup.write_report([genres], to)
    assert to.read_text() == "three years of work"
    other = tmp_path / f"new{ending}"
    (tmp_path / f"new{ending}-files").mkdir()
    (tmp_path / f"new{ending}-files" / "photo.jpg").write_text("mine")
    with pytest.raises(InputError, match="holds no report's files"):
        writeup.write_report([genres], other)
    assert not other.exists() and (tmp_path / f"new{ending}-files" / "photo.jpg").read_text() == "mine"


ALMOST = {  # what only tells of reports, however it quotes their marks
    "page.html": f'<!doctype html>\n<html lang="en">\n<body><pre>{render_html.MARK}</pre></body>\n</html>\n',
    "notes.md": f"# Notes\n\n{render_markdown.MARK}\n\nmade by `musicml report`\n",
    "facts.md": f"---\ntitle: mine\n---\n\nwords\n\n{render_markdown.MARK}\n",
    "thesis.tex": f"\\documentclass{{article}}\n{render_latex.MARK}\n",
    "table.tex": f"{render_latex.MARK}; needs \\usepackage{{booktabs, array}}\n",
    "paper.pdf": "%PDF-1.7\n<</Title(On musicml report)/Keywords(musicml report, mine)/Creator(Typst 0.1)>>\n",
}


@pytest.mark.parametrize("name", ALMOST)
def test_a_file_that_only_speaks_of_reports_is_none(name, genres, tmp_path):
    (tmp_path / name).write_text(ALMOST[name])
    with pytest.raises(InputError, match="not written over"):
        writeup.write_report([genres], tmp_path / name)
    assert (tmp_path / name).read_text() == ALMOST[name]


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md"])
def test_a_card_takes_the_place_of_a_card_and_never_of_a_projects_own_page(name, genres, tmp_path):
    to = tmp_path / name
    shutil.copy(Path(writeup.__file__).parent.parent.parent / name, to)
    before = to.read_bytes()
    with pytest.raises(InputError, match="not written over"):
        writeup.write_report([genres], to, card=True)
    assert to.read_bytes() == before
    to.unlink()
    for _ in range(2):
        writeup.write_report([genres], to, card=True)


def test_a_folder_with_something_in_it_that_no_report_put_there_is_not_replaced(small, tmp_path):
    folder = tmp_path / "x.md-files"
    folder.mkdir()
    (folder / "CONTENTS.txt").write_text("chapter 1: Written by musicml report\n")
    with pytest.raises(InputError, match="holds no report's files"):
        writeup.write_report([small], tmp_path / "x.md")
    (folder / "CONTENTS.txt").unlink()
    folder.rmdir()
    writeup.write_report([small], tmp_path / "x.md")
    (folder / "chapter.txt").write_text("mine")
    with pytest.raises(InputError, match="holds chapter.txt, which no report put there"):
        writeup.write_report([small], tmp_path / "x.md")
    assert (folder / "chapter.txt").read_text() == "mine"


def test_other_endings_languages_and_no_runs_are_refused(genres, tmp_path):
    for to, language, some, words in (
        ("a.docx", "en", [genres], r"must end in \.html, \.md, \.tex, \.pdf"),
        ("a.html", "fr", [genres], "must be en or id, and is 'fr'"),
        ("a.html", "en", [], "at least one run"),
    ):
        with pytest.raises(InputError, match=words):
            writeup.write_report(some, tmp_path / to, language)
    assert not list(tmp_path.iterdir())


def test_when_a_figure_can_not_be_drawn_nothing_is_left_behind(genres, tmp_path, monkeypatch):
    def fails(drawing):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(matplotlib_plots, "pdf", fails)
    with pytest.raises(OSError):
        writeup.write_report([genres], tmp_path / "a.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing, ending", [("matplotlib", ".html"), ("typst", ".pdf")])
def test_a_missing_package_is_named_with_its_cure(missing, ending, genres, tmp_path, monkeypatch):
    matplotlib_plots.saved.cache_clear()
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r'pip install -e "\.\[report\]"'):
        writeup.write_report([genres], tmp_path / f"a{ending}")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A run whose classes are named as no class should be."""
    return make(tmp_path_factory.mktemp("runs"), "a_run_with_underscores", n=40, class_names=ODD, draws=20)


def test_no_name_means_anything_to_html(odd):
    page = render_html.to_html(writeup.build_document([odd]))
    assert "<b>&_" not in page and "&lt;b&gt;&amp;_%$#{}~^\\" in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', page):
        assert target in ids
    assert "http-equiv" not in page and not re.search(r'(src|href)="(?!#|https://)', page)


def test_no_name_means_anything_to_markdown(odd):
    page = render_markdown.to_markdown(writeup.build_document([odd]), "report-files")
    assert "\\<b" not in page and "&lt;b&gt;&amp;\\_%\\$\\#\\{\\}\\~\\^\\\\" in page
    for line in page.splitlines():
        if line.startswith("|"):  # as many cells as the head has
            assert len(re.findall(r"(?<!\\)\|", line)) > 2
    tables = re.findall(r"((?:^\|.*\|\n)+)", page, re.MULTILINE)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


def test_no_name_means_anything_to_latex(odd, tmp_path):
    text = render_latex.to_latex(writeup.build_document([odd]), "report-files")
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
    if shutil.which("pdflatex"):
        writeup.write_report([odd], tmp_path / "a.tex")
        made = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"], cwd=tmp_path, capture_output=True
        )
        assert made.returncode == 0, made.stdout[-2000:]


def test_no_name_means_anything_to_typst(odd):
    text = render_pdf.markup(writeup.build_document([odd]))
    assert '"<b>&_%$#{}~^\\\\' in text
    assert render_pdf.to_pdf(writeup.build_document([odd])).startswith(b"%PDF")


def width_of(columns, table):
    """How much of a line a table takes, if a letter is as wide as those of Latin Modern are on average."""
    letter, found = (5.0, 4.2)[len(table.columns) > 6], re.findall(r">.*?p\{([\d.]+)\\linewidth\}|[lr]", columns)
    assert len(found) == len(table.columns)
    cells = [[name, *(shown(row[k], "en") for row in table.rows)] for k, name in enumerate(table.columns)]
    own = [float(share) if share else letter * max(map(len, cells[k])) / 455 for k, share in enumerate(found)]
    return sum(own) + 8 * (len(found) - 1) / 455


def test_no_table_runs_over_the_margin_in_latex(genres, several_at_once, odd, tmp_path):
    some = [make(tmp_path, f"{name}-20260301T141205-s0", family=name, n=20, draws=10) for name in ("transfer", "vgg16")]
    documents = [writeup.build_document(found) for found in ([genres], [several_at_once], [odd], some)]
    tables = [table for made in documents for table in made.tables]
    for table in [*tables, Table("wide", ("class", *(f"column{k}" for k in range(12))), (("a", *range(12)),), "", "")]:
        text = render_latex.fragment(table, "en")
        if len(table.columns) > 16:
            assert "\\resizebox{\\linewidth}" in text, table.name
        else:
            columns = text.split("\\begin{tabular}{@{}")[1].split("@{}}\n")[0]
            assert width_of(columns, table) <= 1, (table.name, columns)


def test_a_table_for_a_spreadsheet_has_points_all_digits_and_no_formula(odd):
    table = named(writeup.build_document([odd], "id"), "per_class")
    rows = list(csv.reader(attachments.as_csv(table).splitlines()))
    assert rows[0][3:6] == ["presisi", "presisi, low", "presisi, high"]
    first = odd.read("report.json")["per_class"][0]
    assert float(rows[1][3]) == first["precision"] and rows[4][0] == "'-"


def test_a_class_with_one_example_and_one_that_is_never_answered_are_told_in_words(tmp_path):
    run = make(tmp_path, "a", n=30, class_names=("gong", "suling", "rebab"))
    report = run.read("report.json")
    rows = report["per_class"]
    rows[0] |= {"support": 1, "intervals": None, "wilson": {"precision": None, "recall": None}}
    rows[1] |= {"said": 0, "precision": None, "f1": 0.0}
    rows[2] |= {"support": 0, "precision": None, "recall": None, "f1": None, "auc": None, "average_precision": None}
    changed(run, "report.json", per_class=rows)
    made = writeup.build_document([run])
    said = " ".join(texts(made))
    assert "With a single test example, whose figures are all or nothing: gong." in said
    assert "Never answered, so that they have no precision: suling." in said
    assert "Without any test example, so that nothing can be said of them: rebab." in said
    table = named(made, "per_class")
    place = table.columns.index("precision")
    assert [shown(row[place], "en") for row in table.rows[1:]] == ["–", "–"]  # and no false 0
    assert all(writeup.render_report(made, tmp_path / f"report{ending}") for ending in writeup.FORMATS)


@pytest.mark.parametrize("language", ["en", "id"])
def test_few_test_groups_and_a_temperature_at_its_bound_are_remarked_on(language, tmp_path):
    few, enough = make(tmp_path, "few", n=40), make(tmp_path, "enough", n=60)
    changed(few, "report.json", temperature=20.0, temperatures=[20.0])
    groups = translate(intervals.describe_few_groups(10, intervals.INTERVAL_METHOD), language)
    bound = translate(calibration.describe_temperature_bound(20.0), language)
    assert groups and bound
    said = " ".join(texts(writeup.build_document([few], language)))
    assert groups in said and bound in said
    changed(few, "report.json", temperatures=None)  # as an earlier musicml wrote it
    assert bound in " ".join(texts(writeup.build_document([few], language)))
    said = " ".join(texts(writeup.build_document([enough], language)))
    assert groups not in said and bound not in said


def test_without_an_interval_a_report_says_why(tmp_path):
    one = make(tmp_path, "one_group", n=20, groups=1)
    said = " ".join(texts(writeup.build_document([one])))
    assert "All test files are of one group" in said and "without an interval" in said
    alike = make(tmp_path, "alike", n=20)
    changed(alike, "report.json", intervals={**alike.read("report.json")["intervals"], "accuracy": None})
    assert "Every draw of the groups gave the same value" in " ".join(texts(writeup.build_document([alike])))


def test_a_main_figure_that_is_not_defined_is_no_0(tmp_path):
    run = make(tmp_path, "a", family="multi", n=30)
    metrics = run.read("report.json")["metrics"]
    del metrics["mean_average_precision"]
    changed(run, "report.json", metrics=metrics)
    assert "mean average precision, is not defined" in " ".join(texts(writeup.build_document([run])))


def test_scores_that_are_no_numbers_reach_a_person_as_one_sentence(tmp_path, capsys):
    run = make(tmp_path, "a", n=20, status="broken", damage="scores nan")
    assert main(["report", str(run.path), "--to", str(tmp_path / "a.html")]) == 2
    said = capsys.readouterr().err.strip()
    assert "must hold scores from 0 to 1, and row 2 has nan" in said and len(said.splitlines()) == 1
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize("status", ["started", "training", "trained"])
def test_a_run_that_is_not_whole_is_refused_with_its_cure(status, tmp_path):
    run = make(tmp_path, "a", n=20, status=status)
    with pytest.raises(InputError, match="must be whole before a report is written of it.*train --resume"):
        writeup.build_document([run])


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_is_damaged_a_report_is_written_or_refused_in_a_sentence(damage, tmp_path):
    run = make(tmp_path, "a", n=20, status="broken", damage=damage)
    try:
        made = writeup.build_document([run], "id")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert render_markdown.to_markdown(made, "x") and render_latex.to_latex(made, "x") and render_pdf.markup(made)


@pytest.mark.parametrize("name", ["history.csv", "layers.json", "split.csv", "excluded.csv"])
def test_a_file_that_is_missing_is_told_and_the_rest_is_there(name, tmp_path):
    run = make(tmp_path, "a", n=20)
    whole = writeup.build_document([run])
    (run.path / name).unlink()
    made = writeup.build_document([run])
    assert name in " ".join(block.text for block in made.blocks if isinstance(block, blocks.Note))
    assert named(made, "per_class").rows == named(whole, "per_class").rows


def test_a_report_of_an_older_musicml_is_told_what_it_lacks(tmp_path):
    run = make(tmp_path, "a", family="multi", n=30)
    report = run.read("report.json")
    new = ("reliability", "reliability_before", "temperature", "at_half", "thresholds")
    for row in report["per_class"]:
        row.pop("wilson", None)
    changed(run, "report.json", **dict.fromkeys(new), per_class=report["per_class"])
    said = " ".join(texts(writeup.build_document([run])))
    for words in ("bins of a reliability diagram are not in", "threshold of 0.5 are not in", "Wilson's intervals of"):
        assert words in said
    temperature = next(
        row for row in named(writeup.build_document([run]), "calibration").rows if "temperature, f" in row[0]
    )
    assert temperature[1] == run.read("serving.json")["temperature"]


def test_both_thresholds_and_the_reliability_diagram_stand_in_a_report(several_at_once):
    made = writeup.build_document([several_at_once])
    report = several_at_once.read("report.json")
    table = named(made, "thresholds")
    row = next(row for row in table.rows if row[0] == "macro F1")
    assert (row[1].value, row[2].value) == (report["at_half"]["metrics"]["macro_f1"], report["metrics"]["macro_f1"])
    drawn = next(figure for figure in made.figures if figure.name == "reliability")
    assert [point[2] for point in drawn.drawing.series[0][1]] == [row["n"] for row in report["reliability"]]


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
    changed(run, "report.json", **made)
    low, high = made["intervals"]["accuracy"]
    assert 0.93 < low < 149 / 150 < high < 1.0
    english, indonesian = (" ".join(texts(writeup.build_document([run], language))) for language in writeup.LANGUAGES)
    assert f"accuracy 0.993, with a 95 % interval from {low:.3f} to {high:.3f}" in english
    assert "Of the 150 test files 149 were told right." in english
    commas = f"{low:.3f} sampai {high:.3f}".replace(".", ",")
    assert f"akurasi 0,993, dengan selang kepercayaan 95 % dari {commas}" in indonesian
    assert "accuracy 0.990 (0.963–0.999), 149 of 150 right" in english  # the published one beside it
    by_class = {row[0]: row[2] for row in named(writeup.build_document([run]), "per_class_wilson").rows}
    wrong = by_class.pop(rows[0]["labels"])
    assert shown(wrong, "en") == "0.800 (0.376–0.964)"  # 4 of 5
    assert {shown(recall, "en") for recall in by_class.values()} == {"1.000 (0.566–1.000)"}  # 5 of 5


def test_a_caption_says_which_intervals_come_from_no_drawing(small):
    assert (
        "of an accuracy Wilson's, where every file is a group of its own"
        in named(writeup.build_document([small]), "figures").caption
    )


def test_a_run_judged_in_folds_has_no_threshold_and_no_temperature_but_each_folds_own(tmp_path):
    run = make(tmp_path, "a", family="multi", n=30)
    facts, judged = run.read("run.json"), run.read("report.json")
    changed(run, "run.json", split={**facts["split"], "folds": 3})
    files.write_json(
        run.path / "report.json", {**judged, "split": "out of fold", "thresholds": None, "temperature": None}
    )
    for _ in range(2):
        made = writeup.build_document([run])
        table = named(made, "per_class_thresholds")
        assert {row[1] for row in table.rows} == {"each fold's own"}
        assert named(made, "calibration").rows[-1][1] == "each fold's own"
        assert "serving.json" not in table.source + named(made, "calibration").source
        said = " ".join(texts(made))
        assert "Each fold has its own thresholds" in said and "Each fold has its own temperature" in said
        assert "on 30 out-of-fold files of" in said and "validation the model was" not in said
        assert not re.search(r"\btest (file|example)s?\b", without_published(made))
        changed(run, "report.json", thresholds=None, temperature=None)  # as an older musicml left them out
    assert yaml.safe_load(model_card.render(run).split("---\n")[1])["model-index"][0]["results"][0]["dataset"][
        "split"
    ] == ("out of fold")
    assert "pada 30 berkas di luar fold dari" in " ".join(texts(writeup.build_document([run], "id")))


def without_published(document):
    """What a document says of its own runs."""
    heads = [
        place for place, block in enumerate(document.blocks) if isinstance(block, blocks.Heading) and block.level == 1
    ]
    begin = next(place for place in heads if document.blocks[place].text in ("Published results", "Hasil publikasi"))
    end = next(place for place in heads if place > begin)
    return " ".join(texts(replace(document, blocks=(*document.blocks[:begin], *document.blocks[end:]))))


def test_a_run_judged_on_validation_is_never_said_to_be_tested(tmp_path):
    for family in ("gru", "multi"):
        run = changed(make(tmp_path, family, n=30, family=family), "report.json", split="val")
        made = writeup.build_document([run])
        assert not re.search(r"\btest (file|example)s?\b", without_published(made))
        assert "on 30 validation files of" in " ".join(texts(made))
        indonesian = writeup.build_document([run], "id")
        assert "30 berkas validasi" in " ".join(texts(indonesian))
        assert not re.search(r"\b(berkas|contoh) uji\b", without_published(indonesian))
        front = yaml.safe_load(model_card.render(run).split("---\n")[1])
        assert front["model-index"][0]["results"][0]["dataset"]["split"] == "validation"


@pytest.mark.parametrize(("language", "words"), [("en", "Training"), ("id", "Pelatihan")])
def test_a_training_that_ended_early_is_said_to_have(tmp_path, language, words):
    sentence = (
        "The training stopped in epoch 3 (stage all), since its loss became nan: the weights of epoch 2 are kept. To "
        "train longer, lower training.learning_rate or set training.clipnorm=1.0."
    )
    run = changed(make(tmp_path, "a", family="multi", n=30), "run.json", warnings=[sentence])
    made = writeup.build_document([run], language)
    (note,) = [block for block in made.blocks if isinstance(block, blocks.Note) and block.kind == "training"]
    assert note.text.startswith(f"{words} ({run.name}): ")
    assert (sentence in note.text) == (language == "en") and "epoch 3" in note.text


def test_thresholds_that_come_from_serving_json_are_said_to(tmp_path):
    run = changed(make(tmp_path, "a", family="multi", n=30), "report.json", thresholds=None)
    table = named(writeup.build_document([run]), "per_class_thresholds")
    assert "serving.json" in table.source and table.rows[0][1] == run.read("serving.json")["thresholds"][0]


def test_the_command_to_repeat_a_run_names_the_same_experiment(tmp_path, monkeypatch):
    run = make(tmp_path / "runs", "a", family="gru", n=20, overrides={"training.epochs": 2})
    code = next(block for block in writeup.build_document([run]).blocks if isinstance(block, blocks.Code)).text
    assert code == "musicml train genre_gru --data sample --seed 0 --set training.epochs=2"
    assert Path("experiments/genre_gru.toml").is_file()
    assert (
        config.read_experiment(run.path / "experiment.toml").name == "experiment"
    )  # which is why that file isn't named
    assert "`a/experiment.toml`" in " ".join(texts(writeup.build_document([run])))
    monkeypatch.chdir(tmp_path)
    assert "`runs/a/experiment.toml`" in " ".join(texts(writeup.build_document([run])))
    changed(run, "run.json", published={"reference": "gtzan_gru"}, experiment="genres_gru")
    assert reproducibility.command(run_data.read(run)).startswith("musicml train as_published/genres_gru ")


def test_an_address_does_not_end_a_cell_of_a_table_in_markdown():
    table = Table("a", ("what", "value"), (("page", "https://x.org/a|b"),), "", "")
    assert render_markdown.table(table, "en").splitlines()[-1] == "| page | <https://x.org/a%7Cb> |"


def test_no_heading_is_hyphenated_and_long_names_above_columns_may_break(tmp_path):
    name = "instrument_images_resnet50-20260301T141205-s0"
    table = Table("a", ("key", name), (("x", "y"),), "", "")
    typst = pytest.importorskip("typst")
    assert f"strong({render_pdf.breakable(name)})" in render_pdf.table(
        table, "en"
    ) and render_pdf.BREAK in render_pdf.table(table, "en")
    assert render_pdf.in_two("only the first right") == ("only the", "first right") and render_pdf.in_two("p") == ("p",)
    long = Table("a", ("pair " * 12 + "x", "only the first right"), (("x " * 40, 3),), "", "")
    assert 'strong("only the") + linebreak() + strong("first right")' in render_pdf.table(long, "en")
    made = blocks.Document("images " * 9, "en", (blocks.Heading("The images " * 9), blocks.Paragraph("images")))
    (tmp_path / "a.typ").write_text(render_pdf.markup(made) + "\n#context [#metadata(text.hyphenate) <body>]")
    heads = render_pdf.STYLE.read_text()
    assert "show heading: set text(hyphenate: false)" in heads and heads.count("hyphenate: false") == 2
    assert typst.query(str(tmp_path / "a.typ"), "<body>", field="value", one=True) == "true"


@pytest.mark.numeric
def test_published_tables_have_wilsons_intervals_where_it_is_known_of_how_many(genres, several_at_once):
    table = named(writeup.build_document([genres]), "reference-gtzan_cnn")
    reggae = next(row for row in table.rows if row[0] == "reggae")
    recall = reggae[table.columns.index("recall")]
    assert recall.value == 0.17 and recall.interval == pytest.approx((0.030053, 0.563503), abs=1e-6)  # 1 of 6
    made = writeup.build_document([several_at_once])
    precision = named(made, "reference-openmic_vggish_forest")
    assert all(row[precision.columns.index("precision")].interval is None for row in precision.rows)
    assert any("No counts were published" in text for text in texts(made))
    cnn = named(made, "reference-openmic_cnn")
    assert "of 374 test files. No counts were published for a class" in cnn.caption and len(cnn.rows) == 3


@pytest.mark.parametrize(
    "family, words",
    [
        ("transfer", "VGG16, frozen, with a new head: accuracy 0.960 (0.915–0.982), 144 of 150 right; macro precision"),
        ("sounds", "ResNet50, pretrained, on spectrograms: macro ROC-AUC 0.902–0.908."),
        ("gru", "GRU on MFCC: accuracy 0.788; loss 0.805"),
    ],
)
def test_of_a_published_system_without_a_table_of_classes_that_is_said(family, words, tmp_path):
    said = " ".join(texts(writeup.build_document([make(tmp_path, "a", family=family, n=20, draws=10)])))
    assert words in said.split("no table of classes was published;")[1]


@pytest.mark.numeric
def test_runs_beside_each_other_are_compared_by_a_paired_test_and_seeds_have_a_spread(tmp_path):
    some = [make(tmp_path, f"run{seed}", n=60, seed=seed, draws=40) for seed in (0, 1)]
    some.append(make(tmp_path, "rival", family="gru", n=60))
    made = writeup.build_document(some)
    pairs = named(made, "pairs")
    assert len(pairs.rows) == 3 and all("exact sign flips of groups" in row for row in pairs.rows)
    assert any(re.search(r"was right on \d+ more of 60 files|equally many of 60", text) for text in texts(made))
    seeds = named(made, "seeds").rows[0]
    values = [run.read("report.json")["metrics"]["accuracy"] for run in some[:2]]
    assert seeds[2] == 2 and seeds[3] == pytest.approx(sum(values) / 2)
    assert [row[0] for row in named(made, "comparison").rows] == ["run0", "run1", "rival"]
    names = [block.name for block in made.figures]
    assert len(set(names)) == len(names) and any("same data as of run run0" in text for text in texts(made))


def test_runs_of_other_data_stand_side_by_side_without_a_test_and_it_is_said_why(genres, several_at_once, tmp_path):
    made = writeup.build_document([genres, several_at_once], "id")
    said = " ".join(texts(made))
    assert "Tidak ada uji berpasangan" in said and "harus diuji pada contoh yang sama" in said
    assert not [table for table in made.tables if table.name == "pairs"]
    with pytest.raises(InputError, match="one run, and 2"):
        writeup.write_report([genres, several_at_once], tmp_path / "README.md", card=True)


def test_a_run_that_is_named_twice_is_one(genres):
    assert writeup.build_document([genres, runs.Run(genres.path)]) == writeup.build_document([genres])


def test_a_replay_says_what_is_wrong_with_its_protocol_and_what_the_honest_run_gives(tmp_path):
    honest, replay = make(tmp_path, "honest", n=20, family="gru"), make(tmp_path, "replay", n=20, family="gru")
    fault = "Pieces of a track were on both sides."
    published = {"reference": "gtzan_gru", "honest": "genre_gru", "fault": fault, "figures": ["accuracy"]}
    changed(replay, "run.json", published=published, protocol="as published", experiment="genres_gru")
    served = {"first_second": {"accuracy": 0.25, "accuracy_interval": [0.1, 0.5], "n": 20}}
    changed(replay, "report.json", as_served=served, protocol="as published", split="val")
    made = writeup.build_document([replay, honest])
    said = " ".join(texts(made))
    figure = shown(Estimate(*told_figure(honest)), "en")
    assert fault in said and f"by run honest of genre_gru: accuracy {figure}" in said
    assert "Published: accuracy 0.788." in said and "is known to be faulty" in said
    assert "judged on the validation side" in said
    assert ("heard for one second · accuracy", Estimate(0.25, (0.1, 0.5))) in named(made, "as_served-1").rows
    assert "rivals of honest ones" in said and not [table for table in made.tables if table.name == "pairs"]
    assert "name its run beside this one" in " ".join(texts(writeup.build_document([replay])))


def test_a_split_that_keeps_nothing_together_is_never_said_to_keep_groups_apart(tmp_path):
    apart = "No group stands on more than one side"
    run = make(tmp_path, "a", n=20)
    assert apart in " ".join(texts(writeup.build_document([run])))
    facts = run.read("run.json")
    changed(run, "run.json", data={**facts["data"], "as_published": True})
    said = " ".join(texts(writeup.build_document([run])))
    assert apart not in said and "may stand on several sides. What was tested may be known from training" in said
    by_track = {**facts["settings"], "data": {**facts["settings"]["data"], "split": "track"}}
    changed(run, "run.json", data=facts["data"], settings=by_track)
    assert "looks at files, or pieces of files, one by one" in " ".join(texts(writeup.build_document([run])))
    rows = [{**row, "group": row["example"]} for row in run.table("split.csv")]
    files.write_csv(run.path / "split.csv", rows, list(rows[0]))
    changed(run, "run.json", settings=facts["settings"])
    assert "nothing says which files belong together" in " ".join(texts(writeup.build_document([run])))


def told_figure(run):
    one = run_data.read(run)
    return one.main, one.interval("accuracy")


def test_the_audit_that_was_kept_of_the_data_stands_in_the_report(tmp_path, monkeypatch):
    from musicml.data.audit import audit
    from musicml.data.audit.findings import Audit, AuditFinding
    from musicml.reports.sections import data as about_data

    run = make(tmp_path / "runs", "a", n=20)
    examples = tuple(Example(f"{k}.wav", tmp_path, {"low": True}, str(k)) for k in range(3))
    dataset = Dataset("gtzan", "sound", "single", "genre", ("low", "high"), examples)
    monkeypatch.setattr(about_data, "reload_dataset", lambda data, root=None: dataset)
    assert any(
        "Not audited" in text and "`musicml audit gtzan`" in text for text in texts(writeup.build_document([run]))
    )
    found = [
        AuditFinding("unreadable", "fault", "2 of 3 files can't be read.", "They count in no figure."),
        AuditFinding("balance", "fine", "ok"),
    ]
    kept = Audit("gtzan", True, False, 3, 1.0, tuple(found), (), None, dataset.hash())
    path = audit.get_audit_path(tmp_path, dataset)
    path.parent.mkdir()
    path.write_text(json.dumps(kept.as_table()))
    table = named(writeup.build_document([run], data_root=tmp_path), "audit")
    assert table.source == f"From .audit/{path.name} below the data root."
    assert table.rows == (("fault", "2 of 3 files can't be read.", "They count in no figure."),)
    path.write_text("{}")
    assert any("must hold an audit" in text for text in texts(writeup.build_document([run], data_root=tmp_path)))


def test_a_card_has_facts_that_hugging_face_reads_and_the_sections_of_one(several_at_once, tmp_path):
    to = tmp_path / "README.md"
    assert writeup.write_report([several_at_once], to, card=True) == [to]
    _, front, body = to.read_text().split("---\n", 2)
    facts, report = yaml.safe_load(front), several_at_once.read("report.json")
    assert facts["library_name"] == "keras" and facts["pipeline_tag"] == "audio-classification"
    assert "sample-data" in facts["tags"] and "license" not in facts
    result = facts["model-index"][0]["results"][0]
    assert result["metrics"][0]["value"] == report["metrics"]["mean_average_precision"]
    for head in ("Model details", "Uses", "Training data", "Evaluation", "Limitations", "Citation"):
        assert f"\n## {head}\n" in body
    assert "95 % interval from" in body and "## Rincian model" in model_card.render(several_at_once, "id")
    with pytest.raises(InputError, match=r"ends in \.md"):
        writeup.write_report([several_at_once], tmp_path / "card.html", card=True)


def test_the_command_writes_a_report_and_says_where(small, tmp_path, capsys):
    words = ["report", small.name, "--runs", str(small.path.parent), "--to", str(tmp_path / "a.md"), "--lang", "id"]
    assert main(words) == 0
    assert str(tmp_path / "a.md-files") in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["runs"] == [small.name] and len(said["files"]) > 20
    assert "# Laporan" in (tmp_path / "a.md").read_text()


def test_a_bar_that_is_not_defined_is_said_in_words_and_not_drawn_as_0():
    drawn = matplotlib_plots.drawn(Bars((("gong", None, None), ("suling", 0.0, (0.0, 0.2))), "F1", "not defined"))
    assert [text.get_text() for text in drawn.axes[0].texts] == ["not defined"]
    assert len(drawn.axes[0].patches) == 1


def test_numbers_are_written_as_the_language_writes_them():
    assert [shown(cell, "id") for cell in (0.5, 12345, None, "x", True, -0.0001)] == [
        *("0,500", "12.345", "–", "x", "true", "0,000")
    ]
    assert shown(Estimate(None, (0.1, 0.2)), "en") == "–"
