"""Read the question bank: `questions/questions.md` has each question and its answer in both languages.

The site of the documentation shows the questions. Only the teacher's build has the answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent / "questions/questions.md"
LANGUAGES = ("en", "id")
# the kinds of questions, with their names in both languages
KINDS = {
    "compute": ("compute", "hitung"),
    "explain": ("explain", "jelaskan"),
    "fault": ("find the fault", "temukan kesalahannya"),
    "choose": ("choose and give reasons", "pilih dan beri alasan"),
}
WORDS = {"lesson": ("Lesson", "Pelajaran"), "answer": ("Answer", "Jawaban"), "title": ("Questions", "Pertanyaan")}
BLOCK = re.compile(r"^::: (\w+)\n(.*?)\n:::$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Question:
    """A question.

    Attributes
    ----------
    number : the lesson and the place in it, such as `3.2`
    kind : one of `KINDS`
    text, answer : language → Markdown
    """

    number: str
    kind: str
    text: dict[str, str]
    answer: dict[str, str]


def read_questions(source: Path = SOURCE) -> list[Question]:
    """Read all questions in the order of the lessons.

    Raises
    ------
    ValueError
        If a question lacks a language or an answer, has an unknown kind, or text stands outside of a language.
    """
    questions = []
    lessons = [body for _, body in _split(source.read_text(encoding="utf-8"), "# ")]
    for heading, body in (question for lesson in lessons for question in _split(lesson, "## ")):
        number, _, kind = heading.partition(" ")
        parts = re.split(r"^### answer$", body, flags=re.MULTILINE)
        if kind not in KINDS or len(parts) != 2:
            raise ValueError(f"{source}: question {number} needs a kind ({', '.join(KINDS)}) and one `### answer`")
        questions.append(Question(number, kind, *(_read_languages(part, f"{source}: {heading}") for part in parts)))
    return questions


def read_titles(source: Path = SOURCE) -> dict[str, dict[str, str]]:
    """Read the titles of the lessons: number → language → title."""
    titles = _split(source.read_text(encoding="utf-8"), "# ")
    return {number: _read_languages(body.split("\n## ")[0], f"{source}: {number}") for number, body in titles}


def write_questions(language: str, with_answers: bool = False) -> str:
    """Write the questions of all lessons as Markdown, in one language."""
    place = LANGUAGES.index(language)
    lines: list[str] = []
    questions, titles = read_questions(), read_titles()
    for lesson, title in titles.items():
        lines += [f"## {WORDS['lesson'][place]} {lesson}: {title[language]}", ""]
        for question in questions:
            if question.number.partition(".")[0] == lesson:
                lines += [f"**{question.number}** ({KINDS[question.kind][place]}) {question.text[language]}", ""]
                if with_answers:
                    lines += [f"**{WORDS['answer'][place]}.** {question.answer[language]}", ""]
    return "\n".join(lines)


def write_answers(folder: Path) -> None:
    """Write the questions with answers into `questions.md`, in one folder per language."""
    for place, language in enumerate(LANGUAGES):
        text = f"# {WORDS['title'][place]}\n\n{write_questions(language, with_answers=True)}"
        (folder / language).mkdir(parents=True, exist_ok=True)
        (folder / language / "questions.md").write_text(text, encoding="utf-8")


def _split(text: str, mark: str) -> list[tuple[str, str]]:
    """Split a text at headings of one level: heading → what follows."""
    parts = re.split(rf"^{mark}(.+)$", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def _read_languages(text: str, place: str) -> dict[str, str]:
    """Read a text in all languages, and check that there is nothing else."""
    found = dict(BLOCK.findall(text))
    if tuple(found) != LANGUAGES or BLOCK.sub("", text).strip():
        raise ValueError(f"{place}: expected one block `::: en` and one `::: id`, and no text outside of them")
    return {language: block.strip() for language, block in found.items()}
