"""Transfer learning: a backbone of keras.applications, global average pooling, and a new head.

Takes pictures [shape=(height, width, 3)], uint8 values, or sound features [shape=(n_frames, n_bins)], which are
standardised and repeated over three channels. Each backbone's own preprocessing is a layer of the model, so the
model takes plain pictures. The model is flat, not nested, so that class activation maps can reach into it.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicml.models.base import ModelSpec, add_dense_head, add_output_layer, make_standardized_input, standardize_frozen
from musicml.utils import InputError, Message, define_option, get_message, keras

# application, file of its ImageNet weights without the top
BACKBONES = {
    "resnet50": ("ResNet50", "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    "vgg16": ("VGG16", "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    "mobilenet": ("MobileNet", "mobilenet_{alpha}_224_tf_no_top.h5"),
    "efficientnetv2b0": ("EfficientNetV2B0", "efficientnetv2-b0_notop.h5"),
}
ALPHA_NAMES = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}
# what ImageNet's weights were trained on: "caffe" is BGR less its mean, "tf" is -1 to 1, "torch" is standardised
SCALING = {"resnet50": "caffe", "vgg16": "caffe", "mobilenet": "tf", "efficientnetv2b0": "torch"}
CAFFE_MEAN_RGB = (123.68, 116.779, 103.939)
TORCH_MEAN, TORCH_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of pixels from 0 to 1
# standardised sound features brought to the spread that the weights expect of a picture
SPREAD = {"caffe": (58.0, 0.0), "tf": (0.5, 0.0), "torch": (1.0, 0.0)}
SERVER = ("storage.googleapis.com", 443)
CONNECT_TIMEOUT = 10.0
MIN_SIDE = 32


@dataclass(frozen=True)
class Options:
    """Settings of transfer learning.

    `side` > 0 draws a clip of sound as a square picture of so many pixels, as people draw it: time to the right, pitch
    upwards. ImageNet's weights know pictures of that size, of things that stand upright. `depths` says from how many
    resolutions of the backbone, the coarsest first, the head reads averages: textures stand before things.
    `second_side` > 0 lets the same backbone see a picture a second time, drawn at that size, where small parts are
    larger. `bands` > 1 takes those averages over so many bands of a picture's height, one above the other, in place of
    the whole: in a spectrogram, height is frequency. `l2` keeps the weights of the last layer small.
    """

    backbone: str = define_option(choices=tuple(BACKBONES))
    weights: str = define_option("auto", choices=("auto", "imagenet", "none"))
    alpha: float = define_option(1.0, choices=tuple(ALPHA_NAMES))
    side: int = define_option(0, least=0, most=512)
    depths: int = define_option(1, least=1, most=4)
    second_side: int = define_option(0, least=0, most=512)
    bands: int = define_option(1, least=1, most=7)
    frozen: bool = define_option(True)
    dense_units: int = define_option(512, least=0, most=8192)
    dropout: float = define_option(0.5, least=0.0, most=0.95)
    l2: float = define_option(0.0, least=0.0, most=10.0)


def choose_weights(options: Options) -> tuple[str, str]:
    """`imagenet` or `none`, and the reason.

    `auto` takes ImageNet's where their file is on the disk or their server answers within 10 s.
    """
    if options.weights != "auto":
        return options.weights, Message("as the experiment says")
    if get_weights_path(options).is_file():
        return "imagenet", Message("{name} is on the disk", name=get_weights_path(options).name)
    try:
        socket.create_connection(SERVER, timeout=CONNECT_TIMEOUT).close()
    except OSError:
        return (
            "none",
            Message(
                "ImageNet's weights are not on the disk and {server} did not answer within {patience_seconds:.0f} s",
                server=SERVER[0],
                patience_seconds=CONNECT_TIMEOUT,
            ),
        )
    return "imagenet", Message("{server} answered", server=SERVER[0])


def describe_pretraining(weights: str) -> str:
    """Return what there is to know of a backbone with these weights; "" for random ones."""
    return (
        ""
        if weights == "none"
        else Message("This run's backbone was trained on ImageNet, a million photographs of things.")
    )


def get_weights_path(options: Options) -> Path:
    """Where Keras keeps the backbone's ImageNet weights."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    name = BACKBONES[options.backbone][1].format(alpha=ALPHA_NAMES[options.alpha])
    return home / "models" / name


def build(options: Options, spec: ModelSpec) -> Any:
    """A `keras.Model`: pictures or features → scores [shape=(batch, n_classes)].

    Its layer `pooled` gives the backbone's output; with `frozen` everything up to there stays as it is. `weights` has
    to be `imagenet` or `none` by now (`choose_weights`).
    """
    if min(spec.shape[:2]) < MIN_SIDE > options.side:
        raise InputError(
            "a backbone's input must be at least {smallest_side} on each side, and is {spec_shape} by "
            "{spec_shape2}: raise the picture's size, n_mels or the clip's length.",
            smallest_side=MIN_SIDE,
            spec_shape=spec.shape[0],
            spec_shape2=spec.shape[1],
        )
    if len(spec.shape) == 2 and options.bands > 1 and not options.side:
        raise InputError(
            "model.bands must be 1 where model.side is 0, since a clip's height is its time there, and is "
            "{options_bands}: set model.side=224, which draws it with its frequencies upwards.",
            options_bands=options.bands,
        )
    inputs, x = _add_picture_input(options, spec) if len(spec.shape) == 3 else _add_sound_input(options, spec)
    last = _add_backbone(options, x)
    again = _apply_again(x, last, options.second_side) if options.second_side else []
    x = _pool_maps([layer.output for layer in last], again, options.bands)
    if options.frozen:
        # outputs of a frozen body differ in scale from channel to channel, the more so from random weights
        x = standardize_frozen(x)
    x = add_dense_head(x, options.dense_units, options.dropout)
    model = keras.Model(inputs, add_output_layer(x, spec, options.l2), name=options.backbone)
    for layer in model.layers[: [layer.name for layer in model.layers].index("pooled")] if options.frozen else ():
        layer.trainable = False
    return model


def _add_picture_input(options: Options, spec: ModelSpec) -> tuple[Any, Any]:
    """The input of pictures, 0 to 255, and what the backbone takes."""
    inputs = keras.Input(spec.shape, name="pixels")
    scale, offset = {
        "tf": (1 / 127.5, -1.0),
        "caffe": (1.0, [-mean for mean in CAFFE_MEAN_RGB]),
        "torch": (
            [1 / (255 * spread) for spread in TORCH_SPREAD],
            [-mean / spread for mean, spread in zip(TORCH_MEAN, TORCH_SPREAD, strict=True)],
        ),
    }[SCALING[options.backbone]]
    return inputs, keras.layers.Rescaling(scale, offset, name="preprocessed")(inputs)


def _add_sound_input(options: Options, spec: ModelSpec) -> tuple[Any, Any]:
    """The input of sound features, and what the backbone takes: three equal channels."""
    inputs, x = make_standardized_input(spec)
    shape = spec.shape
    if options.side:
        shape = (options.side, options.side)
        x = keras.layers.Permute((2, 1), name="upright")(_add_resizing(x, "drawn_pitch", options.side))
        x = _add_resizing(x, "drawn_time", options.side)
    x = keras.layers.Reshape((*shape, 1), name="channel")(x)
    x = keras.layers.Concatenate(name="three_channels")([x, x, x])
    return inputs, keras.layers.Rescaling(*SPREAD[SCALING[options.backbone]], name="preprocessed")(x)


def _add_resizing(x: Any, name: str, size: int) -> Any:
    """`x` [shape=(batch, n, n_before)] drawn to [shape=(batch, n, size)], bilinear, by a layer that never learns.

    A product with a matrix, because the converter to ONNX turns Keras's own layer for it into another one.
    """
    layer = keras.layers.Dense(size, use_bias=False, trainable=False, name=name)
    found = layer(x)
    layer.set_weights([_compute_bilinear_weights(x.shape[-1], size)])
    return found


def _compute_bilinear_weights(before: int, after: int) -> np.ndarray:
    """How much each of `before` pixels in a row counts for each of `after` in their place, [shape=(before, after)]."""
    middles = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    return np.maximum(0, 1 - np.abs(middles - np.arange(before)[:, None])).astype(np.float32)


def _apply_again(x: Any, last: list[Any], side: int) -> list[Any]:
    """What the layers `last` make of the pictures `x` drawn at another size, by the same backbone."""
    sideways = _add_resizing(keras.layers.Permute((3, 1, 2), name="channels_first")(x), "drawn_across", side)
    upright = _add_resizing(keras.layers.Permute((1, 3, 2), name="columns_first")(sideways), "drawn_down", side)
    again = keras.layers.Permute((3, 2, 1), name="drawn_again")(upright)
    found = {}

    def call(layer: Any, *given: Any, **how: Any) -> Any:
        found[layer.name] = layer(*given, **how)
        return found[layer.name]

    body = keras.Model(x, [layer.output for layer in last])
    keras.models.clone_model(body, again, clone_function=lambda layer: layer, call_function=call)
    return [found[layer.name] for layer in last]


def _pool_maps(maps: list[Any], again: list[Any], bands: int) -> Any:
    """The averages of each channel of each map, and of each of those that came of a second look, in one row."""
    if len(maps) == 1 and not again and bands == 1:
        return keras.layers.GlobalAveragePooling2D(name="pooled")(maps[0])
    lowest = min(one.shape[1] for one in [*maps, *again])
    if bands > lowest:
        raise InputError(
            "model.bands must be at most {lowest}, the height of the smallest of the backbone's maps, and is {bands}: "
            "lower it, or raise model.side, model.second_side or the picture's height.",
            lowest=lowest,
            bands=bands,
        )
    named = {f"pooled_{one.shape[1]}": one for one in maps} | {f"pooled_again_{one.shape[1]}": one for one in again}
    return keras.layers.Concatenate(name="pooled")([pool_bands(one, name, bands) for name, one in named.items()])


def pool_bands(x: Any, name: str, bands: int) -> Any:
    """The average of each channel over each of `bands` bands of a map's height, [shape=(batch, bands * n_channels)].

    Neighbouring bands share a row or more where the height can't be divided.
    """
    if bands == 1:
        return keras.layers.GlobalAveragePooling2D(name=name)(x)
    height, width = x.shape[1:3]
    step = height // bands
    size = (height - (bands - 1) * step, width)
    # a sum of a thousand values would lose too much in half precision
    pool = keras.layers.AveragePooling2D(size, strides=(step, 1), dtype="float32", name=f"bands_{name}")
    return keras.layers.Flatten(name=name)(pool(x))


def _add_backbone(options: Options, x: Any) -> list[Any]:
    """A backbone on the tensor `x`: its last layer at each of `options.depths` resolutions, the coarsest at the end."""
    application = getattr(keras.applications, BACKBONES[options.backbone][0])
    # EfficientNet's own preprocessing leaves constants behind that an exported model asks for as inputs
    extras: dict[str, dict[str, Any]] = {
        "mobilenet": {"alpha": options.alpha},
        "efficientnetv2b0": {"include_preprocessing": False},
    }
    extra = extras.get(options.backbone, {})
    body = application(include_top=False, weights=None, input_tensor=x, **extra)
    if options.weights == "imagenet":
        # loaded by a backbone of its own: Keras matches the file to the layers by their places, and what draws a clip
        # stands before this one's
        for name, weights in load_imagenet_weights(application, extra).items():
            body.get_layer(name).set_weights(weights)
        if SCALING[options.backbone] == "caffe":  # these expect BGR, and our pictures are RGB
            first = next(layer for layer in body.layers if len(getattr(layer, "kernel_size", ())) == 2)
            kernel, *rest = first.get_weights()
            first.set_weights([kernel[:, :, ::-1, :], *rest])
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization) and options.weights == "none":
            layer.momentum = 0.9  # Keras's 0.99 never catches up in a course's few hundred steps
    coarsest, last = body.layers[-1], {}  # by resolution
    for layer in body.layers:
        shape: tuple[int, ...] = getattr(layer.output, "shape", ())
        if len(shape) == 4 and layer.__class__.__name__ in ("Activation", "ReLU", "Add", "Conv2D"):
            last[shape[1]] = layer
    finer = [last[size] for size in sorted(last, reverse=True) if size > coarsest.output.shape[1]]
    return [*finer[len(finer) - options.depths + 1 :], coarsest]


def load_imagenet_weights(application: Any, extra: dict[str, Any]) -> dict[str, list[np.ndarray]]:
    """Layer → ImageNet's weights of a backbone, from the disk or from their server.

    Raises
    ------
    InputError
        If they are neither here nor to be had.
    """
    try:
        read = application(include_top=False, weights="imagenet", input_shape=(224, 224, 3), **extra)
        return {layer.name: layer.get_weights() for layer in read.layers if layer.weights}
    except Exception as error:  # whatever a network or a half file makes Keras raise
        raise InputError(
            "ImageNet's weights must be on the disk or to be had from {server}, and could not be read "
            "({reason}): try again, or train without them by --set model.weights=none.",
            server=SERVER[0],
            reason=get_message(error),
        ) from error
