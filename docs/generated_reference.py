"""Sphinx extension that writes parts of the reference from the code, each time the site is built.

A page says where such a part goes with a line such as "(`make docs` writes this part: commands)".
It also lets translators translate the comments in code blocks, which Sphinx cannot do by itself, and draws the figures
of the course pack.
"""

import argparse
import ast
import dataclasses
import os
import re
import tomllib
import typing
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

from lessons.figures import write_captions, write_language
from lessons.question_bank import write_questions
from musicml.cli.main import build_parser
from musicml.experiment import PublishedOptions, TrainingOptions, options
from musicml.features import FEATURE_KINDS, Augment
from musicml.models import FAMILY_NAMES, get_family
from musicml.utils import get_field_types

DOCS = Path(__file__).parent
ROOT = DOCS.parent
TYPES = {int: "integer", float: "number", str: "text", bool: "true or false"}
FLAG = re.compile(r"(?<![\w-])(--[a-z][\w-]*)")
PLACE = re.compile(r"^\(`make docs` writes this part: (\w+)\)$", re.MULTILINE)


def write_commands() -> str:
    """Write a section for each command, from its argument parser."""
    os.environ["COLUMNS"] = "100"  # argparse breaks lines for the terminal otherwise
    (commands,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    summaries = {action.dest: action.help for action in commands._choices_actions}
    return "\n".join(_write_command(name, summaries[name], parser) for name, parser in commands.choices.items())


def _write_command(name: str, summary: str, parser: argparse.ArgumentParser) -> str:
    formatter = parser._get_formatter()
    lines = [f"## musicml {name}", "", f"{summary[:1].upper()}{summary[1:]}.", ""]
    lines += [
        "```text",
        parser.format_usage().removeprefix("usage: ").rstrip(),
        "```",
        "",
        _escape(parser.description or ""),
        "",
    ]
    for action in parser._actions:
        if action.dest == "help":
            continue
        value = formatter._format_args(action, formatter._get_default_metavar_for_optional(action))
        names = [f"`{' '.join([name, value]).strip()}`" for name in action.option_strings] or [f"`{action.metavar}`"]
        lines += [", ".join(names), f": {_escape(formatter._expand_help(action))}", ""]
    return "\n".join([*lines, re.sub(r"^(Example: )(.*)", r"\1`\2`", parser.epilog or ""), ""])


def _escape(text: str) -> str:
    """Escape what Markdown would read as emphasis or HTML, outside of code, and show flags as code."""
    parts = re.split(r"(`[^`]*`)", text)
    parts = [part for text in parts for part in ([text] if text.startswith("`") else FLAG.split(text))]
    parts = [f"`{part}`" if FLAG.fullmatch(part) else part for part in parts]
    return "".join(part if part.startswith("`") else re.sub(r"([*_<>|\[\]])", r"\\\1", part) for part in parts)


def write_keys() -> str:
    """Write a table for each TOML table of an experiment file: key, allowed values, default and meaning."""
    meanings = tomllib.loads((DOCS / "reference/keys.toml").read_text("utf-8"))
    used: set[tuple[str, str]] = set()
    lines: list[str] = []
    for title, names, cls in _list_tables():
        lines += [f"## {title}", ""]
        for name in names:
            if text := meanings.get(name, {}).get("about"):
                lines += [text, ""]
                used.add((name, "about"))
        fields, types = dataclasses.fields(cls), get_field_types(cls)
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"] if fields else ["It has no other keys."]
        for field in fields:
            name = next((name for name in names if field.name in meanings.get(name, {})), names[0])
            if field.name not in meanings.get(name, {}):
                raise KeyError(f"docs/reference/keys.toml must say what {field.name} means in [{name}]")
            used.add((name, field.name))
            rule = _show_rule(types[field.name], field)
            lines.append(f"| `{field.name}` | {rule} | {_show_default(field)} | {meanings[name][field.name]} |")
        lines.append("")
    unused = {(name, key) for name, keys in meanings.items() for key in keys} - used
    if unused:
        raise KeyError(f"docs/reference/keys.toml explains keys that do not exist: {sorted(unused)}")
    return "\n".join(lines)


def _list_tables() -> list[tuple[str, tuple[str, ...], type]]:
    """List the heading of each table, where its meanings stand, and its dataclass."""
    return [
        ("[data]", ("data",), options.DataOptions),
        *(
            (f'[features] with kind = "{kind}"', (f"features_{kind}", "features"), c)
            for kind, c in FEATURE_KINDS.items()
        ),
        ("[clips]", ("clips",), options.ClipOptions),
        *(
            (f'[model] with family = "{name}"', (f"model_{name}", "model"), get_family(name).Options)
            for name in FAMILY_NAMES
        ),
        ("[training]", ("training",), TrainingOptions),
        ("[augment]", ("augment",), Augment),
        ("[published]", ("published",), PublishedOptions),
    ]


def _show_rule(hint: Any, field: dataclasses.Field) -> str:
    """Show the type of a key and its choices or range."""
    is_list = typing.get_origin(hint) is tuple
    kind = TYPES[typing.get_args(hint)[0] if is_list else hint]
    kind = f"list of {kind}s" if is_list else kind
    least, most, choices = (field.metadata.get(name) for name in ("least", "most", "choices"))
    if choices:
        values = ", ".join(f"`{value}`" for value in choices)
        return f"{kind}: {values}" if is_list else values
    return kind if least is None else f"{kind}, at least {least}" if most is None else f"{kind}, {least} to {most}"


def _show_default(field: dataclasses.Field) -> str:
    """Show a default as TOML writes it."""
    if field.default is dataclasses.MISSING:
        return "required"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{str(value).lower() if isinstance(value, bool) else repr(value)}`".replace("'", '"')


def write_experiments() -> str:
    """Write a section for each experiment: what it uses, and the header of its file."""
    lines: list[str] = []
    for path in [*sorted((ROOT / "experiments").glob("*.toml")), *sorted((ROOT / "experiments").glob("*/*.toml"))]:
        text = path.read_text("utf-8")
        tables = tomllib.loads(text)
        used = (tables["data"]["dataset"], tables["features"]["kind"], tables["model"]["family"])
        header = re.match(r"(?:#.*\n)*", text)[0]
        lines += [f"## {path.stem}", "", "Dataset `{}`, features `{}`, model `{}`.".format(*used), ""]
        lines += [_escape(re.sub(r"^# ?", "", line)) for line in header.splitlines()] + [""]
    return "\n".join(lines)


def write_modules() -> str:
    """Write a line for each module of the package and the dashboard: the first line of its docstring."""
    lines: list[str] = []
    for path in sorted(
        _list_modules(), key=lambda path: (path.parent.as_posix(), path.name != "__init__.py", path.name)
    ):
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        first = _escape(" ".join((doc or "").split("\n\n")[0].split()))
        where = path.parent.relative_to(ROOT).as_posix()
        if path.name == "__init__.py":
            lines += ["", f"## {where}/", "", first, ""]
        else:
            lines += [f"`{path.name}`", f": {first}", ""]
    return "\n".join(lines)


def _list_modules() -> list[Path]:
    return [path for room in ("musicml", "dashboard") for path in (ROOT / room).rglob("*.py") if path.stat().st_size]


PARTS = {
    "commands": write_commands,
    "keys": write_keys,
    "experiments": write_experiments,
    "modules": write_modules,
}
# parts with a text of their own for each language, so that the catalogs of translations need none
PARTS_BY_LANGUAGE = {"questions": write_questions, "figures": write_captions}


def fill_page(app, docname, source):
    """Put the generated parts in their places in a page."""
    source[0] = PLACE.sub(lambda place: _write_part(place[1], app), source[0])


def _write_part(name: str, app) -> str:
    if name in PARTS:
        return PARTS[name]()
    return "" if app.builder.name == "gettext" else PARTS_BY_LANGUAGE[name](app.config.language)


def draw_figures(app, exception):
    """Draw the figures of the course pack next to their page."""
    if app.builder.name == "html" and exception is None:
        write_language(Path(app.outdir) / "teaching/figures", app.config.language)


def list_outdated(app, env, added, changed, removed):
    """List the pages to read again in every build, since the code may have changed."""
    return [name for name in env.found_docs if PLACE.search(Path(env.doc2path(name)).read_text("utf-8"))]


COMMENT = re.compile(r"(?:^|(?<=\s))# (?P<text>\S.*)$", re.MULTILINE)


class literal_block(nodes.literal_block, addnodes.translatable):  # writers find their method by this name
    """A code block whose comments are translated one by one."""

    def preserve_original_messages(self):
        """Keep the English comments."""
        self["comments"] = [comment["text"] for comment in COMMENT.finditer(self.rawsource)]

    def apply_translated_message(self, original_message, translated_message):
        """Put a translated comment in the place of the English one."""
        comment = re.compile(rf"# {re.escape(original_message)}$", re.MULTILINE)
        text = comment.sub(lambda _: f"# {translated_message}", self.rawsource)
        self.rawsource, self.children = text, []
        self += nodes.Text(text)

    def extract_original_messages(self):
        """Return the English comments."""
        return self["comments"]


class MarkComments(SphinxTransform):
    """Replace each code block by one whose comments can be translated."""

    default_priority = 5  # before Sphinx preserves what can be translated

    def apply(self, **kwargs):
        """Replace the code blocks of a page."""
        for node in list(self.document.findall(nodes.literal_block)):
            if COMMENT.search(node.astext()):
                node.replace_self(literal_block(node.astext(), node.astext(), **node.attributes))


def hide_constructor(app, what, name, thing, options, signature, returned):
    """Leave out the constructor of a dataclass: it is long, and its fields are listed below."""
    return ("", None) if what == "class" and dataclasses.is_dataclass(thing) else None


def setup(app):
    """Connect the extension to Sphinx."""
    app.connect("autodoc-process-signature", hide_constructor)
    app.add_transform(MarkComments)
    app.connect("source-read", fill_page)
    app.connect("env-get-outdated", list_outdated)
    app.connect("build-finished", draw_figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
