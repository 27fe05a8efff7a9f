"""Draw the figures for slides as SVG, each in English and in Indonesian: `make lessons-figures`.

All figures come from formulas and simulations in this file. No model is trained and no recording is used.
A figure is a function that `draw_figure` registers. Its texts stand in both languages side by side.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LANGUAGES = ("en", "id")
SAMPLE_RATE = 22_050
SIZE = (10, 5.625)  # inches: the shape of a slide, 16:9
BLUE, ORANGE, GREEN, PURPLE, GRAY = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#8A8A8A"  # safe for color blindness
STYLE = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.titlesize": 16,
    "legend.frameon": False,
    "svg.fonttype": "path",  # the same look on every machine, also without the font
    "svg.hashsalt": "musicml",  # the same file in every build
}


class Words:
    """The texts and numbers of a figure in one language."""

    def __init__(self, language: str):
        self.language = language

    def __call__(self, english: str, indonesian: str) -> str:
        """Return the text in this language."""
        return english if self.language == "en" else indonesian

    def number(self, value: float, spec: str = ",g") -> str:
        """Write a number: Indonesian has a decimal comma, and points between thousands."""
        text = f"{value:{spec}}".replace("-", "\N{MINUS SIGN}")
        return text if self.language == "en" else text.translate(str.maketrans(",.", ".,"))


@dataclass(frozen=True)
class Slide:
    """A figure for slides.

    Attributes
    ----------
    name : the name of its file, without `.svg`
    lesson : int, 1 to 8
    title, caption : in English and in Indonesian
    draw : a function that fills a Matplotlib figure with words of one language
    """

    name: str
    lesson: int
    title: tuple[str, str]
    caption: tuple[str, str]
    draw: Callable[[Figure, Words], None]


SLIDES: list[Slide] = []


def draw_figure(lesson: int, title: tuple[str, str], caption: tuple[str, str]) -> Callable[..., Any]:
    """Register a function that draws a figure; its name begins with `draw_`."""

    def register(draw: Callable[[Figure, Words], None]) -> Callable[[Figure, Words], None]:
        SLIDES.append(Slide(draw.__name__.removeprefix("draw_"), lesson, title, caption, draw))
        return draw

    return register


def make_figure(slide: Slide, language: str) -> Figure:
    """Draw a figure in one language."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, ScalarFormatter

    with matplotlib.rc_context(STYLE):
        words = Words(language)
        figure = Figure(figsize=SIZE, layout="constrained", facecolor="white")
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)  # inches, a margin around everything
        figure.suptitle(words(*slide.title), fontweight="bold")
        slide.draw(figure, words)
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                if type(axis.get_major_formatter()) is ScalarFormatter:
                    axis.set_major_formatter(FuncFormatter(lambda value, _: words.number(round(value, 6))))
        return figure


def write_figures(folder: Path) -> list[Path]:
    """Write all figures as SVG, into one folder per language."""
    return [path for language in LANGUAGES for path in write_language(folder / language, language)]


def write_language(folder: Path, language: str) -> list[Path]:
    """Write the figures in one language."""
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for slide in SLIDES:
        figure = make_figure(slide, language)
        paths.append(folder / f"{slide.name}.svg")
        metadata = {"Date": None, "Title": Words(language)(*slide.title)}
        with matplotlib.rc_context(STYLE):
            figure.savefig(paths[-1], format="svg", metadata=metadata)
    return paths


def write_captions(language: str) -> str:
    """Write a section for each figure: its picture, its caption and its lesson."""
    words = Words(language)
    lines: list[str] = []
    for slide in SLIDES:
        title, caption = words(*slide.title), words(*slide.caption)
        lines += [f"## {title}", "", f'<img src="figures/{slide.name}.svg" alt="{caption}" width="100%">', ""]
        lesson = words(f"Lesson {slide.lesson}", f"Pelajaran {slide.lesson}")
        lines += [f"{caption} {lesson}, `{slide.name}.svg`.", ""]
    return "\n".join(lines)


# --- lesson 1: sound and pictures as numbers --------------------------------------------------------------------------


def _make_melody() -> np.ndarray:
    """Make four notes with six overtones each, in two seconds."""
    times = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    notes = []
    for frequency in (262, 349, 440, 330):
        waves = [np.sin(2 * np.pi * k * frequency * times) / k * np.exp(-2 * k * times) for k in range(1, 7)]
        notes.append(0.3 * np.sum(waves, axis=0) * np.minimum(1, times / 0.005))
    return np.concatenate(notes)


def _compute_spectrogram(y: np.ndarray, n_fft: int = 2_048, hop_length: int = 512) -> np.ndarray:
    """Compute a power spectrogram in decibels: np.ndarray [shape=(n_frequencies, n_frames)]."""
    frames = np.lib.stride_tricks.sliding_window_view(y, n_fft)[::hop_length] * np.hanning(n_fft + 1)[:-1]
    return 20 * np.log10(np.maximum(np.abs(np.fft.rfft(frames, axis=1)).T, 1e-5))


@draw_figure(
    1,
    ("From a sound to MFCC", "Dari suara ke MFCC"),
    (
        "Four generated notes, seen in four ways. Each step keeps less: the spectrogram drops the phase, mel bands "
        "drop detail of high frequencies, and 13 MFCC drop the exact pitch.",
        "Empat nada buatan, dilihat dengan empat cara. Setiap langkah menyimpan lebih sedikit: spektrogram membuang "
        "fase, pita mel membuang detail frekuensi tinggi, dan 13 MFCC membuang tinggi nada yang tepat.",
    ),
)
def draw_sound_to_mfcc(figure: Figure, words: Words) -> None:
    """Draw a waveform, its spectrogram, its mel bands and its MFCC."""
    import musicml

    y = _make_melody()
    log_mel = musicml.load_experiment("genre_cnn").features.compute(y)
    mfcc = musicml.load_experiment("genre_gru").features.compute(y)
    (wave, power), (mel, cepstrum) = figure.subplots(2, 2, sharex=True)
    seconds = len(y) / SAMPLE_RATE
    look = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
    wave.plot(np.arange(len(y)) / SAMPLE_RATE, y, linewidth=0.4, color=BLUE, rasterized=True)
    wave.set(
        title=words(f"{len(y):,} samples", f"{words.number(len(y))} sampel"), ylabel=words("amplitude", "amplitudo")
    )
    decibels = _compute_spectrogram(y)
    extent = (0, seconds, 0, SAMPLE_RATE / 2_000)
    power.imshow(decibels, extent=extent, cmap="magma", vmin=decibels.max() - 80, **look)
    power.set(
        title=words("spectrogram: {} × {}", "spektrogram: {} × {}").format(
            words.number(decibels.shape[0]), decibels.shape[1]
        ),
        ylabel=words("frequency (kHz)", "frekuensi (kHz)"),
    )
    mel.imshow(log_mel.T, extent=(0, seconds, 0, 128), cmap="magma", vmin=log_mel.max() - 80, **look)
    mel.set(title=f"log-mel: {log_mel.shape[1]} × {log_mel.shape[0]}", ylabel=words("mel band", "pita mel"))
    cepstrum.imshow(mfcc.T[1:], extent=(0, seconds, 0.5, 12.5), cmap="coolwarm", vmin=-150, vmax=150, **look)
    cepstrum.set(title=f"MFCC: {mfcc.shape[1]} × {mfcc.shape[0]} (1–12)", ylabel=words("coefficient", "koefisien"))
    cepstrum.set_yticks((1, 4, 8, 12))
    for axes in (mel, cepstrum):
        axes.set_xlabel(words("time (s)", "waktu (detik)"))


@draw_figure(
    1,
    ("Aliasing", "Aliasing"),
    (
        "Left: ten samples per second cannot tell 7 Hz from 3 Hz. Right: without a filter, every frequency above half "
        "of the sample rate comes back as a lower one (Shannon 1949, https://doi.org/10.1109/JRPROC.1949.232969).",
        "Kiri: dengan sepuluh sampel per detik, 7 Hz tidak dapat dibedakan dari 3 Hz. Kanan: tanpa filter, setiap "
        "frekuensi di atas setengah laju cuplik muncul sebagai frekuensi yang lebih rendah (Shannon 1949, "
        "https://doi.org/10.1109/JRPROC.1949.232969).",
    ),
)
def draw_aliasing(figure: Figure, words: Words) -> None:
    """Draw two waves through the same samples, and the frequency that is heard."""
    left, right = figure.subplots(1, 2)
    fine, coarse = np.linspace(0, 1, 1_000), np.arange(11) / 10
    left.plot(fine, np.cos(2 * np.pi * 7 * fine), color=GRAY, label="7 Hz")
    left.plot(fine, np.cos(2 * np.pi * 3 * fine), "--", color=ORANGE, label="3 Hz")
    left.plot(coarse, np.cos(2 * np.pi * 7 * coarse), "ko", label=words("samples", "sampel"))
    left.set(xlabel=words("time (s)", "waktu (detik)"), ylabel=words("amplitude", "amplitudo"), ylim=(-1.1, 1.6))
    left.set_title(words("10 samples per second", "10 sampel per detik"))
    left.legend(loc="upper center", ncols=3)
    true = np.linspace(0, 44.1, 500)
    rate = SAMPLE_RATE / 1_000
    right.plot(true, np.abs(true - rate * np.round(true / rate)), color=BLUE)
    right.axvline(rate / 2, ymax=0.9, color="black", linestyle=":")
    right.text(rate / 2 + 0.4, 11.6, words("Nyquist frequency", "frekuensi Nyquist"))
    right.plot([15, 15, 0], [0, rate - 15, rate - 15], color=ORANGE, linestyle="--")
    right.text(0.6, 12.6, words("15 kHz is heard as 7.05 kHz", "15 kHz terdengar sebagai 7,05 kHz"), color=ORANGE)
    right.set_title(words("22,050 samples per second", "22.050 sampel per detik"))
    right.set(xlabel=words("true frequency (kHz)", "frekuensi sebenarnya (kHz)"), xlim=(0, 44.1), ylim=(0, 13.4))
    right.set_ylabel(words("frequency in the samples (kHz)", "frekuensi dalam sampel (kHz)"))


@draw_figure(
    1,
    ("Long frames or short frames", "Frame panjang atau frame pendek"),
    (
        "The same sound: two tones 40 Hz apart and two clicks 25 ms apart. A short frame separates the clicks, a long "
        "frame separates the tones, and no frame does both (Gabor 1946, https://doi.org/10.1049/ji-3-2.1946.0074).",
        "Suara yang sama: dua nada berjarak 40 Hz dan dua klik berjarak 25 ms. Frame pendek memisahkan kedua klik, "
        "frame panjang memisahkan kedua nada, dan tidak ada frame yang memisahkan keduanya (Gabor 1946, "
        "https://doi.org/10.1049/ji-3-2.1946.0074).",
    ),
)
def draw_frame_length(figure: Figure, words: Words) -> None:
    """Draw two spectrograms of two tones and two clicks."""
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    y = 0.1 * (np.sin(2 * np.pi * 800 * times) + np.sin(2 * np.pi * 840 * times))
    y[[11_025, 11_576]] += 2.0  # 25 ms apart
    for axes, n_fft in zip(figure.subplots(1, 2, sharey=True), (256, 8_192), strict=True):
        decibels = _compute_spectrogram(y, n_fft, 64)
        left = (n_fft - 64) / 2 / SAMPLE_RATE  # each frame is drawn at its middle
        extent = (left, left + decibels.shape[1] * 64 / SAMPLE_RATE, 0, SAMPLE_RATE / 2)
        look = {"origin": "lower", "aspect": "auto", "cmap": "magma", "vmin": decibels.max() - 70}
        axes.imshow(decibels, extent=extent, interpolation="nearest", **look)
        milliseconds, step = words.number(1_000 * n_fft / SAMPLE_RATE, ".0f"), words.number(SAMPLE_RATE / n_fft, ".1f")
        text = words("{} samples: {} ms, steps of {} Hz", "{} sampel: {} ms, langkah {} Hz")
        axes.set_title(text.format(words.number(n_fft), milliseconds, step))
        axes.set(xlim=(0.3, 0.7), ylim=(500, 1_200), xlabel=words("time (s)", "waktu (detik)"))
    figure.axes[0].set_ylabel(words("frequency (Hz)", "frekuensi (Hz)"))


# --- lesson 2: a first classifier -------------------------------------------------------------------------------------


@draw_figure(
    2,
    ("Reading a confusion matrix", "Membaca matriks konfusi"),
    (
        "Invented counts. A row holds the files of one true label, and gives the recall. A column holds the files of "
        "one predicted label, and gives the precision.",
        "Angka rekaan. Satu baris memuat berkas dengan satu label sebenarnya, dan memberi recall. Satu kolom memuat "
        "berkas dengan satu label prediksi, dan memberi presisi.",
    ),
)
def draw_confusion_matrix(figure: Figure, words: Words) -> None:
    """Draw one matrix twice: with a row and with a column marked."""
    counts = np.array([[36, 3, 1], [6, 18, 16], [2, 9, 29]])
    names = ["gong", "saron", "suling"]
    for axes, is_row in zip(figure.subplots(1, 2), (True, False), strict=True):
        chosen = np.zeros((3, 3))
        chosen[1 if is_row else slice(None), slice(None) if is_row else 1] = 0.45
        chosen[1, 1] = 0.65
        axes.imshow(chosen, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            axes.text(column, row, str(count), ha="center", va="center", fontsize=16)
        axes.set_xticks(range(3), names)
        axes.set_yticks(range(3), names)
        axes.set(xlabel=words("predicted label", "label prediksi"), ylabel=words("true label", "label sebenarnya"))
        total = counts[1].sum() if is_row else counts[:, 1].sum()
        name = words("recall", "recall") if is_row else words("precision", "presisi")
        parts = " + ".join(str(count) for count in (counts[1] if is_row else counts[:, 1]))
        axes.set_title(f"{name}, saron: 18 / ({parts}) = {words.number(18 / total, '.2f')}")


@draw_figure(
    2,
    ("The best of many settings is partly luck", "Yang terbaik dari banyak pengaturan sebagian adalah keberuntungan"),
    (
        "Simulation: every setting is right for 60% of all files, and each is tested once. The best of many test "
        "results is far above 60%, the more so the smaller the test set. So choose on validation, and test once. Here "
        "the settings err independently. Real settings resemble each other, and the effect is smaller.",
        "Simulasi: setiap pengaturan benar untuk 60% dari semua berkas, dan masing-masing diuji sekali. Yang terbaik "
        "dari banyak hasil uji jauh di atas 60%, makin jauh bila data pengujiannya makin kecil. Jadi, pilihlah dengan "
        "data validasi, dan ujilah sekali. Di sini kesalahan tiap pengaturan saling bebas. Pengaturan nyata saling "
        "mirip, sehingga efeknya lebih kecil.",
    ),
)
def draw_best_of_many(figure: Figure, words: Words) -> None:
    """Draw the mean of the best test result among many equal settings."""
    rng = np.random.default_rng(0)
    axes = figure.subplots()
    for n, color in ((50, ORANGE), (200, BLUE), (1_000, GREEN)):
        best = np.maximum.accumulate(rng.binomial(n, 0.6, (4_000, 100)), axis=1).mean(axis=0) / n
        axes.plot(np.arange(1, 101), best, color=color, linewidth=2.5)
        text = words("{} test files", "{} berkas pengujian").format(words.number(n))
        axes.text(102, best[-1], text, color=color, va="center")
    axes.axhline(0.6, color="black", linestyle=":")
    axes.text(102, 0.595, words("true accuracy", "akurasi sebenarnya"), va="center")
    axes.set(xlabel=words("settings tried", "pengaturan yang dicoba"), xlim=(1, 132), xticks=(1, 20, 40, 60, 80, 100))
    axes.set(ylabel=words("best test accuracy (mean)", "akurasi uji terbaik (rata-rata)"), ylim=(0.57, 0.8))


# --- lesson 3: a convolutional network --------------------------------------------------------------------------------


def _draw_table(axes: Axes, values: np.ndarray, words: Words, marked: np.ndarray | None = None) -> None:
    """Draw a table of whole numbers, with some cells marked."""
    axes.imshow(np.zeros(values.shape) if marked is None else marked, cmap="Oranges", vmin=0, vmax=2)
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, words.number(value), ha="center", va="center", fontsize=15)
    axes.set_xticks(np.arange(values.shape[1] + 1) - 0.5, [])
    axes.set_yticks(np.arange(values.shape[0] + 1) - 0.5, [])
    axes.grid(color="black", linewidth=0.6)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(True)


@draw_figure(
    3,
    ("A convolution, computed by hand", "Konvolusi, dihitung dengan tangan"),
    (
        "Multiply each marked value by the weight at the same place, and add. The kernel then moves on by one. It "
        "responds where a value is followed by a larger one two columns further on.",
        "Kalikan setiap nilai yang ditandai dengan bobot di tempat yang sama, lalu jumlahkan. Setelah itu kernel "
        "bergeser satu langkah. Kernel ini merespons bila sebuah nilai diikuti nilai yang lebih besar dua kolom "
        "setelahnya.",
    ),
)
def draw_convolution(figure: Figure, words: Words) -> None:
    """Draw an input, a kernel and their feature map."""
    x = np.array([[0, 0, 1, 3, 3], [0, 1, 4, 4, 2], [0, 0, 1, 3, 3], [1, 0, 0, 1, 0], [0, 0, 1, 0, 0]])
    kernel = np.array([[-1, 0, 1]] * 3)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3))
    result = (windows * kernel).sum(axis=(2, 3))
    left, middle, right = figure.subplots(1, 3, width_ratios=(5, 3, 3))
    marked = np.zeros_like(x)
    marked[:3, 1:4] = 1
    _draw_table(left, x, words, marked)
    _draw_table(middle, kernel, words)
    _draw_table(right, result, words, np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]]))
    left.set_title(words("part of a spectrogram", "bagian spektrogram"))
    middle.set_title(words("kernel", "kernel"))
    right.set_title(words("feature map", "peta fitur"))
    terms = " + ".join(
        f"{words.number(a)}·({words.number(b)})" if b < 0 else f"{a}·{b}"
        for a, b in zip(x[:3, 1:4].ravel(), kernel.ravel(), strict=True)
    )
    figure.supxlabel(f"{terms} = {result[0, 1]}", fontsize=12)


@draw_figure(
    3,
    ("What one value sees: the receptive field", "Yang dilihat satu nilai: bidang reseptif"),
    (
        "One value after two blocks, each with a convolution of three frames and a pooling of two, depends on ten "
        "frames. The rule: r grows by (k − 1) · j, then j is multiplied by the stride (Araujo, Norris and Sim 2019, "
        "https://doi.org/10.23915/distill.00021).",
        "Satu nilai setelah dua blok, masing-masing dengan konvolusi tiga frame dan pooling dua, bergantung pada "
        "sepuluh frame. Aturannya: r bertambah (k − 1) · j, lalu j dikalikan dengan stride (Araujo, Norris, dan Sim "
        "2019, https://doi.org/10.23915/distill.00021).",
    ),
)
def draw_receptive_field(figure: Figure, words: Words) -> None:
    """Draw the values of each layer in a row, with those that the last one depends on."""
    axes = figure.subplots()
    convolution, pooling = words("convolution, k = 3", "konvolusi, k = 3"), words("pooling, k = 2", "pooling, k = 2")
    layers = ((words("frames", "frame"), 1, 1), *2 * ((convolution, 3, 1), (pooling, 2, 2)))
    places, r, j = np.arange(14.0), 1, 1
    rows = []
    for name, k, stride in layers:
        starts = np.arange(0, len(places) - k + 1, stride)
        rows.append((name, places, k, stride))
        if k > 1:
            places = np.array([places[start : start + k].mean() for start in starts])
            r, j = r + (k - 1) * j, j * stride
        rows[-1] = (name, places, k, stride, r)
    used = {0}
    for height in range(len(rows) - 1, -1, -1):
        name, places, k, stride, r = rows[height]
        for number, place in enumerate(places):
            axes.plot(place, height, "o", markersize=13, color=ORANGE if number in used else "#DDDDDD", zorder=3)
        axes.text(14.2, height, name, va="center")
        axes.text(-0.9, height, words("r = {}", "r = {}").format(r), va="center", ha="right")
        below = {start for number in used for start in range(number * stride, number * stride + k)}
        if height:
            for number in used:
                for start in range(number * stride, number * stride + k):
                    axes.plot([places[number], rows[height - 1][1][start]], [height, height - 1], color=ORANGE, lw=1)
            used = below
    axes.set(xlim=(-2.6, 18.6), ylim=(-0.6, len(rows) - 0.4))
    axes.axis("off")


# --- lesson 4: recurrent networks -------------------------------------------------------------------------------------


def _draw_box(axes: Axes, x: float, y: float, width: float, height: float, text: str, color: str) -> None:
    """Draw a box with a text in it; x and y are its middle."""
    from matplotlib.patches import FancyBboxPatch

    corner = (x - width / 2, y - height / 2)
    style = "round,pad=0,rounding_size=0.15"
    axes.add_patch(
        FancyBboxPatch(corner, width, height, boxstyle=style, facecolor=color, edgecolor="black", alpha=0.25)
    )
    axes.text(x, y, text, ha="center", va="center")


def _draw_arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], **look: Any) -> None:
    """Draw an arrow from a place to another."""
    axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": "black", "lw": 1.5} | look)


@draw_figure(
    4,
    ("The gates of a GRU", "Gerbang sebuah GRU"),
    (
        "Left: the update gate z decides how much of the old state stays, the reset gate r how much of it the "
        "candidate may use (Cho and others 2014, https://arxiv.org/abs/1406.1078; Keras resets after the matrix "
        "product). Right: how much of a state is left, if z keeps one value and a frame comes every 23 ms.",
        "Kiri: gerbang pembaruan z menentukan berapa banyak keadaan lama yang tetap, gerbang reset r berapa banyak "
        "yang boleh dipakai kandidat (Cho dkk. 2014, https://arxiv.org/abs/1406.1078; Keras me-reset setelah perkalian "
        "matriks). Kanan: berapa banyak keadaan yang tersisa, bila z tetap dan ada satu frame setiap 23 ms.",
    ),
)
def draw_gru_gates(figure: Figure, words: Words) -> None:
    """Draw the equations of a GRU, and how long it remembers."""
    left, right = figure.subplots(1, 2, width_ratios=(5, 4))
    left.axis("off")
    left.set(xlim=(0, 10), ylim=(0, 10))
    rows = (
        (ORANGE, words("update gate", "gerbang pembaruan"), r"$z_t = \sigma(W_z x_t + U_z h_{t-1} + b_z)$"),
        (PURPLE, words("reset gate", "gerbang reset"), r"$r_t = \sigma(W_r x_t + U_r h_{t-1} + b_r)$"),
        (GREEN, words("candidate", "kandidat"), r"$\tilde{h}_t = \tanh(W x_t + U (r_t \odot h_{t-1}) + b)$"),
        (BLUE, words("new state", "keadaan baru"), r"$h_t = z_t \odot h_{t-1} + (1 - z_t) \odot \tilde{h}_t$"),
    )
    for place, (color, name, formula) in enumerate(rows):
        y = 8.7 - 2.5 * place
        _draw_box(left, 5, y - 0.15, 9.8, 2.0, "", color)
        left.text(0.4, y + 0.35, name, color=color, fontweight="bold", va="center")
        left.text(5, y - 0.5, formula, fontsize=14, ha="center", va="center")
    seconds = np.arange(0, 130) * 512 / SAMPLE_RATE
    for z, color in ((0.5, GREEN), (0.9, BLUE), (0.99, ORANGE)):
        right.plot(seconds, z ** np.arange(130), color=color, linewidth=2.5, label=f"z = {words.number(z)}")
    right.set(xlabel=words("time (s)", "waktu (detik)"), xlim=(0, 3), ylim=(0, 1.02))
    right.set_ylabel(words("share of the old state that is left", "bagian keadaan lama yang tersisa"))
    right.legend()


# --- lesson 5: transfer -----------------------------------------------------------------------------------------------


@draw_figure(
    5,
    ("A pretrained backbone, and its control", "Backbone pralatih dan pembandingnya"),
    (
        "The backbone learns on other data and is then frozen, and only a new head learns your classes. The control is "
        "the same network with random weights. The difference of the two results is what pretraining is worth.",
        "Backbone belajar pada data lain lalu dibekukan, dan hanya head baru yang mempelajari kelas Anda. "
        "Pembandingnya adalah jaringan yang sama dengan bobot acak. Selisih kedua hasil adalah nilai dari pelatihan "
        "awal.",
    ),
)
def draw_pretrained_backbone(figure: Figure, words: Words) -> None:
    """Draw pretraining, the frozen backbone and its random twin."""
    axes = figure.subplots()
    axes.axis("off")
    axes.set(xlim=(0, 16), ylim=(0, 9))
    old, new = words("many songs\nwith tags", "banyak lagu\ndengan tag"), words("your few\nclips", "sedikit klip\nAnda")
    weights = (
        words("backbone\nlearns", "backbone\nbelajar"),
        words("backbone\nfrozen", "backbone\nbeku"),
        words("backbone\nrandom weights", "backbone\nbobot acak"),
    )
    heads = (words("old head", "head lama"), words("new head", "head baru"), words("new head", "head baru"))
    names = (words("pretraining", "pelatihan awal"), words("your model", "model Anda"), words("control", "pembanding"))
    results = (words("tags", "tag"), words("accuracy A", "akurasi A"), words("accuracy B", "akurasi B"))
    for place, y in enumerate((7.6, 4.7, 1.8)):
        axes.text(0.1, y, names[place], fontweight="bold", va="center")
        _draw_box(axes, 4.4, y, 2.4, 1.5, old if place == 0 else new, GRAY)
        _draw_box(axes, 8.1, y, 3.0, 1.7, weights[place], (ORANGE, BLUE, GRAY)[place])
        _draw_box(axes, 11.7, y, 2.2, 1.5, heads[place], ORANGE)
        axes.text(14.6, y, results[place], ha="center", va="center")
        for start, end in ((5.6, 6.6), (9.6, 10.6), (12.8, 13.5)):
            _draw_arrow(axes, (start, y), (end, y))
    _draw_arrow(axes, (8.1, 6.7), (8.1, 5.6), color=BLUE, lw=2.5)
    axes.text(8.4, 6.15, words("copy the weights", "salin bobotnya"), color=BLUE, va="center")
    worth = words("A − B: what pretraining is worth", "A − B: nilai dari pelatihan awal")
    axes.text(8, 0.35, worth, ha="center", va="center", fontweight="bold")


# --- lesson 6: what a result is worth ---------------------------------------------------------------------------------


@draw_figure(
    6,
    ("Split by track or by artist", "Pembagian per lagu atau per artis"),
    (
        "Each column is an artist with four tracks. If tracks are split one by one, nearly every test track has a "
        "track of the same artist in training. If artists are split, none has.",
        "Setiap kolom adalah seorang artis dengan empat lagu. Bila lagu dibagi satu per satu, hampir setiap lagu "
        "pengujian punya lagu dari artis yang sama di data pelatihan. Bila artis yang dibagi, tidak ada satu pun.",
    ),
)
def draw_split_by_group(figure: Figure, words: Words) -> None:
    """Draw the tracks of ten artists, split in two ways."""
    rng = np.random.default_rng(5)
    artists = np.repeat(np.arange(10), 4)
    parts = (words("training", "pelatihan"), words("validation", "validasi"), words("test", "pengujian"))
    by_artist = np.repeat(rng.permutation([0] * 6 + [1] * 2 + [2] * 2), 4)
    by_track = rng.permutation(by_artist)
    titles = (words("by track", "per lagu"), words("by artist", "per artis"))
    for axes, split, title in zip(figure.subplots(1, 2, sharey=True), (by_track, by_artist), titles, strict=True):
        for part, (name, color, marker) in enumerate(zip(parts, (GRAY, BLUE, ORANGE), "osD", strict=True)):
            chosen = split == part
            places = np.arange(40) % 4
            axes.scatter(artists[chosen] + 1, places[chosen] + 1, 130, color=color, marker=marker, label=name)
        shared = np.isin(artists[split == 2], artists[split == 0])
        text = words(
            "{} of {} test tracks\nshare an artist with training",
            "{} dari {} lagu pengujian\nartisnya ada di pelatihan",
        )
        axes.set_title(f"{title}: " + text.format(shared.sum(), shared.size))
        axes.set(xlabel=words("artist", "artis"), xticks=range(1, 11), yticks=range(1, 5), ylim=(0.5, 4.5))
    figure.axes[0].set_ylabel(words("track", "lagu"))
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)


@draw_figure(
    6,
    ("80% of how many?", "80% dari berapa?"),
    (
        "Wilson's 95% interval of an accuracy of 80% on 5, 50 and 500 independent test files (Wilson 1927, "
        "https://doi.org/10.1080/01621459.1927.10502953). Ten times as many files make it about a third as wide.",
        "Selang Wilson 95% dari akurasi 80% pada 5, 50, dan 500 berkas pengujian yang saling bebas (Wilson 1927, "
        "https://doi.org/10.1080/01621459.1927.10502953). Berkas sepuluh kali lebih banyak membuat selang sekitar "
        "sepertiga lebarnya.",
    ),
)
def draw_wilson_intervals(figure: Figure, words: Words) -> None:
    """Draw the intervals of one accuracy on three test sets."""
    _draw_intervals(
        figure.subplots(),
        words,
        [(words("{} of {}", "{} dari {}").format(4 * n // 5, n), 4 * n // 5, n) for n in (5, 50, 500)],
    )


def _draw_intervals(axes: Axes, words: Words, rows: list[tuple[str, int, int]], left: float = 0.25) -> None:
    """Draw Wilson's interval of each row: a name, the number of correct files, and the number of files."""
    from musicml.utils import compute_wilson_interval

    for place, (_, k, n) in enumerate(reversed(rows)):
        low, high = compute_wilson_interval(k, n)
        axes.plot([low, high], [place, place], color=BLUE, linewidth=5, solid_capstyle="butt")
        axes.plot(k / n, place, "o", color="black", markersize=10)
        ends = words("{} to {}", "{} sampai {}").format(words.number(low, ".3f"), words.number(high, ".3f"))
        axes.text((low + high) / 2, place + 0.18, ends, ha="center", va="bottom")
    axes.set_yticks(range(len(rows)), [name for name, _, _ in reversed(rows)])
    axes.set(xlim=(left, 1.05), ylim=(-0.5, len(rows) - 0.3))
    axes.set_xlabel(words("accuracy and 95% interval", "akurasi dan selang 95%"))


@draw_figure(
    6,
    ("100 clips of 10 tracks are not 100", "100 klip dari 10 lagu bukan 100"),
    (
        "Simulation of 20,000 test sets, true accuracy 2/3. Clips of one track succeed or fail together (correlation "
        "0.4), so ten clips of each of ten tracks spread like about 22 independent clips: 100 / (1 + 9 · 0.4). The "
        "factor is Kish's design effect (Survey Sampling, 1965).",
        "Simulasi 20.000 data pengujian, akurasi sebenarnya 2/3. Klip dari satu lagu benar atau salah bersama-sama "
        "(korelasi 0,4), sehingga sepuluh klip dari masing-masing sepuluh lagu menyebar seperti sekitar 22 klip yang "
        "saling bebas: 100 / (1 + 9 · 0,4). Faktornya adalah efek desain dari Kish (Survey Sampling, 1965).",
    ),
)
def draw_clips_of_tracks(figure: Figure, words: Words) -> None:
    """Draw the spread of the accuracy over independent and over dependent clips."""
    rng = np.random.default_rng(0)
    easiness = rng.beta(1.0, 0.5, (20_000, 10))  # correlation of a track's clips: 1 / (1.0 + 0.5 + 1)
    dependent = rng.binomial(10, easiness).sum(axis=1) / 100
    independent = rng.binomial(100, 2 / 3, 20_000) / 100
    axes = figure.subplots()
    bins = np.arange(0.145, 1.02, 0.02)
    rows = (
        (independent, BLUE, words("100 independent clips", "100 klip yang saling bebas")),
        (dependent, ORANGE, words("10 clips of each of 10 tracks", "10 klip dari masing-masing 10 lagu")),
    )
    for values, color, name in rows:
        spread = words("{}: standard deviation {}", "{}: simpangan baku {}")
        label = spread.format(name, words.number(values.std(), ".3f"))
        axes.hist(values, bins, weights=np.full(20_000, 1 / 200), color=color, alpha=0.6, label=label)
    axes.axvline(2 / 3, ymax=0.8, color="black", linestyle=":")
    axes.set(xlabel=words("measured accuracy", "akurasi terukur"), xlim=(0.2, 1), ylim=(0, 23))
    axes.set_ylabel(words("test sets (%)", "data pengujian (%)"))
    axes.legend(loc="upper left")


@draw_figure(
    6,
    ("Which of two models is better?", "Model mana yang lebih baik?"),
    (
        "Invented counts. Only the files that exactly one model gets right can tell. If both were equally good, each "
        "of them would be a coin toss: McNemar's test (1947, https://doi.org/10.1007/BF02295996), in its exact form. p "
        "is the share of the orange bars.",
        "Angka rekaan. Hanya berkas yang dijawab benar oleh tepat satu model yang dapat menunjukkannya. Bila keduanya "
        "sama baik, setiap berkas itu seperti lemparan koin: uji McNemar (1947, https://doi.org/10.1007/BF02295996) "
        "dalam bentuk eksak. p adalah bagian dari batang jingga.",
    ),
)
def draw_paired_test(figure: Figure, words: Words) -> None:
    """Draw the four cells of a paired comparison, and the binomial distribution of one of them."""
    both, only_a, only_b, neither = 412, 31, 15, 42
    left, right = figure.subplots(1, 2, width_ratios=(4, 5))
    left.imshow([[0, 1], [1, 0]], cmap="Oranges", vmin=0, vmax=2.5)
    cells = (("", both), ("only_a", only_a), ("only_b", only_b), ("", neither))
    for number, (name, count) in enumerate(cells):
        text = f"{count}\n{name}" if name else str(count)
        left.text(number % 2, number // 2, text, ha="center", va="center", fontsize=15)
    is_right, is_wrong = words("right", "benar"), words("wrong", "salah")
    left.set_xticks((0, 1), (f"B {is_right}", f"B {is_wrong}"))
    left.set_yticks((0, 1), (f"A {is_right}", f"A {is_wrong}"))
    left.set_title(words("500 test files", "500 berkas pengujian"))
    n = only_a + only_b
    counts = np.arange(n + 1)
    probabilities = np.array([math.comb(n, k) / 2**n for k in counts])
    is_extreme = np.abs(counts - n / 2) >= abs(only_a - n / 2)
    right.bar(counts, 100 * probabilities, color=np.where(is_extreme, ORANGE, GRAY))
    right.set(xlim=(6, 40), xlabel=words(f"only_a, if {n} coins are tossed", f"only_a, bila {n} koin dilempar"))
    right.set_ylabel(words("probability (%)", "peluang (%)"))
    right.set_title(f"p = {words.number(probabilities[is_extreme].sum(), '.3f')}")


@draw_figure(
    6,
    ("A leak: the neighbor is the same track", "Kebocoran: tetangganya adalah lagu yang sama"),
    (
        "Simulation with two features. Genre has almost no effect here, but pieces of one track lie close together. "
        "Left, the nearest other piece decides, and it is of the same track. Right, it must be of another track.",
        "Simulasi dengan dua fitur. Genre hampir tidak berpengaruh di sini, tetapi potongan dari satu lagu berdekatan. "
        "Kiri: potongan terdekat yang menentukan, dan ia berasal dari lagu yang sama. Kanan: ia harus berasal dari "
        "lagu lain.",
    ),
)
def draw_leakage(figure: Figure, words: Words) -> None:
    """Draw the nearest neighbor of each piece, with and without pieces of the same track."""
    rng = np.random.default_rng(6)
    genre_of_track = np.tile([0, 1], 8)
    tracks = np.repeat(np.arange(16), 5)
    middles = rng.normal(size=(16, 2)) + 0.15 * genre_of_track[:, None]
    points = middles[tracks] + 0.06 * rng.normal(size=(80, 2))
    genres = genre_of_track[tracks]
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    apart = np.where(tracks[:, None] == tracks[None], np.inf, distances)
    titles = (words("random pieces", "potongan acak"), words("whole tracks", "lagu utuh"))
    for axes, allowed, title in zip(figure.subplots(1, 2, sharey=True), (distances, apart), titles, strict=True):
        nearest = allowed.argmin(axis=1)
        for k, other in enumerate(nearest):
            axes.plot(*points[[k, other]].T, color=GRAY, linewidth=0.8, zorder=1)
        for genre, color, marker in ((0, BLUE, "o"), (1, ORANGE, "^")):
            label = words("genre {}", "genre {}").format("AB"[genre])
            axes.scatter(*points[genres == genre].T, 40, color=color, marker=marker, label=label, zorder=2)
        share = words.number(np.mean(genres[nearest] == genres), ".2f")
        axes.set_title(words("{}: accuracy {}", "{}: akurasi {}").format(title, share))
        axes.set_xlabel(words("feature 1", "fitur 1"))
    figure.axes[0].set_ylabel(words("feature 2", "fitur 2"))
    figure.axes[0].legend(loc="best")


# --- lesson 7: published results --------------------------------------------------------------------------------------


@draw_figure(
    7,
    ("Three published accuracies, with their intervals", "Tiga akurasi terpublikasi beserta selangnya"),
    (
        "Wilson's 95% intervals. The two results on pictures overlap. The number of test tracks of the genre result is "
        "inferred from its percentages, not stated. An interval says nothing about a fault of the protocol.",
        "Selang Wilson 95%. Kedua hasil pada gambar saling tumpang tindih. Jumlah lagu pengujian dari hasil genre "
        "disimpulkan dari persentasenya, tidak disebutkan. Selang tidak mengatakan apa pun tentang cacat pada "
        "protokol.",
    ),
)
def draw_published_intervals(figure: Figure, words: Words) -> None:
    """Draw the intervals of three results of the case studies."""
    pictures = words("pictures", "gambar")
    rows = [(f"ResNet50\n{pictures}\n149 / 150", 149, 150), (f"VGG16\n{pictures}\n144 / 150", 144, 150)]
    _draw_intervals(
        figure.subplots(), words, [*rows, (words("CNN\ngenres\n65 / 100", "CNN\ngenre\n65 / 100"), 65, 100)], 0.5
    )


# --- lesson 8: many labels --------------------------------------------------------------------------------------------


@draw_figure(
    8,
    ("A loss for the known cells only", "Loss hanya untuk sel yang diketahui"),
    (
        "Invented numbers. A cell that no listener judged counts neither in the sum nor in the number of cells. Any "
        "other reading changes the loss, and so what the network learns.",
        "Angka rekaan. Sel yang tidak dinilai pendengar tidak dihitung, baik dalam jumlah maupun dalam banyaknya sel. "
        "Pembacaan lain mengubah loss, dan dengan begitu apa yang dipelajari jaringan.",
    ),
)
def draw_masked_loss(figure: Figure, words: Words) -> None:
    """Draw labels with gaps, predictions, and the loss of each known cell."""
    nan = np.nan
    truth = np.array([[1, nan, nan, 0], [nan, 0, nan, nan], [nan, 1, 1, nan], [0, nan, nan, 1]])
    p = np.array([[0.9, 0.7, 0.2, 0.3], [0.6, 0.1, 0.8, 0.4], [0.3, 0.5, 0.8, 0.9], [0.2, 0.6, 0.4, 0.7]])
    known = ~np.isnan(truth)
    names = ["gong", "rebab", "saron", "suling"]

    def compute_cells(labels: np.ndarray) -> np.ndarray:
        return -np.log(np.where(labels == 1, p, 1 - p))

    titles = (words("label", "label"), words("predicted probability", "peluang prediksi"), "loss")
    texts = (
        np.where(known, np.nan_to_num(truth).astype(int).astype(str), "?"),
        np.array([[words.number(value, ".1f") for value in row] for row in p]),
        np.array([[words.number(value, ".2f") for value in row] for row in compute_cells(truth)]),
    )
    texts[2][~known] = "–"
    for axes, title, table in zip(figure.subplots(1, 3), titles, texts, strict=True):
        axes.imshow(np.where(known, 0.6, 0.0), cmap="Blues", vmin=0, vmax=1.6)
        for (row, column), text in np.ndenumerate(table):
            axes.text(column, row, text, ha="center", va="center", fontsize=13)
        axes.set_xticks(range(4), names, rotation=30)
        axes.set_yticks(range(4), range(1, 5))
        axes.set_title(title)
    figure.axes[0].set_ylabel(words("clip", "klip"))
    loss = words.number(compute_cells(truth)[known].mean(), ".2f")
    absent = words.number(compute_cells(np.nan_to_num(truth, nan=0)).mean(), ".2f")
    present = words.number(compute_cells(np.nan_to_num(truth, nan=1)).mean(), ".2f")
    text = words(
        "masked: {}      unknown read as absent: {}      unknown read as present: {}",
        "dengan mask: {}      tidak diketahui dibaca tidak ada: {}      dibaca ada: {}",
    )
    figure.supxlabel(text.format(loss, absent, present), fontsize=13)


def _compute_tail(x: np.ndarray) -> np.ndarray:
    """Compute the probability that a standard normal number exceeds each x."""
    return np.array([0.5 * math.erfc(value / math.sqrt(2)) for value in x])


@draw_figure(
    8,
    ("ROC curve and precision-recall curve", "Kurva ROC dan kurva presisi-recall"),
    (
        "One classifier, and classes of different frequency. Its scores are normal: mean 2 if the instrument is "
        "present, mean 0 if it is absent. The ROC curve does not change. The precision falls as the class becomes rare "
        "(Davis and Goadrich 2006, https://doi.org/10.1145/1143844.1143874).",
        "Satu model klasifikasi, dan kelas dengan frekuensi berbeda. Skornya normal: rata-rata 2 bila alat musiknya "
        "ada, 0 bila tidak ada. Kurva ROC tidak berubah. Presisi turun bila kelas makin jarang (Davis dan Goadrich "
        "2006, https://doi.org/10.1145/1143844.1143874).",
    ),
)
def draw_roc_and_precision_recall(figure: Figure, words: Words) -> None:
    """Draw both curves for three frequencies of a class."""
    thresholds = np.linspace(7, -5, 400)
    recall, false_rate = _compute_tail(thresholds - 2), _compute_tail(thresholds)
    left, right = figure.subplots(1, 2)
    left.plot(false_rate, recall, color="black", linewidth=2.5)
    left.plot([0, 1], [0, 1], color=GRAY, linestyle=":")
    area = words.number(np.trapezoid(recall, false_rate), ".2f")
    left.set_title(words("ROC, area {} for all three", "ROC, luas {} untuk ketiganya").format(area))
    left.set(xlabel=words("false-positive rate", "proporsi positif palsu"), ylabel="recall")
    for share, color, style in ((0.5, BLUE, "-"), (0.1, ORANGE, "--"), (0.02, GREEN, "-.")):
        precision = share * recall / (share * recall + (1 - share) * false_rate)
        label = words("present in {}%", "ada di {}%").format(words.number(100 * share))
        right.plot(recall, precision, color=color, linestyle=style, linewidth=2.5, label=label)
    right.set(xlabel="recall", ylabel=words("precision", "presisi"), ylim=(0, 1.02))
    right.set_title(words("precision and recall", "presisi dan recall"))
    right.legend(loc="lower left")


@draw_figure(
    8,
    ("Choosing a threshold", "Memilih ambang"),
    (
        "The classifier of the figure before, for an instrument that is present in 20% of the clips. Precision rises "
        "with the threshold and recall falls. The best F1 is one choice; what you need depends on the use.",
        "Model klasifikasi dari gambar sebelumnya, untuk alat musik yang ada di 20% klip. Presisi naik bersama ambang "
        "dan recall turun. F1 terbaik adalah salah satu pilihan; yang Anda perlukan bergantung pada pemakaiannya.",
    ),
)
def draw_threshold(figure: Figure, words: Words) -> None:
    """Draw precision, recall and F1 over the threshold."""
    thresholds = np.linspace(-2, 4, 400)
    recall, false_rate = _compute_tail(thresholds - 2), _compute_tail(thresholds)
    precision = 0.2 * recall / (0.2 * recall + 0.8 * false_rate)
    f1 = 2 * precision * recall / (precision + recall)
    axes = figure.subplots()
    axes.plot(thresholds, precision, color=BLUE, linewidth=2.5, label=words("precision", "presisi"))
    axes.plot(thresholds, recall, "--", color=ORANGE, linewidth=2.5, label="recall")
    axes.plot(thresholds, f1, "-.", color=GREEN, linewidth=2.5, label="F1")
    best = thresholds[f1.argmax()]
    axes.axvline(best, color="black", linestyle=":")
    text = words("best F1: {} at {}", "F1 terbaik: {} pada {}")
    axes.text(best + 0.05, 1.04, text.format(words.number(f1.max(), ".2f"), words.number(best, ".1f")))
    axes.set(xlabel=words("threshold of the score", "ambang skor"), ylabel=words("share", "proporsi"))
    axes.set(xlim=(-2, 4), ylim=(0, 1.1))
    axes.legend(loc="center left")


def main() -> None:
    """Write all figures into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("build/figures"))
    paths = write_figures(parser.parse_args().folder)
    print(f"{len(paths)} figures in {paths[0].parent.parent}")


if __name__ == "__main__":
    main()
