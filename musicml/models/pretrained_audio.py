"""Transfer learning from music: musicnn, a network trained to tag songs, is frozen, and a new head is trained.

musicnn reads three seconds at a time, as a log-mel spectrogram. Filters that span many mel bands detect timbres, and
long thin ones detect rhythms. Three more convolutions over time follow, then the mean and the maximum over time, a
dense layer of 200 units, and 50 tags. The head reads one or more of these layers:

    tags         the 50 probabilities of words that listeners gave to songs
    penultimate  the dense layer before them
    pools        mean and maximum over time, 753 channels each
    frames       the same channels over time, about four times a second, for attention or a GRU

Source: J. Pons, O. Nieto, M. Prockup, E. Schmidt, A. Ehmann and X. Serra, "End-to-end learning for music audio tagging
at scale" (ISMIR 2018). The weights are those of the package `musicnn` (`musicml fetch musicnn`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musicml.data.download import get_musicnn_path, load_musicnn
from musicml.models import attention
from musicml.models.base import LINEAR_HEADS, ModelSpec, add_dense_head, add_output_layer, standardize_frozen
from musicml.utils import InputError, Message, define_option, keras

MUSICNN_FEATURES: dict[str, Any] = {
    "kind": "log_mel",
    "sample_rate": 16_000,
    "n_fft": 512,
    "hop_length": 256,
    "n_mels": 96,
    "fmin": 0.0,
    "fmax": 0.0,
}
FEATURES = MUSICNN_FEATURES  # required of an experiment of this family
MUSICNN_FRAMES = 187  # in a clip that musicnn was trained on, 3.008 s
N_TAGS = 50
# number of filters for timbres, for rhythms and in each convolution over time; units before the tags; mel bands of each
# timbre's filter (of 96), frames of each rhythm's
SIZES = (204, 51, 64, 200, (38, 67), (128, 64, 32))
FRAMES_PER_STEP = 17  # averaged into one step of the layer `frames`: eleven steps in a clip of 187 frames
SEQUENCE_HEADS = ("attention", "gru")
CAVEATS = {
    "msd": Message(
        "This run's backbone, musicnn, was trained on songs of the Million Song Dataset and listeners' tags for "
        "them. Songs used to test this run may be among them, and many of the tags are genres."
    ),
    "mtt": Message(
        "This run's backbone, musicnn, was trained on songs of MagnaTagATune and listeners' tags for them. Songs used "
        "to test this run may be among them, and many of the tags are instruments and genres."
    ),
    "msd+mtt": Message(
        "This run's backbone, two musicnn networks, was trained on songs of the Million Song Dataset and "
        "MagnaTagATune and listeners' tags for them. Songs used to test this run may be among them, and many of the "
        "tags are genres and instruments."
    ),
}


@dataclass(frozen=True)
class Options:
    """Settings of transfer learning from a pretrained audio network.

    Attributes
    ----------
    weights : datasets that the network was trained on; `none` is the same network with random weights, as a control
    layers : layers that the head reads, concatenated
    head : `logistic` and `svm` use `c` and are fitted by scikit-learn; `dense` is one layer with `dropout` and `l2`;
        `attention` and `gru` read the layer `frames` and use `units` and `dropout`, and `gru` also `l2`
    c : inverse strength of the regularization
    """

    backbone: str = define_option("musicnn", choices=("musicnn",))
    weights: str = define_option("msd", choices=("msd", "mtt", "msd+mtt", "none"))
    layers: tuple[str, ...] = define_option(("tags",), choices=("tags", "penultimate", "pools", "frames"))
    head: str = define_option("logistic", choices=(*LINEAR_HEADS, "dense", *SEQUENCE_HEADS))
    c: float = define_option(1.0, least=1e-6, most=1e6)
    units: int = define_option(64, least=1, most=2048)
    dropout: float = define_option(0.0, least=0.0, most=0.95)
    l2: float = define_option(0.0, least=0.0, most=10.0)

    frozen = True  # as in the family transfer

    def __post_init__(self):
        if ("frames" in self.layers) != (self.head in SEQUENCE_HEADS) or len(set(self.layers)) < len(self.layers):
            raise InputError(
                'Expected model.layers = ["frames"] with the heads attention and gru, and other layers, each once, '
                "with the other heads. Got model.layers = {layers} with model.head = {head!r}.",
                layers=list(self.layers),
                head=self.head,
            )
        if "frames" in self.layers and len(self.layers) > 1:
            raise InputError(
                'Expected model.layers = ["frames"] alone, since the other layers have no time axis. Got {layers}.',
                layers=list(self.layers),
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the weights: `msd`, `mtt` or both. `none` is one network with random weights."""
        return tuple(self.weights.split("+"))


def check_before_training(options: Options, n_frames: int, data_root: Path) -> None:
    """Raise an error for options that can't be built, before any file is read.

    Raises
    ------
    MissingWeightsError
        If the weights have not been downloaded.
    InputError
        If they are damaged, or the clips do not have musicnn's length.
    """
    _check_length(options, n_frames)
    for name in options.names:
        if name != "none":
            load_musicnn(data_root, name)


def choose_weights(options: Options) -> tuple[str, str]:
    """Return the experiment's weights and the reason. There is nothing to choose."""
    return options.weights, Message("set in the experiment")


def describe_pretraining(weights: str) -> str:
    """Return the caveat for results of a run with these weights, or "" for random ones."""
    return CAVEATS.get(weights, "")


def build(options: Options, spec: ModelSpec) -> Any:
    """Build a `keras.Model`: log-mel spectrograms, dB [shape=(batch, n_frames, 96)] → scores [(batch, n_classes)].

    Its layer `pooled` outputs what the head reads; all layers before it keep their weights. A linear head is a
    dense layer whose weights scikit-learn fits.

    Raises
    ------
    InputError
        If the clips do not have musicnn's length, or its weights are missing or damaged.
    """
    _check_length(options, spec.shape[0])
    inputs, x = _add_input(spec.shape)
    parts = [layer for name in options.names for layer in _add_backbone(x, name, spec.data_root, options.layers)]
    if "frames" in options.layers:
        parts = [
            keras.layers.AveragePooling1D(FRAMES_PER_STEP, dtype="float32", name=f"averaged{number}")(part)
            for number, part in enumerate(parts)
        ]
    x = (
        keras.layers.Concatenate(dtype="float32", name="pooled")(parts)
        if len(parts) > 1
        else keras.layers.Identity(dtype="float32", name="pooled")(parts[0])
    )
    # frozen: the network's outputs can then be computed once and cached
    for layer in keras.Model(inputs, x).layers:
        layer.trainable = False
    return keras.Model(inputs, _add_head(standardize_frozen(x, "float32"), options, spec), name="musicnn")


def build_tagger(data_root: Path, weights: str = "msd") -> tuple[Any, list[str]]:
    """Build musicnn as its authors trained it, and return it and the names of its 50 tags."""
    inputs, x = _add_input((MUSICNN_FRAMES, MUSICNN_FEATURES["n_mels"]))
    (tags,) = _add_backbone(x, weights, data_root, ("tags",))
    outputs = keras.layers.Identity(dtype="float32", name="tag")(tags)
    return keras.Model(inputs, outputs, name="musicnn"), load_musicnn(data_root, weights).tags


def _check_length(options: Options, n_frames: int) -> None:
    """Raise an `InputError` unless clips have musicnn's length, or are long enough for the layer `frames`."""
    least = MUSICNN_FRAMES if "frames" not in options.layers else FRAMES_PER_STEP
    if n_frames < least or (least == MUSICNN_FRAMES and n_frames != MUSICNN_FRAMES):
        raise InputError(
            "Expected clips of 3.008 s ({n_frames} frames), as musicnn was trained on, or at least {least} frames "
            'with model.layers = ["frames"]. Got {found} frames. Set clips.seconds = 3.008.',
            n_frames=MUSICNN_FRAMES,
            least=FRAMES_PER_STEP,
            found=n_frames,
        )


def _add_input(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Add the input in dB, compressed as in musicnn's training: log10(1 + 10,000 * power)."""
    inputs = keras.Input(shape, name="features")
    # log10(1 + 10^4 * 10^(dB / 10)) is softplus(ln(10) / 10 * dB + ln(10^4)) / ln(10)
    x = keras.layers.Rescaling(math.log(10) / 10, math.log(1e4), dtype="float32", name="log_power")(inputs)
    x = keras.layers.Activation("softplus", dtype="float32", name="compressed")(x)
    return inputs, keras.layers.Rescaling(1 / math.log(10), dtype="float32", name="log10")(x)


def _add_head(x: Any, options: Options, spec: ModelSpec) -> Any:
    """Add the head, which ends in the output layer."""
    if options.head == "attention":
        settings = attention.Options(layers=1, units=options.units, dropout=options.dropout)
        return attention.add_class_attention(attention.add_residual_block(x, settings, "embedding1"), spec)
    if options.head == "gru":
        x = add_dense_head(keras.layers.GRU(options.units, name="gru1")(x), 0, options.dropout)
    elif options.head == "dense":
        x = add_dense_head(x, 0, options.dropout)
    return add_output_layer(x, spec, options.l2)


def _add_backbone(x: Any, name: str, data_root: Path | None, layers: tuple[str, ...]) -> list[Any]:
    """Add one network to the compressed spectrogram `x` and return the outputs of `layers`."""
    builder = _NetworkBuilder("random" if name == "none" else name)
    outputs = builder.add_network(x)
    if name != "none":
        # tags are the last layer, so this model holds all others
        _set_weights(keras.Model(x, outputs["tags"]), builder.sources, name, data_root or Path())
    return [outputs[layer] for layer in layers]


def _set_weights(model: Any, sources: dict[str, str], name: str, data_root: Path) -> None:
    """Set the layers' pretrained weights. `sources` maps each layer to its variables in the checkpoint."""
    variables = load_musicnn(data_root, name).variables
    for layer_name, source in sources.items():
        parts = ("gamma", "beta", "moving_mean", "moving_variance") if "_norm" in layer_name else ("kernel", "bias")
        try:
            model.get_layer(layer_name).set_weights([variables[f"{source}/{part}"] for part in parts])
        except (KeyError, ValueError) as error:
            raise InputError(
                "Expected musicnn's weights in {path}, but its {source} does not fit. Remove the file and run "
                "`musicml fetch musicnn`.",
                path=get_musicnn_path(data_root, name),
                source=source,
            ) from error


class _NetworkBuilder:
    """Adds the layers of one musicnn.

    Attributes
    ----------
    name : prefix of the layers' names
    sources : layer with weights → its name in TensorFlow's checkpoint
    """

    def __init__(self, name: str):
        self.name = name
        self.sources: dict[str, str] = {}

    def add_network(self, x: Any) -> dict[str, Any]:
        """Add all layers to the compressed spectrogram `x`, [shape=(batch, n_frames, 96)].

        Returns
        -------
        dict of `tags`, `penultimate`, `pools` and `frames` → tensor
        """
        n_timbres, n_rhythms, _, n_units, widths, heights = SIZES
        x = self._normalize(keras.layers.Reshape((*x.shape[1:], 1), name=f"{self.name}_channel")(x))
        # tall filters see many mel bands at once; max pooling over bands makes them independent of pitch
        timbres = [self._add_convolution(x, n_timbres, 7, width) for width in widths]
        # long filters see up to two seconds of one band
        rhythms = [self._add_convolution(x, n_rhythms, height, 1) for height in heights]
        front = self._concatenate("front", [*timbres, *rhythms])
        middle1 = self._add_channel_convolution(front)
        # residual connections: each convolution adds to the one before
        middle2 = keras.layers.Add(name=f"{self.name}_sum2")([self._add_channel_convolution(middle1), middle1])
        middle3 = keras.layers.Add(name=f"{self.name}_sum3")([self._add_channel_convolution(middle2), middle2])
        frames = self._concatenate("frames", [front, middle1, middle2, middle3])
        maximum = keras.layers.GlobalMaxPooling1D(keepdims=True, name=f"{self.name}_maximum")(frames)
        mean = keras.layers.GlobalAveragePooling1D(keepdims=True, name=f"{self.name}_mean")(frames)
        # maximum and mean of each channel are neighbors, in the order of the checkpoint's dense layer
        pairs = keras.layers.Permute((2, 1), name=f"{self.name}_pairs")(self._concatenate("both", [maximum, mean], 1))
        pools = keras.layers.Flatten(name=f"{self.name}_pools")(pairs)
        penultimate = self._normalize(self._add_dense(self._normalize(pools), n_units, "relu"))
        tags = self._add_dense(penultimate, N_TAGS, "sigmoid")
        return {"tags": tags, "penultimate": penultimate, "pools": pools, "frames": frames}

    def _add_convolution(self, x: Any, filters: int, height: int, width: int) -> Any:
        """Add filters over `height` frames and `width` mel bands, and keep the maximum over all bands."""
        n_frames = x.shape[1]
        place = self._register("conv", "conv2d")
        if width > 1:  # pad in time only, so that the number of frames stays the same
            x = keras.layers.ZeroPadding2D(((height // 2, height // 2), (0, 0)), name=f"{place}_padded")(x)
        x = keras.layers.Conv2D(
            filters, (height, width), padding="valid" if width > 1 else "same", activation="relu", name=place
        )(x)
        x = self._normalize(x)
        if x.shape[2] > 1:
            x = keras.layers.MaxPooling2D((1, x.shape[2]), name=f"{place}_strongest")(x)
        return keras.layers.Reshape((n_frames, filters), name=f"{place}_flat")(x)

    def _add_channel_convolution(self, x: Any) -> Any:
        """Add filters over seven frames and all channels."""
        x = keras.layers.Reshape((*x.shape[1:], 1), name=f"{self.name}_channel{len(self.sources)}")(x)
        return self._add_convolution(x, SIZES[2], 7, x.shape[2])

    def _normalize(self, x: Any) -> Any:
        return keras.layers.BatchNormalization(epsilon=1e-3, name=self._register("norm", "batch_normalization"))(x)

    def _add_dense(self, x: Any, units: int, activation: str) -> Any:
        return keras.layers.Dense(units, activation=activation, name=self._register("dense", "dense"))(x)

    def _concatenate(self, name: str, parts: list[Any], axis: int = -1) -> Any:
        return keras.layers.Concatenate(axis=axis, name=f"{self.name}_{name}")(parts)

    def _register(self, kind: str, source: str) -> str:
        """Return the name of the next layer of a kind. TensorFlow's checkpoint numbers them in order."""
        number = sum(known.startswith(f"{self.name}_{kind}") for known in self.sources)
        name = f"{self.name}_{kind}{number}"
        self.sources[name] = f"{source}_{number}" if number else source
        return name
