"""Predict the inputs in example.npz with the exported model in this folder, and compare with the scores of the run.

It needs numpy and a runtime: onnxruntime for model.onnx, ai-edge-litert (or tensorflow) for model.tflite, tensorflow
for saved_model. If librosa is installed, the features of the example sound are computed as README.md describes. Those
of a spectrogram need numpy only.
"""

import importlib.util
import json
import os
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
TOLERANCE = 1e-4


def predict(clips):
    """Compute raw scores of clips with the model in this folder."""
    if (HERE / "model.onnx").exists():
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it may send usage data by default
        import onnxruntime

        session = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])
        return session.run(["scores"], {session.get_inputs()[0].name: clips})[0]
    if (HERE / "model.tflite").exists():
        return predict_with_litert(clips)
    import tensorflow

    model = tensorflow.saved_model.load(str(HERE / "saved_model"))  # in a variable, since it must outlive the call
    return np.asarray(model.serve(clips))


def predict_with_litert(clips):
    """Compute raw scores with the built-in operations of LiteRT, one clip at a time."""
    if importlib.util.find_spec("ai_edge_litert"):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    else:
        from tensorflow.lite.python.interpreter import Interpreter, OpResolverType
    interpreter = Interpreter(
        str(HERE / "model.tflite"), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter.allocate_tensors()
    input_index, output_index = (
        interpreter.get_input_details()[0]["index"],
        interpreter.get_output_details()[0]["index"],
    )
    scores = []
    for clip in clips:
        interpreter.set_tensor(input_index, clip[None])
        interpreter.invoke()
        scores.append(interpreter.get_tensor(output_index)[0].copy())  # the interpreter reuses its memory
    return np.stack(scores)


def compute_features(y, settings):
    """Compute the features of a sound with librosa, [shape=(n_frames, n_bins)]."""
    import librosa

    names = ("n_fft", "hop_length", "n_mels", "fmin")
    power = librosa.feature.melspectrogram(
        y=y,
        sr=settings["sample_rate"],
        center=False,
        fmax=settings["fmax"] or None,
        **{name: settings[name] for name in names},
    )
    decibels = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)
    if "n_mfcc" in settings:
        decibels = librosa.feature.mfcc(S=decibels, n_mfcc=settings["n_mfcc"])
    return decibels.T


def compute_spectrogram(y, settings):
    """Compute the gray spectrogram of a sound, [shape=(n_columns, n_bins)], 0 to 255."""
    n_fft, hop = 2 * (settings["n_bins"] - 1), settings["hop_length"]
    step, hann = n_fft // 2, np.hanning(n_fft + 1)[:-1]
    columns = []
    for start in range(0, len(y) - n_fft + 1, hop):
        windows = [first for first in range(start, start + hop, step) if first + n_fft <= len(y)]
        power = np.abs(np.fft.rfft([y[first : first + n_fft] * hann for first in windows])) ** 2
        columns.append(10 * np.log10(np.maximum(power, 1e-13)))
    low, high = min(column.min() for column in columns), max(column.max() for column in columns)
    values = [column.mean(axis=0) if settings["averaged"] else column[len(column) // 2] for column in columns]
    return (np.stack(values) - low) / max(high - low, 1e-9) * 255


def main():
    """Print the differences; return 1 if one is too large, else 0."""
    example = np.load(HERE / "example.npz")
    difference = float(np.abs(predict(example["clips"]) - example["raw"]).max())
    print(f"raw scores differ by at most {difference:.2g} (allowed: {TOLERANCE:g})")
    is_equal = difference <= TOLERANCE
    serving = json.loads((HERE / "serving.json").read_text(encoding="utf-8"))
    settings = serving["features"]
    if serving["kind"] == "spectrogram":
        difference = float(np.abs(compute_spectrogram(example["y"], settings) - example["features"]).max())
        print(f"the spectrogram of the example sound differs by at most {difference:.2g} of 255 (allowed: 0.01)")
        is_equal = is_equal and difference <= 0.01
    elif "y" in example and importlib.util.find_spec("librosa"):
        difference = float(np.abs(compute_features(example["y"], settings) - example["features"]).max())
        print(f"librosa's features differ by at most {difference:.2g} dB (allowed: 0.01)")
        is_equal = is_equal and difference <= 0.01
    return 0 if is_equal else 1


if __name__ == "__main__":
    sys.exit(main())
