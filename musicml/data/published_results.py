"""Published results to compare with, each with its source, its protocol and its caveats.

A number without its protocol can't be compared, so each entry states how it was obtained. Shares are in 0..1, as in a
report. Numbers rounded in the source stay rounded; numbers computed from the published ones are listed in `inferred`.
"""

from __future__ import annotations

from musicml.data.reference import AS_PUBLISHED, HONEST, Reference, compute_macro_means, convert_percent
from musicml.utils import InputError, Message, compute_wilson_interval, suggest_names


def list_references(dataset: str, protocol: str | None = None) -> list[Reference]:
    """List the published results on a dataset, in the order of this file, optionally of one protocol."""
    return [result for result in ALL if result.dataset == dataset and protocol in (None, result.protocol)]


def get_reference(name: str) -> Reference:
    """Return the published result of this name; raise InputError with the nearest name if there is none."""
    known = {result.name: result for result in ALL}
    if name not in known:
        raise InputError(
            "reference = {name!r} is not a known published result: {hint}", name=name, hint=suggest_names(name, known)
        )
    return known[name]


# support and predictions are the only counts of 100 tracks that give every rounded number of the table
GENRES = convert_percent(
    "precision recall f1 auc support said",
    {
        "blues": (69, 90, 78, 96, 10, 13),
        "classical": (100, 100, 100, 100, 5, 5),
        "country": (60, 46, 52, 91, 13, 10),
        "disco": (60, 50, 55, 92, 6, 5),
        "hiphop": (80, 47, 59, 96, 17, 10),
        "jazz": (77, 77, 77, 98, 13, 13),
        "metal": (82, 90, 86, 99, 10, 11),
        "pop": (45, 62, 53, 92, 8, 11),
        "rock": (56, 75, 64, 93, 12, 16),
        "reggae": (17, 17, 17, 86, 6, 6),  # 1 of 6 correct
    },
)
# the test split in OpenMIC-2018's own notebook; support and observed count clips among the 5,085
FOREST = convert_percent(
    "precision recall f1 f1_absent support observed",
    {
        "accordion": (77, 32, 45, 90, 115, 538),
        "banjo": (68, 52, 59, 86, 140, 478),
        "bass": (83, 49, 61, 89, 134, 463),
        "cello": (79, 76, 78, 81, 226, 485),
        "clarinet": (71, 9, 16, 88, 137, 640),  # the lowest recall
        "cymbals": (93, 98, 96, 90, 297, 436),
        "drums": (90, 97, 93, 86, 278, 424),
        "flute": (64, 36, 46, 83, 175, 562),
        "guitar": (98, 98, 98, 97, 286, 436),
        "mallet_percussion": (78, 69, 73, 81, 211, 478),
        "mandolin": (59, 57, 58, 82, 193, 627),
        "organ": (67, 25, 36, 85, 121, 431),
        "piano": (93, 98, 96, 90, 285, 415),
        "saxophone": (80, 86, 83, 83, 305, 629),
        "synthesizer": (96, 97, 97, 92, 268, 380),
        "trombone": (77, 54, 63, 87, 228, 720),
        "trumpet": (78, 62, 69, 82, 318, 785),
        "ukulele": (67, 54, 60, 84, 182, 590),
        "violin": (84, 94, 89, 78, 394, 631),
        "voice": (93, 96, 94, 91, 224, 374),
    },
)

PICTURES_PROJECT = 'M. Rio Gunawan, "30 Musical Instrument", course project'
GENRE_PROJECT = '"DL-Kelompok-5", course project'
OPENMIC_PROJECT = '"Music Instrument Recognition with CNN", course project on OpenMIC-2018'
FILTERED_SPLIT = Message(
    "Fault-filtered lists of Kereliuk, Sturm and Larsen (2015): 443 training, 197 validation and 290 test tracks "
    "without repeated, distorted or mislabeled ones, and no known artist in two splits."
)
OPENMIC_SPLIT = Message("Official split01 of OpenMIC-2018, with separate artists, known labels only.")
UNTRACED = Message("Model: {paper}; the first publication of the result on OpenMIC-2018 could not be found")

# Each class has five test pictures, so macro and weighted means are equal, and so are accuracy and mean recall.
ALL = (
    Reference(
        name="pictures_resnet50",
        dataset="instrument_images",
        system=Message("ResNet50, frozen, with a new head"),
        source=PICTURES_PROJECT,
        protocol=AS_PUBLISHED,
        method=Message(
            "The archive's own split: 4,793 training, 150 validation and 150 test pictures, five of each class. "
            "The count of 149 correct is inferred from the rounded 99%, which 148 would give as well."
        ),
        caveats=Message(
            "The confidence interval is 96.3 to 99.9%: on so few pictures no model can be shown to be better."
        ),
        figures={"accuracy": 0.99, "macro_precision": 0.99, "macro_recall": 0.99, "macro_f1": 0.99},
        n_test=150,
        interval=compute_wilson_interval(149, 150),  # 99% of 150
    ),
    Reference(
        name="pictures_vgg16",
        dataset="instrument_images",
        system=Message("VGG16, frozen, with a new head"),
        source=PICTURES_PROJECT,
        protocol=AS_PUBLISHED,
        method=Message("The same split as for ResNet50. The count of 144 correct is inferred from the rounded 96%."),
        caveats=Message(
            "Five pictures fewer than ResNet50, which may be chance: even if all five differences favored one "
            "model, an exact McNemar test would give p = 0.06."
        ),
        figures={"accuracy": 0.96, "macro_precision": 0.97, "macro_recall": 0.96, "macro_f1": 0.96},
        n_test=150,
        interval=compute_wilson_interval(144, 150),  # 96% of 150
    ),
    Reference(
        name="pictures_others",
        dataset="instrument_images",
        system=Message("Other public models for the thirty instruments"),
        source="Notebooks and repositories that use the Kaggle data set "
        "gpiosenka/musical-instruments-image-classification",
        protocol=AS_PUBLISHED,
        method=Message("Evaluated on the same 150 test pictures; how each model was selected is mostly unknown."),
        caveats=Message(
            "Standard pretrained networks reach this level. The 150 pictures are too few and too easy to rank them."
        ),
        url="https://www.kaggle.com/datasets/gpiosenka/musical-instruments-image-classification",
        figures={"accuracy": (0.91, 0.98)},
        n_test=150,
    ),
    Reference(
        name="gtzan_cnn",
        dataset="gtzan",
        system=Message("CNN on spectrograms"),
        source='"Klasifikasi Genre Musik Menggunakan CNN", Kaggle notebook by jihaadariefpangestu',
        protocol=AS_PUBLISHED,
        method=Message(
            "The split is not described. The counts of 100 test tracks and 65 correct are inferred: only these "
            "counts give every rounded number of the table. The means are computed from that table."
        ),
        caveats=Message(
            "With a hundred tracks the confidence interval is 55 to 74%, and nothing indicates that artists were "
            "kept apart. There are only six reggae tracks, so one more correct prediction would change that row by "
            "17 points."
        ),
        url="https://www.kaggle.com/code/jihaadariefpangestu/music-genre-classification/notebook",
        figures={"accuracy": 0.65, **compute_macro_means(GENRES)},
        inferred=("accuracy", *compute_macro_means(GENRES)),
        per_class=GENRES,
        n_test=100,
        interval=compute_wilson_interval(65, 100),  # see `method`
    ),
    Reference(
        name="gtzan_gru",
        dataset="gtzan",
        system=Message("GRU on MFCC"),
        source=GENRE_PROJECT,
        protocol=AS_PUBLISHED,
        method=Message(
            "Random split of 3-second segments, so segments of one track are in train and validation; 30 epochs. "
            'The "800 data training" are steps of 8 segments, and a hidden folder counted as an eleventh class. '
            "The metrics are from validation; there was no test set."
        ),
        caveats=Message(
            "It shows how well a track is recognized from another segment of it, not how well a genre is. With "
            "whole tracks kept apart, expect a clearly lower accuracy."
        ),
        figures={"accuracy": 0.7881, "loss": 0.8051, "train_accuracy": 0.9551, "train_loss": 0.1300},
        side="val",
    ),
    Reference(
        name="gtzan_lstm",
        dataset="gtzan",
        system=Message("LSTM on MFCC, compared with the GRU"),
        source=GENRE_PROJECT,
        protocol=AS_PUBLISHED,
        method=Message("As for the GRU, as far as described."),
        caveats=Message(
            "No number was published, only that the GRU was slightly better. One training run of each cannot "
            "settle that."
        ),
        side="val",
    ),
    Reference(
        name="gtzan_mfcc_svm",
        dataset="gtzan",
        system=Message("SVM on MFCC statistics"),
        source='Pons and Serra, "Randomly Weighted CNNs for (Music) Audio Classification", ICASSP 2019',
        protocol=HONEST,
        method=FILTERED_SPLIT,
        caveats=Message(
            "The accuracy that timbre alone gives with separate artists. A network below it has learned little."
        ),
        url="https://arxiv.org/abs/1805.00237",
        figures={"accuracy": 0.534},
        n_test=290,
        interval=compute_wilson_interval(155, 290),  # 53.4% of 290
    ),
    Reference(
        name="gtzan_vggish_svm",
        dataset="gtzan",
        system=Message("SVM on VGGish features"),
        source="As listed in J. Pons, sklearn-audio-transfer-learning, GitHub",
        protocol=HONEST,
        method=FILTERED_SPLIT,
        caveats=Message("Features trained on a far larger collection gain more than 20 points over MFCC."),
        url="https://github.com/jordipons/sklearn-audio-transfer-learning",
        figures={"accuracy": 0.776},
        n_test=290,
        interval=compute_wilson_interval(225, 290),  # 77.6% of 290
    ),
    Reference(
        name="gtzan_musicnn_svm",
        dataset="gtzan",
        system=Message("SVM on musicnn features"),
        source=(
            'Pons and Serra, "musicnn: Pre-trained Convolutional Neural Networks for Music Audio Tagging", ISMIR '
            "late-breaking session, 2019"
        ),
        protocol=HONEST,
        method=FILTERED_SPLIT,
        caveats=Message("One track fewer than with VGGish: 290 tracks cannot distinguish the two."),
        url="https://arxiv.org/abs/1909.06654",
        figures={"accuracy": 0.772},
        n_test=290,
        interval=compute_wilson_interval(224, 290),  # 77.2% of 290
    ),
    Reference(
        name="gtzan_samplecnn",
        dataset="gtzan",
        system=Message("Features of SampleCNN, trained to tag music from raw samples"),
        source=(
            'Lee, Park, Kim and Nam, "SampleCNN: End-to-End Deep Convolutional Neural Networks Using Very Small '
            'Filters for Music Classification", Applied Sciences 8(1), 2018'
        ),
        protocol=HONEST,
        method=FILTERED_SPLIT,
        caveats=Message(
            "The best result listed together with those of VGGish and musicnn. It relies on a far larger set of "
            "tagged music."
        ),
        url="https://doi.org/10.3390/app8010150",
        figures={"accuracy": 0.821},
        n_test=290,
        interval=compute_wilson_interval(238, 290),  # 82.1% of 290
    ),
    Reference(
        name="gtzan_probes",
        dataset="gtzan",
        system=Message("Small heads on frozen large audio models"),
        source=(
            'As listed for models probed by the protocol of Yuan et al., "MARBLE: Music Audio Representation '
            'Benchmark for Universal Evaluation", NeurIPS 2023, Datasets and Benchmarks'
        ),
        protocol=HONEST,
        method=Message(
            "The models stay frozen and only a small head is trained, on a split with separate artists. The range "
            "is over models."
        ),
        caveats=Message(
            "The accuracy of today's largest music models on an honest split. Expect less from a network "
            "trained on GTZAN alone."
        ),
        url="https://arxiv.org/abs/2306.10548",
        figures={"accuracy": (0.786, 0.856)},
    ),
    Reference(
        name="gtzan_ceiling",
        dataset="gtzan",
        system=Message("An ideal system, estimated"),
        source=(
            'Sturm, "The GTZAN dataset: Its contents, its faults, their effects on evaluation, and its future use", '
            "2013"
        ),
        protocol=HONEST,
        method=Message(
            "An estimate for all 1,000 tracks, from the labels that are wrong or disputed; nothing was trained."
        ),
        caveats=Message(
            "About the maximum that the labels allow. Published results near it or above mostly come from splits "
            "that share artists, or even tracks."
        ),
        url="https://arxiv.org/abs/1306.1461",
        figures={"accuracy": 0.945},
    ),
    Reference(
        name="sounds_resnet50",
        dataset="instrument_sounds",
        system=Message("ResNet50, pretrained, on spectrograms"),
        source='H2O.ai, "Musical Instruments Audio Classification", HT-Catalog',
        protocol=AS_PUBLISHED,
        method=Message(
            "A validation part of the 2,629 training rows; batches of 8, 5 epochs, AdamW with a learning rate of "
            "0.001 and a cosine schedule, weight decay 0, no gradient clipping, weights of the last epoch. It is "
            "assumed that the ROC-AUC is a mean over classes. No test result was published."
        ),
        caveats=Message(
            "All 700 violin rows of the published table name the drum files, so with those labels no model can "
            "score much above 0.909. The result reaches that limit, and shows nothing about violins."
        ),
        url="https://github.com/h2oai/HT-Catalog",
        figures={"macro_auc": (0.902, 0.908)},
        side="val",
    ),
    Reference(
        name="openmic_cnn",
        dataset="openmic",
        system=Message("CNN on VGGish features, 20 instruments at once"),
        source=OPENMIC_PROJECT,
        protocol=AS_PUBLISHED,
        method=Message(
            "Only clips with a known label for voice. The 374 test clips are inferred, since 270 of 374 are 72.19%. "
            "Unknown labels are stored as 0.5 and were read as present. The accuracy compares only the highest "
            "scores."
        ),
        caveats=Message(
            'With this reading, 94% of all test labels are present, so always predicting "present" would look as '
            "good. Of the known labels 43% are present."
        ),
        figures={"accuracy": 0.7219, "weighted_precision": 0.93, "weighted_recall": 1.0},
        per_class=convert_percent("precision", {"saxophone": (93,), "trumpet": (92,), "ukulele": (96,)}),
        n_test=374,
        interval=compute_wilson_interval(270, 374),  # 72.19% of 374
    ),
    Reference(
        name="openmic_cnn_forest",
        dataset="openmic",
        system=Message("Random forests that this CNN was compared with"),
        source=OPENMIC_PROJECT,
        protocol=AS_PUBLISHED,
        method=Message("The precision of three instruments; how it was computed is not described."),
        caveats=Message(
            "The three numbers equal the weighted means over presence and absence in the dataset's own notebook, "
            "for known labels. The CNN was evaluated on other labels, so the two cannot be compared."
        ),
        per_class=convert_percent("precision", {"saxophone": (83,), "trumpet": (78,), "ukulele": (77,)}),
    ),
    Reference(
        name="openmic_vggish_forest",
        dataset="openmic",
        system=Message("Random forests on mean VGGish features"),
        source=(
            'Humphrey, Durand and McFee, "OpenMIC-2018: An Open Dataset for Multiple Instrument Recognition", ISMIR '
            "2018: the notebook modeling-baseline.ipynb of its repository"
        ),
        protocol=HONEST,
        method=Message(
            "{split} One forest of 100 trees for each instrument. The means are computed from the notebook's "
            "table, which is rounded to two digits.",
            split=OPENMIC_SPLIT,
        ),
        caveats=Message(
            "A baseline that is easy to repeat. It averages over time, and finds 9 of 100 clips with a clarinet."
        ),
        url="https://github.com/cosmir/openmic-2018/blob/master/examples/modeling-baseline.ipynb",
        figures=compute_macro_means(FOREST),
        inferred=tuple(compute_macro_means(FOREST)),
        per_class=FOREST,
        n_test=5085,
    ),
    Reference(
        name="openmic_attention",
        dataset="openmic",
        system=Message("Attention over time on VGGish features"),
        source='Gururani, Sharma and Lerch, "An Attention Mechanism for Musical Instrument Recognition", ISMIR 2019',
        protocol=HONEST,
        method=OPENMIC_SPLIT,
        caveats=Message(
            "With the same features as the forests: attention to the relevant moments gains about three points."
        ),
        url="https://arxiv.org/abs/1907.04294",
        figures={"mean_f1_both_sides": 0.81},
        n_test=5085,
    ),
    Reference(
        name="openmic_passt",
        dataset="openmic",
        system=Message("PaSST, a transformer pretrained on AudioSet, fine-tuned"),
        source=(
            'Koutini, Schlüter, Eghbal-zadeh and Widmer, "Efficient Training of Audio Transformers with Patchout", '
            "Interspeech 2022"
        ),
        protocol=HONEST,
        method=OPENMIC_SPLIT,
        caveats=Message("The gain from two million other clips. It cannot be expected from OpenMIC-2018 alone."),
        url="https://arxiv.org/abs/2110.05069",
        figures={"mean_average_precision": 0.843},
        n_test=5085,
    ),
    Reference(
        name="openmic_beats",
        dataset="openmic",
        system=Message("A small head on frozen BEATs features"),
        source=Message(UNTRACED, paper='Chen et al., "BEATs: Audio Pre-Training with Acoustic Tokenizers", ICML 2023'),
        protocol=HONEST,
        method=OPENMIC_SPLIT,
        caveats=Message("The highest known result. Only the head of the model was trained on OpenMIC-2018."),
        url="https://arxiv.org/abs/2212.09058",
        figures={"mean_average_precision": 0.868},
        n_test=5085,
    ),
    Reference(
        name="openmic_vggish",
        dataset="openmic",
        system=Message("A small head on frozen VGGish features"),
        source=Message(
            UNTRACED, paper='Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017'
        ),
        protocol=HONEST,
        method=OPENMIC_SPLIT,
        caveats=Message("A low result for pretrained features; these are the ones that come with the dataset."),
        url="https://arxiv.org/abs/1609.09430",
        figures={"mean_average_precision": 0.66},
        n_test=5085,
    ),
)
