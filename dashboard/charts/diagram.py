"""Draw a model as boxes: layers → blocks → Graphviz's DOT.

A long backbone is folded twice: the layers of a block become one box, and consecutive blocks of equal structure become
one box again. So ResNet50's 180 layers are about fifteen boxes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard import charts

BLOCKS = (  # layer names of one block, in Keras's backbones and in our own models
    r"(?P<name>conv\d+_block\d+)_\w+",
    r"(?P<name>block\d+)_\w+",
    r"conv_(?:pad|dw|pw)_(?P<number>\d+)(?:_\w+)?",
    r"(?:conv1|pool1)(?P<stem>_\w+)?",
)
ROLES = ("text", "line", "input", "learned", "fixed", "output")
COLORS = {
    False: dict(zip(ROLES, ("#1b2733", "#56636f", "#e3e8ee", "#cfe5f5", "#f4f4f4", "#ffe0c2"), strict=True)),
    True: dict(zip(ROLES, ("#eef3f8", "#9fb0c0", "#2b3440", "#17486e", "#22262c", "#6b3d0c"), strict=True)),
}
MAX_LINE = 38  # letters in a line of a box


@dataclass(frozen=True)
class Box:
    """Hold layers that are drawn as one box.

    Attributes
    ----------
    name : of the layer, of the block, or of the first and last block
    layers : their entries in layers.json
    alike : the number of blocks of equal structure
    frozen : whether training left it unchanged
    """

    name: str
    layers: tuple[Mapping[str, Any], ...]
    alike: int = 1
    frozen: bool = False

    @property
    def kinds(self) -> list[str]:
        """The types of its layers, each once."""
        return list(dict.fromkeys(str(layer.get("kind", "")) for layer in self.layers))

    @property
    def parameters(self) -> int:
        """The number of parameters of its layers."""
        return sum(int(layer.get("parameters") or 0) for layer in self.layers)

    @property
    def trainable(self) -> int:
        """The number of its trainable parameters."""
        counts = [] if self.frozen else [layer.get("trainable", layer.get("parameters")) for layer in self.layers]
        return sum(int(count or 0) for count in counts)

    @property
    def shape(self) -> str:
        """The shape of its output."""
        return format_shape(self.layers[-1].get("output_shape"))


def format_shape(shape: Any) -> str:
    """Format a shape.

    >>> format_shape([126, 13]), format_shape([None, 3])
    ('126 × 13', '? × 3')
    """
    sizes = shape if isinstance(shape, list) else []
    return " × ".join("?" if size is None else str(size) for size in sizes)


def is_forest(layers: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether these are forests, one per class, and no layers."""
    return all("trees" in layer for layer in layers)


def _find_block(name: str) -> str:
    """Return the name of a layer's block, or the layer's own name.

    >>> _find_block("conv2_block1_3_bn"), _find_block("conv_dw_7_relu"), _find_block("pool1_pad"), _find_block("gru1")
    ('conv2_block1', 'block 7', 'stem', 'gru1')
    """
    for pattern in BLOCKS:  # the first pattern that fits
        if found := re.fullmatch(pattern, name):
            groups = found.groupdict()
            return groups.get("name") or (f"block {groups['number']}" if groups.get("number") else "stem")
    return name


def fold_layers(layers: Sequence[Mapping[str, Any]], frozen: bool = False) -> list[Box]:
    """Fold layers into boxes.

    Parameters
    ----------
    layers : entries of layers.json
    frozen : whether training left all layers up to `standardised_pooled` unchanged
    """
    names = [layer["name"] for layer in layers]
    ends = names.index("standardised_pooled") + 1 if frozen and "standardised_pooled" in names else 0
    found = []  # groupby joins consecutive layers with the same block name
    for name, group in itertools.groupby(enumerate(layers), key=lambda item: _find_block(item[1]["name"])):
        places, members = zip(*group, strict=True)
        found.append(Box(name, members, 1, places[-1] < ends))
    return [_join_boxes(list(group)) for _, group in itertools.groupby(found, key=_get_build)]


def _get_build(box: Box) -> tuple:
    """Return a key that is equal for blocks of equal structure."""
    if len(box.layers) < 2:  # single layers are never joined
        return (box.name,)
    return tuple((layer.get("kind"), str(layer.get("output_shape")), layer.get("parameters")) for layer in box.layers)


def _join_boxes(boxes: list[Box]) -> Box:
    """Join consecutive blocks of equal structure into one box."""
    if len(boxes) == 1:
        return boxes[0]
    first, last = boxes[0], boxes[-1]
    begin = re.search(r"\d+$", last.name)  # `block2` to `block6` becomes `block2–6`
    name = f"{first.name}–{begin[0]}" if begin else f"{first.name} – {last.name}"
    return Box(name, tuple(layer for box in boxes for layer in box.layers), len(boxes), first.frozen)


def find_edges(boxes: Sequence[Box]) -> list[tuple[int, int]]:
    """Return the edges between boxes as index pairs; without information, each box reads the one before."""
    place_of = {layer["name"]: place for place, box in enumerate(boxes) for layer in box.layers}
    found = []
    for place, box in enumerate(boxes):
        read = [place_of[name] for layer in box.layers for name in layer.get("reads") or [] if name in place_of]
        found += [(before, place) for before in dict.fromkeys(read) if before != place]
    return found or list(itertools.pairwise(range(len(boxes))))


def draw_layers(boxes: Sequence[Box], say: Mapping[str, str], dark: bool) -> str:
    """Draw the boxes from top to bottom.

    Parameters
    ----------
    say : templates: `layers` ({n}), `alike` ({n}), `parameters` ({n}), `frozen`
    """
    colors = COLORS[dark]
    lines = [_format_head(colors)]
    for place, box in enumerate(boxes):
        style = "filled,rounded,dashed" if box.frozen and box.parameters else "filled,rounded"
        lines.append(_format_box(f"n{place}", colors[_get_role(place, boxes)], _format_label(box, say), style))
    lines += [f"n{before} -> n{after}" for before, after in find_edges(boxes)]
    return "\n".join([*lines, "}"])


def _format_head(colors: Mapping[str, str]) -> str:
    """Return the settings of the whole drawing."""
    return (
        'digraph { bgcolor="transparent" rankdir=TB ranksep=0.22 nodesep=0.3\n'
        f'node [shape=box fontname="sans-serif" fontsize=14 fontcolor="{colors["text"]}" color="{colors["line"]}" '
        'margin="0.12,0.05" width=3.2]\n'
        f'edge [color="{colors["line"]}" arrowsize=0.7]'
    )


def _get_role(place: int, boxes: Sequence[Box]) -> str:
    """Return a box's role: `input`, `output`, `learned` (it has trained parameters) or `fixed`."""
    if "InputLayer" in boxes[place].kinds:
        return "input"
    if place == len(boxes) - 1:
        return "output"
    return "learned" if boxes[place].parameters and not boxes[place].frozen else "fixed"


def _format_label(box: Box, say: Mapping[str, str]) -> str:
    """Return a box's text: its name, layers, output shape, notes and parameters."""
    notes = [box.shape]
    notes += [say["layers"].format(n=len(box.layers))] if len(box.layers) > 1 else []
    notes += [say["alike"].format(n=box.alike)] if box.alike > 1 else []
    notes += [say["parameters"].format(n=charts.format_count(box.parameters))] if box.parameters else []
    notes += [say["frozen"]] if box.frozen and box.parameters else []
    first = [box.name, *charts.wrap_parts(box.kinds, " + ", MAX_LINE)]
    if len(box.layers) == 1:
        first = [f"{box.name}: {box.kinds[0]}"]
    return "\n".join([*first, *charts.wrap_parts(notes, " · ", MAX_LINE)])


def draw_forest(n_features: int, n_forests: int, n_trees: int, say: Mapping[str, str], dark: bool) -> str:
    """Draw forests: the features go into each class's trees, whose votes are its score.

    Parameters
    ----------
    say : templates: `features` ({n}), `forest` ({k}, {n}), `more` ({n}), `votes` ({n})
    """
    colors = COLORS[dark]
    # three at most: the first and the last stand for all
    shown = list(range(1, n_forests + 1)) if n_forests <= 3 else [1, n_forests]
    lines = [
        _format_head(colors).replace("width=3.2", "width=1.4"),
        _format_box("features", colors["input"], say["features"].format(n=n_features)),
        _format_box("votes", colors["output"], say["votes"].format(n=n_forests)),
    ]
    for k in shown:
        lines.append(_format_box(f"f{k}", colors["learned"], say["forest"].format(k=k, n=n_trees)))
        lines.append(f"features -> f{k}\nf{k} -> votes")
    if len(shown) < n_forests:
        more = _quote(say["more"].format(n=n_forests - len(shown)))
        lines.append(f'more [shape=plaintext width=0.5 label="{more}"]')
        # an invisible edge keeps the dots between the two boxes
        lines.append(f"{{rank=same f1 -> more -> f{n_forests} [style=invis]}}")
    return "\n".join([*lines, "}"])


def _format_box(name: str, color: str, words: str, style: str = "filled,rounded") -> str:
    """Return one box in DOT."""
    return f'{name} [style="{style}" fillcolor="{color}" label="{_quote(words)}"]'


def _quote(text: str) -> str:
    """Escape text for quotation marks in DOT, and keep its lines.

    >>> print(_quote('a "b"'))
    a \\"b\\"
    """
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
