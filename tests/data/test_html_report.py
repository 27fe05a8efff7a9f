"""The HTML page of an audit: complete, safe, small, and clear about synthetic data."""

import base64
import io
import re
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from PIL import Image

from musicml.data.audit import html_report
from musicml.data.audit.findings import Audit, AuditFinding, DuplicatePair
from musicml.data.audit.html_report import media
from musicml.data.datasets.base import Dataset, Example
from musicml.utils import translate
from musicml.utils.errors import InputError

HOSTILE = "drum/<script>alert(1)</script>&\"'$body .jpg"
FAULT = AuditFinding(
    "exact_duplicates", "fault", "2 files are equal.", "A figure is too good.", ("drum/0.jpg", "drum/1.jpg")
)
FINE = AuditFinding("unreadable", "fine", "Every file can be read.")
VOID = {"meta", "img"}


class Seen(HTMLParser):
    """A parsed page: its elements and text; every opened element must be closed."""

    def __init__(self, document):
        super().__init__()
        self.elements, self.words, self.open, self.headings = [], [], [], []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def said(self):
        return " ".join(" ".join(self.words).split())


def dataset_of(root, names, kind="picture", sample=False):
    """Tiny files of two classes, alternately in the training and the test split."""
    examples = []
    for k, name in enumerate(names):
        path = root / f"{k}.{'jpg' if kind == 'picture' else 'wav'}"
        if kind == "picture":
            Image.new("RGB", (300, 200), (40 * k % 255, 90, 90)).save(path)
        else:
            soundfile.write(path, 0.3 * np.sin(np.arange(8 * 8_000) * (0.1 + 0.01 * k)), 8_000)
        examples.append(
            Example(name, root, {("drum", "flute")[k % 2]: True}, name, ("train", "test")[k // 2 % 2], path.name)
        )
    return Dataset("tiny", kind, "single", "class", ("drum", "flute"), tuple(examples), source={"sample": sample})


def pair_of(dataset, first, second, how="equal content"):
    one, two = dataset.examples[first], dataset.examples[second]
    return DuplicatePair(one.id, two.id, True, how, (one.label, two.label), (one.split, two.split))


def audit_of(dataset, *found, findings=(FINE, FAULT), lengths=None, **changed):
    near = AuditFinding("near_duplicates", "caution", "Some files are alike.", pairs=tuple(found))
    classes = tuple(
        {"class": name, "train": 6 - 3 * k, "val": 0, "test": 2, "none": 0, "total": 8 - 3 * k}
        for k, name in enumerate(dataset.class_names)
    )
    facts = {"sample": dataset.sample, "as_published": False, "n": len(dataset.examples), "seconds": 1.0} | changed
    return Audit(dataset.name, findings=(*findings, near), classes=classes, lengths=lengths, hash="0" * 16, **facts)


def see(dataset, *found, **changed):
    """The page of an audit with some pairs."""
    return Seen(html_report.render_audit_html(audit_of(dataset, *found, **changed), dataset))


@pytest.fixture
def pictures(tmp_path):
    return dataset_of(tmp_path, [f"drum/{k}.jpg" for k in range(6)])


@pytest.fixture
def sounds(tmp_path):
    return dataset_of(tmp_path, [f"flute/{k}.wav" for k in range(3)], "sound")


# what it says


def test_the_most_severe_findings_come_first_with_severity_and_effect(pictures):
    document = html_report.render_audit_html(audit_of(pictures), pictures, on=date(2026, 3, 1))
    words = Seen(document).said
    places = [words.index(part) for part in ("Error 2 files are equal.", "Warning Some files", "OK Every file")]
    assert places == sorted(places)
    assert "A figure is too good." in words and "Affected files: 2 drum/0.jpg drum/1.jpg" in words
    assert "<title>Audit of tiny</title>" in document and "2026-03-01" in words


@pytest.mark.parametrize("is_so", [True, False])
def test_synthetic_data_and_data_as_published_are_named(is_so, tmp_path):
    seen = see(dataset_of(tmp_path, ["a", "b"], sample=is_so), as_published=is_so)
    assert ("synthetic sample data" in seen.said) is is_so and ("as published" in seen.said) is is_so


def test_bars_are_as_long_as_their_counts(pictures):
    seen = see(pictures)
    widths = [a["style"] for a in seen.all("span") if "style" in a]
    assert widths == ["width:75.00%", "width:25.00%", "width:37.50%", "width:25.00%"]
    assert "drum 6 2 8 flute 3 2 5" in seen.said and "Validation" not in seen.said, "no column of noughts"


def test_only_sounds_have_lengths(pictures, sounds):
    lengths = {"seconds": {"least": 2.04, "median": 30.0}, "rates": {"22050": 7}, "channels": {"1": 7}}
    words = see(sounds, lengths=lengths).said
    assert "Shortest 2.0 s" in words and "22050 Hz 7" in words
    assert "File length" not in see(pictures).said


def test_the_page_can_be_indonesian(pictures):
    audit = audit_of(pictures, pair_of(pictures, 0, 2), findings=())
    seen = Seen(html_report.render_audit_html(audit, pictures, "id"))
    assert seen.all("html") == [{"lang": "id"}]
    assert "Pemeriksaan tiny" in seen.said and "Bagian: Pelatihan" in seen.said
    assert not re.search(r"\b(the|of|files|class|side|both)\b", seen.said.replace("Some files are alike.", ""))


# pairs


def test_pairs_across_splits_come_first_then_those_across_labels(pictures):
    others, sides, labels = (pair_of(pictures, *two) for two in ((0, 4), (0, 2), (0, 1)))
    words = see(pictures, others, labels, sides).said
    heads = ("Across splits", "Across labels", "Within one split and label")
    places = [words.index(head) for head in heads]
    assert places == sorted(places)
    assert "drum/2.jpg" in words[places[0] : places[1]] and "drum/1.jpg" in words[places[1] : places[2]]


def test_pictures_are_thumbnails_with_alternative_text(pictures):
    seen = see(pictures, pair_of(pictures, 0, 2, "hash distance 2"))
    images = seen.all("img")
    assert [image["alt"] for image in images] == ["Picture drum/0.jpg", "Picture drum/2.jpg"]
    for image in images:
        with Image.open(io.BytesIO(content(image["src"]))) as opened:
            assert opened.format == "JPEG" and max(opened.size) == media.MAX_SIDE
            assert opened.size == (int(image["width"]), int(image["height"]))
    assert "Hash distance 2" in seen.said and "Split: Training" in seen.said and "Split: Test" in seen.said


@pytest.mark.numeric
def test_sounds_are_players_of_their_first_seconds(sounds):
    players = see(sounds, pair_of(sounds, 0, 2)).all("audio")
    assert [one["aria-label"] for one in players] == ["Player of flute/0.wav", "Player of flute/2.wav"]
    for one in players:
        assert "controls" in one and "autoplay" not in one
        y, rate = soundfile.read(io.BytesIO(content(one["src"])))
        assert rate == media.SAMPLE_RATE and y.ndim == 1
        assert len(y) / rate == pytest.approx(media.SECONDS, abs=0.2)


def content(uri):
    return base64.b64decode(uri.split(";base64,")[1])


def test_a_damaged_file_shows_its_error_next_to_the_other_file(pictures):
    pictures.examples[0].path.write_bytes(b"no picture at all")
    lost = DuplicatePair("drum/1.jpg", "gone.jpg", False, "alike", ("drum", ""), ("", ""))
    seen = see(pictures, pair_of(pictures, 0, 2), lost)
    assert len(seen.all("img")) == 2
    assert "picture in drum/0.jpg, but" in seen.said and "not an example of the dataset" in seen.said
    assert str(pictures.examples[0].path.parent) not in seen.said, "where this machine keeps it is nobody's business"


def test_no_more_than_sixty_pairs_are_embedded_and_the_rest_are_counted(pictures, monkeypatch):
    assert "No duplicates were found" in see(pictures).said
    names = [f"{k:03}.jpg" for k in range(70)]
    seen = see(pictures, *(DuplicatePair("drum/0.jpg", name, False, "alike", ("a", "a"), ("", "")) for name in names))
    assert len(seen.all("figure")) == 120 and "10 more pairs are not on this page" in seen.said
    monkeypatch.setattr(html_report, "MAX_CHARACTERS", 1_000)
    seen = see(pictures, *(pair_of(pictures, k, k + 1) for k in range(5)))
    assert f"{5 - len(seen.all('img')) // 2} more pairs" in seen.said and len(seen.all("img")) < 10


def test_however_large_its_files_a_page_stays_below_five_megabytes(pictures, monkeypatch):
    large = media.Embedded("data:image/jpeg;base64," + 100_000 * "A", (200, 200))
    monkeypatch.setattr(html_report, "embed", lambda *_: large)
    ids = [example.id for example in pictures.examples]
    found = tuple(DuplicatePair(ids[0], ids[1], False, f"way {k}", ("", ""), ("", "")) for k in range(70))
    monkeypatch.setattr(Audit, "pairs", found)
    document = html_report.render_audit_html(audit_of(pictures), pictures)
    n = document.count(large.uri) // 2
    assert 4_000_000 < len(document) < 5_000_000 and f"{len(found) - n} more pairs" in document


def test_long_lists_of_files_and_classes_are_cut_and_the_rest_counted(pictures, monkeypatch):
    monkeypatch.setattr(html_report, "MAX_LISTED", 1)
    words = see(pictures).said
    assert "1 more files are not listed" in words and "1 more classes are not listed" in words


# as a document


@pytest.mark.parametrize(
    "name", [HOSTILE, "a\x00b\u202egpj.exe", "x' onerror='alert(1)", "]]><!--", "é\udcff", "a" * 900]
)
def test_a_hostile_name_is_never_markup(name, tmp_path):
    dataset = dataset_of(tmp_path, [name, "drum/1.jpg", "drum/2.jpg"])
    odd = AuditFinding(name, "fault", f"{name} is odd.", f"{name} harms.", (name,))
    pair = DuplicatePair(name, "drum/2.jpg", False, name, (name, name), ("train", "test"))
    audit = audit_of(dataset, pair, findings=(odd,))
    audit = Audit(**{**vars(audit), "dataset": name, "classes": ({"class": name, "train": 1, "total": 1},)})
    plain = see(dataset, pair_of(dataset, 0, 2), findings=(FAULT,))
    html_report.write_audit_html(audit, dataset, tmp_path / "out.html")
    seen = Seen((tmp_path / "out.html").read_text(encoding="utf-8"))
    assert {tag for tag, _ in seen.elements} == {tag for tag, _ in plain.elements}
    kinds = {attribute for _, attributes in plain.elements for attribute in attributes}
    assert {attribute for _, attributes in seen.elements for attribute in attributes} == kinds
    assert "\x00" not in seen.said and "\u202e" not in seen.said and seen.open == []


def test_the_page_loads_nothing_and_forbids_scripts(pictures, sounds):
    for dataset in (pictures, sounds):
        document = html_report.render_audit_html(audit_of(dataset, pair_of(dataset, 0, 2)), dataset)
        seen = Seen(document)
        assert not {"script", "link", "iframe", "base", "form"} & {tag for tag, _ in seen.elements}
        addresses = [a[key] for _, a in seen.elements for key in ("src", "href", "action", "data") if key in a]
        assert addresses and all(address.startswith("data:") for address in addresses)
        assert "default-src 'none'" in document and "url(" not in document and "@import" not in document


def test_headings_go_down_one_level_at_a_time_and_tables_have_headers(pictures):
    seen = see(pictures, pair_of(pictures, 0, 2))
    assert seen.headings[0] == 1 and seen.headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(seen.headings, seen.headings[1:], strict=False))
    assert all("scope" in head for head in seen.all("th"))
    assert seen.all("html") == [{"lang": "en"}] and len(seen.all("main")) == 1


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_has_enough_contrast_in_light_and_dark(scheme):
    style = html_report.TEMPLATE.read_text(encoding="utf-8")
    colors = dict(re.findall(r"--(\w+): (#\w+)", re.findall(r":root \{[^}]*--page[^}]*\}", style)[scheme]))
    for ink in ("ink", "soft", "fault", "caution", "fine"):
        assert all(contrast(colors[ink], colors[ground]) >= 4.5 for ground in ("page", "card")), ink
    for bar in ("train", "val", "test", "none"):
        assert contrast(colors[bar], colors["page"]) >= 3, bar


def contrast(one, other):
    """The contrast ratio of two colors, 1 to 21 (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color):
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# as a file


def test_only_html_files_are_overwritten(pictures, tmp_path):
    thesis, old = tmp_path / "thesis.txt", tmp_path / "old.HTML"
    for path in (thesis, old):
        path.write_text("three years of work")
    with pytest.raises(InputError, match=r"ends in \.html, got .*thesis\.txt") as refused:
        html_report.write_audit_html(audit_of(pictures), pictures, thesis)
    assert thesis.read_text() == "three years of work"
    assert translate(refused.value.message, "id").endswith("Pilih nama lain.")
    html_report.write_audit_html(audit_of(pictures), pictures, old)
    assert old.read_text(encoding="utf-8").startswith("<!doctype html>")
    (tmp_path / "page.html").mkdir()
    with pytest.raises(InputError, match="got a folder"):
        html_report.write_audit_html(audit_of(pictures), pictures, tmp_path / "page.html")


def test_a_failed_page_leaves_the_old_one_unchanged(pictures, tmp_path, monkeypatch):
    old = tmp_path / "page.html"
    old.write_text("an older page")
    monkeypatch.setattr(html_report, "embed", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        html_report.write_audit_html(audit_of(pictures, pair_of(pictures, 0, 2)), pictures, old)
    assert old.read_text() == "an older page" and [path.name for path in tmp_path.glob("*.html")] == ["page.html"]
