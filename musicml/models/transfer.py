"""Transfer learning from ImageNet: a backbone of keras.applications, global average pooling, and a new head.

The input is pictures [shape=(height, width, 3)], uint8 values, or sound features [shape=(n_frames, n_bins)], which
are standardized and repeated over three channels. Each backbone's own preprocessing is a layer of the model, so the
model takes plain pictures. The model is flat, not nested, because class activation maps need its inner layers.
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

# backbone → its class in keras.applications, and the file of its ImageNet weights without the classifier
BACKBONES = {
    "resnet50": ("ResNet50", "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    "vgg16": ("VGG16", "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    "mobilenet": ("MobileNet", "mobilenet_{alpha}_224_tf_no_top.h5"),
    "efficientnetv2b0": ("EfficientNetV2B0", "efficientnetv2-b0_notop.h5"),
}
ALPHA_NAMES = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}
# scaling of pixels that the weights were trained with: "caffe" BGR minus its mean, "tf" -1 to 1, "torch" standardized
SCALING = {"resnet50": "caffe", "vgg16": "caffe", "mobilenet": "tf", "efficientnetv2b0": "torch"}
CAFFE_MEAN_RGB = (123.68, 116.779, 103.939)
TORCH_MEAN, TORCH_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of pixels from 0 to 1
# scale and offset that give standardized sound features the spread of a picture's pixels
SPREAD = {"caffe": (58.0, 0.0), "tf": (0.5, 0.0), "torch": (1.0, 0.0)}
SERVER = ("storage.googleapis.com", 443)
CONNECT_TIMEOUT = 10.0  # seconds
MIN_SIDE = 32  # pixels: backbones halve the picture five times


@dataclass(frozen=True)
class Options:
    """Settings of transfer learning.

    Attributes
    ----------
    alpha : width of MobileNet
    side : if > 0, draw a clip as a square picture of this size, time to the right and pitch upwards; 224 is the size of
        the pictures that ImageNet's weights were trained on
    depths : number of the backbone's resolutions that the head reads, coarsest first; finer ones show textures
    second_side : if > 0, the same backbone also sees the picture drawn at this size, in which small parts are larger
    bands : if > 1, average over so many bands of a picture's height; in a spectrogram, height is frequency
    frozen : whether the backbone keeps its weights
    l2 : penalty on large weights of the last layer
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
    """Return `imagenet` or `none`, and the reason.

    `auto` uses ImageNet's weights if their file is on the disk or their server accepts a connection within 10 s.
    """
    if options.weights != "auto":
        return options.weights, Message("set in the experiment")
    if get_weights_path(options).is_file():
        return "imagenet", Message("{name} is on the disk", name=get_weights_path(options).name)
    try:
        socket.create_connection(SERVER, timeout=CONNECT_TIMEOUT).close()
    except OSError:
        return (
            "none",
            Message(
                "ImageNet's weights are not on the disk, and {server} did not respond within {patience_seconds:.0f} s",
                server=SERVER[0],
                patience_seconds=CONNECT_TIMEOUT,
            ),
        )
    return "imagenet", Message("{server} responded", server=SERVER[0])


def describe_pretraining(weights: str) -> str:
    """Return a caveat about a backbone with these weights, or "" for random ones."""
    return (
        ""
        if weights == "none"
        else Message("This run's backbone was trained on ImageNet, more than a million photographs of objects.")
    )


def get_weights_path(options: Options) -> Path:
    """Return the path at which Keras stores the backbone's ImageNet weights."""
    keras_home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    name = BACKBONES[options.backbone][1].format(alpha=ALPHA_NAMES[options.alpha])
    return keras_home / "models" / name


def build(options: Options, spec: ModelSpec) -> Any:
    """Build a `keras.Model`: pictures or features → scores [shape=(batch, n_classes)].

    Its layer `pooled` outputs the backbone's features; with `frozen` all layers before it keep their weights. `weights`
    must be `imagenet` or `none` by now (`choose_weights`).
    """
    if min(spec.shape[:2]) < MIN_SIDE > options.side:
        raise InputError(
            "Expected an input of at least {smallest_side} on each side for a backbone, got {spec_shape} by "
            "{spec_shape2}. Increase the picture's size, n_mels or the clip's length.",
            smallest_side=MIN_SIDE,
            spec_shape=spec.shape[0],
            spec_shape2=spec.shape[1],
        )
    if len(spec.shape) == 2 and options.bands > 1 and not options.side:
        raise InputError(
            "Expected model.bands of 1 with model.side=0, where a clip's height is time, got {options_bands}. "
            "Set model.side=224, which draws the clip with its frequencies upwards.",
            options_bands=options.bands,
        )
    inputs, x = _add_picture_input(options, spec) if len(spec.shape) == 3 else _add_sound_input(options, spec)
    last = _add_backbone(options, x)
    again = _apply_again(x, last, options.second_side) if options.second_side else []
    x = _pool_maps([layer.output for layer in last], again, options.bands)
    if options.frozen:
        # channels of a frozen backbone differ in scale, most of all with random weights
        x = standardize_frozen(x)
    x = add_dense_head(x, options.dense_units, options.dropout)
    model = keras.Model(inputs, add_output_layer(x, spec, options.l2), name=options.backbone)
    # only the head is trained: a small dataset would spoil the backbone before it improves it
    for layer in model.layers[: [layer.name for layer in model.layers].index("pooled")] if options.frozen else ():
        layer.trainable = False
    return model


def _add_picture_input(options: Options, spec: ModelSpec) -> tuple[Any, Any]:
    """Return the input of pictures, 0 to 255, and the tensor for the backbone."""
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
    """Return the input of sound features, and the tensor for the backbone: three equal channels."""
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
    """Resize the last axis of `x` to `size` by bilinear interpolation, with a layer that is never trained.

    A matrix product, because the converter to ONNX replaces Keras's own resizing layer by a different one.
    """
    layer = keras.layers.Dense(size, use_bias=False, trainable=False, name=name)
    resized = layer(x)
    layer.set_weights([_compute_bilinear_weights(x.shape[-1], size)])
    return resized


def _compute_bilinear_weights(before: int, after: int) -> np.ndarray:
    """Compute the weight of each of `before` pixels in each of `after` resized ones, [shape=(before, after)]."""
    middles = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    return np.maximum(0, 1 - np.abs(middles - np.arange(before)[:, None])).astype(np.float32)


def _apply_again(x: Any, last: list[Any], side: int) -> list[Any]:
    """Return the outputs of the layers `last` for the pictures `x` drawn at another size, by the same backbone."""
    sideways = _add_resizing(keras.layers.Permute((3, 1, 2), name="channels_first")(x), "drawn_across", side)
    upright = _add_resizing(keras.layers.Permute((1, 3, 2), name="columns_first")(sideways), "drawn_down", side)
    again = keras.layers.Permute((3, 2, 1), name="drawn_again")(upright)
    outputs = {}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a layer and keep its output by name."""
        outputs[layer.name] = layer(*args, **kwargs)
        return outputs[layer.name]

    body = keras.Model(x, [layer.output for layer in last])
    # the clone reuses every layer, so both sizes share their weights
    keras.models.clone_model(body, again, clone_function=lambda layer: layer, call_function=call)
    return [outputs[layer.name] for layer in last]


def _pool_maps(maps: list[Any], again: list[Any], bands: int) -> Any:
    """Average each channel of each map, of both sizes of the picture, and concatenate the averages."""
    if len(maps) == 1 and not again and bands == 1:
        return keras.layers.GlobalAveragePooling2D(name="pooled")(maps[0])
    lowest = min(x.shape[1] for x in [*maps, *again])
    if bands > lowest:
        raise InputError(
            "Expected model.bands of at most {lowest}, the height of the backbone's smallest map, got {bands}. "
            "Lower it, or increase model.side, model.second_side or the picture's height.",
            lowest=lowest,
            bands=bands,
        )
    maps_by_name = {f"pooled_{x.shape[1]}": x for x in maps} | {f"pooled_again_{x.shape[1]}": x for x in again}
    return keras.layers.Concatenate(name="pooled")([pool_bands(x, name, bands) for name, x in maps_by_name.items()])


def pool_bands(x: Any, name: str, bands: int) -> Any:
    """Average each channel over each of `bands` bands of a map's height, [shape=(batch, bands * n_channels)].

    Neighboring bands overlap by a row or more if the height is not divisible.
    """
    if bands == 1:
        return keras.layers.GlobalAveragePooling2D(name=name)(x)
    height, width = x.shape[1:3]
    step = height // bands
    size = (height - (bands - 1) * step, width)
    # in half precision a sum of a thousand values loses too many digits
    pool = keras.layers.AveragePooling2D(size, strides=(step, 1), dtype="float32", name=f"bands_{name}")
    return keras.layers.Flatten(name=name)(pool(x))


def _add_backbone(options: Options, x: Any) -> list[Any]:
    """Add a backbone to the tensor `x`, and return its last layer at each of `options.depths` resolutions."""
    application = getattr(keras.applications, BACKBONES[options.backbone][0])
    # EfficientNet's own preprocessing would become extra inputs of an exported model
    extras: dict[str, dict[str, Any]] = {
        "mobilenet": {"alpha": options.alpha},
        "efficientnetv2b0": {"include_preprocessing": False},
    }
    extra = extras.get(options.backbone, {})
    body = application(include_top=False, weights=None, input_tensor=x, **extra)
    if options.weights == "imagenet":
        # through a second backbone: Keras matches weights to layers by position, and here resizing layers come first
        for name, weights in load_imagenet_weights(application, extra).items():
            body.get_layer(name).set_weights(weights)
        if SCALING[options.backbone] == "caffe":  # these weights expect BGR, and our pictures are RGB
            first = next(layer for layer in body.layers if len(getattr(layer, "kernel_size", ())) == 2)
            kernel, *rest = first.get_weights()
            first.set_weights([kernel[:, :, ::-1, :], *rest])
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization) and options.weights == "none":
            layer.momentum = 0.9  # Keras's 0.99 never catches up in a few hundred steps
    coarsest, last = body.layers[-1], {}  # height → last layer of that height
    for layer in body.layers:
        shape: tuple[int, ...] = getattr(layer.output, "shape", ())
        if len(shape) == 4 and layer.__class__.__name__ in ("Activation", "ReLU", "Add", "Conv2D"):
            last[shape[1]] = layer
    finer = [last[size] for size in sorted(last, reverse=True) if size > coarsest.output.shape[1]]
    return [*finer[len(finer) - options.depths + 1 :], coarsest]


def load_imagenet_weights(application: Any, extra: dict[str, Any]) -> dict[str, list[np.ndarray]]:
    """Return ImageNet's weights of a backbone, by layer, from the disk or their server.

    Raises
    ------
    InputError
        If they can't be read or downloaded.
    """
    try:
        pretrained = application(include_top=False, weights="imagenet", input_shape=(224, 224, 3), **extra)
        return {layer.name: layer.get_weights() for layer in pretrained.layers if layer.weights}
    except Exception as error:  # whatever Keras raises for a failed download or an incomplete file
        raise InputError(
            "ImageNet's weights could not be read from the disk or downloaded from {server} ({reason}). "
            "Try again, or train without them: --set model.weights=none.",
            server=SERVER[0],
            reason=get_message(error),
        ) from error
