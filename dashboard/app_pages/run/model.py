"""Show a run's model as a drawing, in words, and layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from dashboard import charts, layout
from dashboard.charts import diagram
from dashboard.runs import RunView
from musicml.utils import is_of_type

TYPES = {"parameters": float, "trainable": float, "trees": float, "leans_on": list[float], "reads": list[str]}
BOX_WORDS = ("layers", "alike", "parameters", "frozen", "features", "forest", "more", "votes")

say = layout.LazyText("run")


def show(view: RunView) -> None:
    """Show the model as a drawing, in words, and layer by layer."""
    if not (view.run.path / "layers.json").is_file():
        st.markdown(say("no_layers" if view.report else "no_layers_yet"))
        return
    layers = view.run.read("layers.json")
    if not is_of_type(layers, list[dict[str, Any]]) or not layers or not all(map(_is_layer, layers)):
        layout.show_error(say("bad_layers"))
        return
    (_show_forest if diagram.is_forest(layers) else _show_network)(view, layers)


def _is_layer(layer: Mapping[str, Any]) -> bool:
    """Return whether an entry of layers.json can be drawn."""
    values = [(layer.get(key), hint) for key, hint in TYPES.items()]
    # a run folder may be damaged, or come from a stranger
    return isinstance(layer.get("name"), str) and all(
        value is None or is_of_type(value, hint) for value, hint in values
    )


def _draw(draw: Callable[..., str], *parts: Any) -> str:
    """Draw a model; the drawing fills the blanks in the words of its boxes."""
    return draw(*parts, {key: say(f"box_{key}") for key in BOX_WORDS}, layout.is_dark())


def _show_network(view: RunView, layers: Sequence[Mapping[str, Any]]) -> None:
    """Show a network from its input to its output."""
    is_frozen = bool(view.info.get_settings("model").get("frozen")) or view.info.family == "pretrained_audio"
    boxes = diagram.fold_layers(layers, is_frozen)
    total = sum(box.parameters for box in boxes)  # all parameters, also frozen ones
    largest = max(boxes, key=lambda box: box.parameters)
    words = say(
        "network_words",
        n=len(layers),
        total=charts.format_count(total),
        learned=charts.format_count(sum(box.trainable for box in boxes)),
        largest=largest.name,
        share=100 * largest.parameters / max(1, total),
        input=boxes[0].shape,
        output=boxes[-1].shape,
    )
    st.markdown(layout.escape_markdown(words))
    say.show_help("how_to_read_model")
    chain = say("chain", boxes=layout.format_list((f"{box.name} ({box.shape})" for box in boxes), 40))
    st.graphviz_chart(_draw(diagram.draw_layers, boxes), alt=f"{words} {chain}")
    layout.show_folded_table([_make_box_row(box) for box in boxes], "run-boxes")
    if st.toggle(say("every_layer", n=len(layers)), key="run-layers"):  # long, so only on request
        layout.show_table([_make_layer_row(layer) for layer in layers], "run-layers-table")


def _make_box_row(box: diagram.Box) -> dict[str, Any]:
    """Return a box of the drawing as a row."""
    return say.make_row(
        {
            "block": box.name,
            "count_layers": len(box.layers),
            "kinds": ", ".join(box.kinds),
            "shape": box.shape,
            "parameters": box.parameters,
            "trained": say("no") if box.frozen else say("yes") if box.parameters else None,
        }
    )


def _make_layer_row(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return one layer as a row."""
    return say.make_row(
        {
            "layer": layer["name"],
            "kind": layer.get("kind"),
            "shape": diagram.format_shape(layer.get("output_shape")),
            "parameters": layer.get("parameters"),
            "reads": ", ".join(dict.fromkeys(layer.get("reads") or [])),
        }
    )


def _show_forest(view: RunView, layers: Sequence[Mapping[str, Any]]) -> None:
    """Show one forest per class."""
    names = view.run.read("labels.json")
    n_features = max((len(layer.get("leans_on") or []) for layer in layers), default=0)  # one importance per feature
    nodes = sum(int(layer.get("parameters") or 0) for layer in layers)
    trees = int(layers[0]["trees"])
    words = say("forest_words", n=len(layers), trees=trees, features=n_features, nodes=charts.format_count(nodes))
    st.markdown(layout.escape_markdown(words))
    st.graphviz_chart(_draw(diagram.draw_forest, n_features, len(layers), trees), alt=words)
    st.markdown(say("leans_words"))
    rows = [
        {
            "class": names[k] if isinstance(names, list) and k < len(names) else layer["name"],
            "trees": layer["trees"],
            "nodes": layer.get("parameters"),
            "leans_on": _format_top_features(layer.get("leans_on") or []),
        }
        for k, layer in enumerate(layers)
    ]
    layout.show_table([say.make_row(row) for row in rows], "run-forests")


def _format_top_features(shares: Sequence[float], most: int = 3) -> str:
    """Format a forest's most important features, numbered from 1."""
    best = np.argsort(-np.asarray(shares, dtype=float), kind="stable")[:most]  # stable: equal shares keep their order
    return ", ".join(say("feature_share", k=k + 1, percent=100 * float(shares[k])) for k in best)
