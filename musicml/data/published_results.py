"""Published results to hold ours against, each with its source, its protocol and what it is worth.

A figure without its protocol can't be compared: so each says how it was obtained. Shares are in 0..1, as in a report.
What is rounded in its source is rounded here; what was worked out from it is named in `inferred`.
"""

from __future__ import annotations

from musicml.data.reference import AS_PUBLISHED, HONEST, Reference, in_percent, macro
from musicml.utils import InputError, Message, compute_wilson_interval, suggest_names


def list_references(dataset: str, protocol: str | None = None) -> list[Reference]:
    """The references of a data set, in the order of this file; of one protocol only where it is named."""
    return [one for one in ALL if one.dataset == dataset and protocol in (None, one.protocol)]


def get_reference(name: str) -> Reference:
    """The reference with this name; InputError with the nearest one where there is none."""
    known = {one.name: one for one in ALL}
    if name not in known:
        raise InputError(
            "reference = {name!r} must be a published result that musicml knows: {hint}",
            name=name,
            hint=suggest_names(name, known),
        )
    return known[name]


# how many were in the class, and how often it was answered: the only counts of 100 tracks that give every figure
GENRES = in_percent(
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
        "reggae": (17, 17, 17, 86, 6, 6),
    },
)
# the test side of OpenMIC-2018's own notebook; support and observed are clips of the 5,085
FOREST = in_percent(
    "precision recall f1 f1_absent support observed",
    {
        "accordion": (77, 32, 45, 90, 115, 538),
        "banjo": (68, 52, 59, 86, 140, 478),
        "bass": (83, 49, 61, 89, 134, 463),
        "cello": (79, 76, 78, 81, 226, 485),
        "clarinet": (71, 9, 16, 88, 137, 640),
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

PICTURES = 'M. Rio Gunawan, "30 Musical Instrument", course project'
KELOMPOK = '"DL-Kelompok-5", course project'
RECOGNITION = '"Music Instrument Recognition with CNN", course project on OpenMIC-2018'
FILTERED = Message(
    "Fault-filtered lists of Kereliuk, Sturm and Larsen (2015): 443 training, 197 validation and 290 test tracks "
    "without repeated, distorted or mislabelled ones, and no named artist on two sides."
)
SPLIT01 = Message("Official split01 of OpenMIC-2018, artists kept apart, judged cells only.")
UNTRACED = Message("Model: {paper}; where the figure on OpenMIC-2018 was first published could not be traced")

# With five pictures of each class, macro and weighted means are the same, and so are accuracy and mean recall.
ALL = (
    Reference(
        name="pictures_resnet50",
        dataset="instrument_images",
        system=Message("ResNet50, frozen, with a new head"),
        source=PICTURES,
        protocol=AS_PUBLISHED,
        method=Message(
            "The archive's own sides: 4,793 training, 150 validation and 150 test pictures, five of each class. That "
            "149 of the 150 were right is inferred from the rounded 99 %, which 148 would give as well."
        ),
        caveats=Message(
            "The interval reaches from 96.3 to 99.9 %: on so few pictures no model can be shown to be better."
        ),
        figures={"accuracy": 0.99, "macro_precision": 0.99, "macro_recall": 0.99, "macro_f1": 0.99},
        n_test=150,
        interval=compute_wilson_interval(149, 150),
    ),
    Reference(
        name="pictures_vgg16",
        dataset="instrument_images",
        system=Message("VGG16, frozen, with a new head"),
        source=PICTURES,
        protocol=AS_PUBLISHED,
        method=Message(
            "The same sides as its rival ResNet50. That 144 of the 150 were right is inferred from the rounded 96 %."
        ),
        caveats=Message(
            "Five pictures behind ResNet50, which may be chance: even if every difference went one way, an exact "
            "McNemar test would give p = 0.06."
        ),
        figures={"accuracy": 0.96, "macro_precision": 0.97, "macro_recall": 0.96, "macro_f1": 0.96},
        n_test=150,
        interval=compute_wilson_interval(144, 150),
    ),
    Reference(
        name="pictures_others",
        dataset="instrument_images",
        system=Message("Other public models for the thirty instruments"),
        source="Notebooks and repositories that use the Kaggle data set "
        "gpiosenka/musical-instruments-image-classification",
        protocol=AS_PUBLISHED,
        method=Message("Scored on the same 150 test pictures; how each model was chosen is mostly not said."),
        caveats=Message(
            "Ordinary pretrained networks come this far. The 150 pictures are too few and too easy to rank them."
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
            "How the tracks were divided is not said. That there were 100 test tracks and 65 of them right is "
            "inferred: such counts, and no others, give every rounded figure of the table. The means are computed from "
            "that table."
        ),
        caveats=Message(
            "A hundred tracks leave an interval from 55 to 74 %, and nothing says that artists were kept apart. With "
            "six reggae tracks, one more right answer would move that row by 17 points."
        ),
        url="https://www.kaggle.com/code/jihaadariefpangestu/music-genre-classification/notebook",
        figures={"accuracy": 0.65, **macro(GENRES)},
        inferred=("accuracy", *macro(GENRES)),
        per_class=GENRES,
        n_test=100,
        interval=compute_wilson_interval(65, 100),
    ),
    Reference(
        name="gtzan_gru",
        dataset="gtzan",
        system=Message("GRU on MFCC"),
        source=KELOMPOK,
        protocol=AS_PUBLISHED,
        method=Message(
            "Pieces of 3 seconds, divided at random, so that pieces of one track are on both sides; 30 epochs. The "
            '"800 data training" are steps of 8 pieces, and a hidden folder counted as an eleventh class. The figures '
            "are from validation; there was no test."
        ),
        caveats=Message(
            "It tells how well a track is recognised from another piece of it, not how well a genre is: with "
            "whole tracks kept apart, expect clearly less."
        ),
        figures={"accuracy": 0.7881, "loss": 0.8051, "train_accuracy": 0.9551, "train_loss": 0.1300},
        side="val",
    ),
    Reference(
        name="gtzan_lstm",
        dataset="gtzan",
        system=Message("LSTM on MFCC, the rival of the GRU"),
        source=KELOMPOK,
        protocol=AS_PUBLISHED,
        method=Message("As the GRU, as far as is told."),
        caveats=Message(
            "No figure was published, only that the GRU won by little. One training of each can't settle that."
        ),
        side="val",
    ),
    Reference(
        name="gtzan_mfcc_svm",
        dataset="gtzan",
        system=Message("SVM on MFCC statistics"),
        source='Pons and Serra, "Randomly Weighted CNNs for (Music) Audio Classification", ICASSP 2019',
        protocol=HONEST,
        method=FILTERED,
        caveats=Message(
            "What timbre alone gives where artists are kept apart. A network that stays below it has learnt little."
        ),
        url="https://arxiv.org/abs/1805.00237",
        figures={"accuracy": 0.534},
        n_test=290,
        interval=compute_wilson_interval(155, 290),
    ),
    Reference(
        name="gtzan_vggish_svm",
        dataset="gtzan",
        system=Message("SVM on VGGish features"),
        source="As listed in J. Pons, sklearn-audio-transfer-learning, GitHub",
        protocol=HONEST,
        method=FILTERED,
        caveats=Message(
            "Features that were learnt on a far larger collection are worth more than 20 points over MFCC."
        ),
        url="https://github.com/jordipons/sklearn-audio-transfer-learning",
        figures={"accuracy": 0.776},
        n_test=290,
        interval=compute_wilson_interval(225, 290),
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
        method=FILTERED,
        caveats=Message("One track less than with VGGish: the two can't be told apart on 290 tracks."),
        url="https://arxiv.org/abs/1909.06654",
        figures={"accuracy": 0.772},
        n_test=290,
        interval=compute_wilson_interval(224, 290),
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
        method=FILTERED,
        caveats=Message(
            "The best figure that is listed beside those of VGGish and musicnn. It rests on a far larger set of "
            "tagged music."
        ),
        url="https://doi.org/10.3390/app8010150",
        figures={"accuracy": 0.821},
        n_test=290,
        interval=compute_wilson_interval(238, 290),
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
            "The models stay frozen and only a small head is trained, on a split that keeps artists apart. The range "
            "is over models."
        ),
        caveats=Message(
            "What today's largest music models reach on honest sides. A network trained on GTZAN alone will stay below."
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
            "An estimate over all 1,000 tracks from the labels that are wrong or contested; nothing was trained."
        ),
        caveats=Message(
            "About as much as the labels allow. Published figures near it or above mostly come from sides that share "
            "artists, or even tracks."
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
            "A validation part of the 2,629 training rows; batches of 8, 5 epochs, AdamW at a learning rate of 0.001 "
            "with a cosine schedule, weight decay 0, no gradient clipping, the last epoch kept. That the ROC-AUC is a "
            "mean over classes is assumed. No test figure was published."
        ),
        caveats=Message(
            "All 700 violin rows of the published table name the drum files, so that nothing can score much above "
            "0.909 with those labels: the figure has reached that ceiling, and it says nothing about violins."
        ),
        url="https://github.com/h2oai/HT-Catalog",
        figures={"macro_auc": (0.902, 0.908)},
        side="val",
    ),
    Reference(
        name="openmic_cnn",
        dataset="openmic",
        system=Message("CNN on VGGish features, 20 instruments at once"),
        source=RECOGNITION,
        protocol=AS_PUBLISHED,
        method=Message(
            "Only clips with a judged voice label; that 374 of them were the test is inferred, since 270 of 374 are "
            "72.19 %. Cells that nobody judged are stored as 0.5 and were read as present. The accuracy compares the "
            "highest scores alone."
        ),
        caveats=Message(
            "Read like that, 94 % of all test cells count as present, so answering present everywhere would look as "
            "good. Of the judged cells 43 % are."
        ),
        figures={"accuracy": 0.7219, "weighted_precision": 0.93, "weighted_recall": 1.0},
        per_class=in_percent("precision", {"saxophone": (93,), "trumpet": (92,), "ukulele": (96,)}),
        n_test=374,
        interval=compute_wilson_interval(270, 374),
    ),
    Reference(
        name="openmic_cnn_forest",
        dataset="openmic",
        system=Message("Random forests that this CNN was compared with"),
        source=RECOGNITION,
        protocol=AS_PUBLISHED,
        method=Message("The precision of three instruments; how it was computed is not said."),
        caveats=Message(
            "The three equal the weighted means over presence and absence that the data set's own notebook prints "
            "for judged cells. The CNN was scored on other cells, so the two do not compare."
        ),
        per_class=in_percent("precision", {"saxophone": (83,), "trumpet": (78,), "ukulele": (77,)}),
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
            "{split} One forest of 100 trees for each instrument. The means are computed from the notebook's table, "
            "which is rounded to two digits.",
            split=SPLIT01,
        ),
        caveats=Message(
            "A baseline that anyone can repeat. It averages over time, and of 100 clips with a clarinet it finds 9."
        ),
        url="https://github.com/cosmir/openmic-2018/blob/master/examples/modeling-baseline.ipynb",
        figures=macro(FOREST),
        inferred=tuple(macro(FOREST)),
        per_class=FOREST,
        n_test=5085,
    ),
    Reference(
        name="openmic_attention",
        dataset="openmic",
        system=Message("Attention over time on VGGish features"),
        source='Gururani, Sharma and Lerch, "An Attention Mechanism for Musical Instrument Recognition", ISMIR 2019',
        protocol=HONEST,
        method=SPLIT01,
        caveats=Message(
            "From the same features as the forests: choosing the moments that count is worth about three points."
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
        method=SPLIT01,
        caveats=Message("What a model gains from two million other clips. It can't be expected of OpenMIC-2018 alone."),
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
        method=SPLIT01,
        caveats=Message(
            "The highest figure known to us. Nothing of the model was trained on OpenMIC-2018 but its head."
        ),
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
        method=SPLIT01,
        caveats=Message("The low end of what pretrained features give, and the one that the data set ships."),
        url="https://arxiv.org/abs/1609.09430",
        figures={"mean_average_precision": 0.66},
        n_test=5085,
    ),
)
