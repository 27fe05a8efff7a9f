"""What a training takes of a machine: one GPU, memory as it is needed; and how want of memory is recognized."""

import os
import sys
import types

import keras
import pytest

from musicml.training import device
from musicml.utils import capture_messages, terminal

try:
    import tensorflow as tf
except ImportError:
    tf = None

needs_tensorflow = pytest.mark.skipif(tf is None or keras.backend.backend() != "tensorflow", reason="not TensorFlow")


class Gpus:
    """Stands for the GPUs of a machine in TensorFlow's configuration."""

    def __init__(self, count, is_begun, patch):
        self.gpus, self.is_begun, self.visible = [f"GPU:{number}" for number in range(count)], is_begun, None
        patch.setattr(tf.config, "get_visible_devices", lambda kind: list(self.visible or self.gpus))
        patch.setattr(tf.config, "set_visible_devices", self.show)
        patch.setattr(
            tf.config.experimental, "get_device_details", lambda gpu: {"device_name": f"Card {gpu[-1]}"} if gpu else {}
        )

    def show(self, gpus, kind):
        if self.is_begun:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        assert kind == "GPU"
        self.visible = gpus


@needs_tensorflow
@pytest.mark.parametrize(
    ("count", "is_begun", "visible", "said"),
    [
        (0, False, None, ""),
        (1, False, None, ""),
        (1, True, None, ""),
        (3, False, ["GPU:0"], "GPU: Card 0, the first of 3; the others stay free. Set CUDA_VISIBLE_DEVICES"),
        (3, True, None, "this process already uses 3 GPUs"),
    ],
)
def test_tensorflow_sees_one_gpu(monkeypatch, count, is_begun, visible, said):
    gpus, words = Gpus(count, is_begun, monkeypatch), []
    with capture_messages(words.append):
        device.take_one_gpu()
    assert gpus.visible == visible and len(words) == bool(said) and "".join(words).startswith(said)
    if visible:
        with capture_messages(words.append):
            device.take_one_gpu()  # the next training of the same process
        assert len(words) == 1 and device.get_device() == ("Card 0", 0.0)


@needs_tensorflow
def test_a_gpu_that_the_user_chose_stays_chosen(monkeypatch):
    gpus, words = Gpus(3, False, monkeypatch), []
    gpus.visible = ["GPU:2"]
    with capture_messages(words.append):
        device.take_one_gpu()
    assert gpus.visible == ["GPU:2"] and not words and device.get_device()[0] == "Card 2"


@pytest.mark.parametrize(
    ("platforms", "said"), [(["cpu"], ""), (["gpu"], ""), (["gpu", "gpu"], "GPU: Card 0, the first")]
)
def test_jax_takes_the_first_gpu_by_itself_and_that_is_said(monkeypatch, platforms, said):
    found = [types.SimpleNamespace(platform=name, device_kind=f"Card {n}") for n, name in enumerate(platforms)]
    monkeypatch.setitem(sys.modules, "jax", types.SimpleNamespace(devices=lambda: found))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    words = []
    with capture_messages(words.append):
        device.take_one_gpu()
    assert len(words) == bool(said) and "".join(words).startswith(said)


def test_memory_of_a_gpu_is_taken_as_it_is_needed_unless_the_user_says_otherwise(monkeypatch):
    """Even where Keras was imported before: what counts is when a GPU is first used."""
    names = ("TF_FORCE_GPU_ALLOW_GROWTH", "XLA_PYTHON_CLIENT_PREALLOCATE")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    terminal.import_keras()
    assert [os.environ[name] for name in names] == ["true", "false"]
    monkeypatch.setenv(names[0], "false")
    monkeypatch.setenv(names[1], "true")
    terminal.import_keras()
    assert [os.environ[name] for name in names] == ["false", "true"]


class ResourceExhaustedError(Exception):
    """As TensorFlow names it."""


class XlaRuntimeError(RuntimeError):
    """As JAX names it."""


def raise_behind(error):
    """An error that came up while `error` was handled, as JAX's clearing up does."""
    try:
        try:
            raise error
        except Exception:
            raise RuntimeError("Array has been deleted")  # noqa: B904
    except RuntimeError as later:
        return later


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (ResourceExhaustedError("OOM when allocating tensor"), True),
        (XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12 bytes"), True),
        (RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: failed"), True),
        (raise_behind(MemoryError()), True),
        (ResourceExhaustedError("model.npz; No space left on device"), False),
        (XlaRuntimeError("INVALID_ARGUMENT: shapes differ"), False),
        (raise_behind(ValueError("x")), False),
        (OSError(28, "No space left on device"), False),
    ],
)
def test_want_of_memory_is_told_from_other_faults(error, expected):
    assert device.is_out_of_memory(error) == expected


@needs_tensorflow
def test_tensorflows_own_error_is_recognized():
    assert device.is_out_of_memory(tf.errors.ResourceExhaustedError(None, None, "failed to allocate memory"))
