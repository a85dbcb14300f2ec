"""Writes measures.json: what scikit-learn, torchmetrics and pytorch-metric-learning measure, beside whole numbers that the inputs are made of.

python measures.py [--out FILE]    makes the file
python measures.py --check         compares a new computation with the committed file

Scores, probabilities, cosines and embeddings are those numbers by a power of two, or as said there, so that every language has the
same float32. Where a library does something else than margincore, what it does is under a name of its own.
"""

import math

import numpy as np
import pytorch_metric_learning
import sklearn
import torch
import torchmetrics
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from sklearn import metrics
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from torchmetrics.functional.classification import multiclass_calibration_error

import stored

SCORE = 2.0**-6
PROBABILITY = 2.0**-4
BINS = (15, 4)
RANKS = (1, 2, 5)
NEIGHBOURS = (1, 5, 10)
RATES = (0.5, 0.1, 0.01, 0.001)
FOLDS = 10
APART = 3e-7  # cosines of neighbours of different classes: fp32 resolves less


def finite(value):
    return None if math.isnan(value) else stored.number(value)


def whole(array):
    return np.asarray(array).astype(int).tolist()


# ---- classification -------------------------------------------------------------------------------------------------


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def averages(labels, predicted, average):
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        labels, predicted, average=average, zero_division=0
    )
    return {"precision": stored.number(precision), "recall": stored.number(recall), "f1": stored.number(f1)}


def top_k(values, labels, k):
    """Of equal values scikit-learn takes the higher class: mirrored, the lower one."""
    classes = values.shape[1]
    if k >= classes:
        return 1.0
    if classes == 2:  # it takes one column then, and knows k = 1 alone
        return float(np.mean(values.argmax(axis=1) == labels))
    return float(metrics.top_k_accuracy_score(classes - 1 - labels, values[:, ::-1], k=k, labels=np.arange(classes)))


def calibration_error(probabilities, labels, bins):
    """By Guo et al.: bins are above their lower bound, and at most the upper."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bin_of = np.maximum(np.ceil(confidence * bins) - 1, 0).clip(max=bins - 1)
    within = [bin_of == b for b in range(bins)]
    return sum(abs(right[w].mean() - confidence[w].mean()) * w.mean() for w in within if w.any())


def classification(values, labels, are_probabilities=False):
    """`values`: whole numbers (N, C)."""
    values, labels = np.asarray(values), np.asarray(labels)
    numbers = values * (PROBABILITY if are_probabilities else SCORE)
    probabilities = numbers if are_probabilities else softmax(numbers)
    predicted = numbers.argmax(axis=1)
    classes = np.arange(values.shape[1])
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0
    )
    return {
        "classes": len(classes),
        "areProbabilities": are_probabilities,
        "values": whole(values.reshape(-1)),
        "labels": whole(labels),
        "accuracy": stored.number(metrics.accuracy_score(labels, predicted)),
        "precision": [stored.number(x) for x in precision],
        "recall": [stored.number(x) for x in recall],
        "f1": [stored.number(x) for x in f1],
        "support": whole(support),
        "macro": averages(labels, predicted, "macro"),
        "weighted": averages(labels, predicted, "weighted"),
        "topK": [stored.number(top_k(numbers, labels, k)) for k in RANKS],
        "confusion": whole(metrics.confusion_matrix(labels, predicted, labels=classes).reshape(-1)),
        "nll": stored.number(metrics.log_loss(labels, probabilities, labels=classes)),
        "ece": [stored.number(calibration_error(probabilities, labels, bins)) for bins in BINS],
        "torchmetricsEce": [
            stored.number(
                multiclass_calibration_error(
                    torch.tensor(probabilities), torch.tensor(labels), num_classes=len(classes), n_bins=bins
                ).item()
            )
            for bins in BINS
        ],
    }


def classifications():
    random = np.random.RandomState(1)
    labels = random.randint(0, 6, 300)
    scores = random.randint(-200, 201, (300, 8))
    scores[np.arange(300), labels] += random.randint(0, 300, 300)
    scores[:, 5] -= 800  # there and never predicted; 6 is predicted and never there
    scores[:, 7] = -900  # neither
    right = np.array([0, 1, 2, 0, 1, 2])
    sure = np.eye(3, dtype=int)[right] * 640
    ties = random.randint(0, 3, (120, 6))
    on_bounds = [[8, 8, 0], [8, 4, 4], [4, 12, 0], [7, 5, 4], [5, 7, 4], [16, 0, 0], [0, 12, 4], [13, 2, 1]]
    return {
        "random": classification(scores, labels),
        "two classes": classification(random.randint(-100, 101, (80, 2)), random.randint(0, 2, 80)),
        "all right": classification(sure, right),
        "all wrong": classification(sure, (right + 1) % 3),
        "always the same": classification(np.tile([0, 64, 0], (9, 1)), np.arange(9) % 3),
        "one sample": classification([[3, 1, 2]], [2]),
        "equal values": classification(ties, random.randint(0, 6, 120)),
        "probabilities on the bounds of bins": classification(on_bounds, [1, 1, 1, 0, 1, 0, 2, 0], True),
        "a probability that rounds to 0": classification([[64_000, 0], [0, 64_000]], [1, 1]),
    }


# ---- verification ---------------------------------------------------------------------------------------------------


def cosine_of(steps):
    """In the middle between the thresholds on squared distances that facenet tries, multiples of 0.01."""
    return (1 - (2 * np.asarray(steps) + 1) / 400).astype(np.float32)


def equal_error_rate(far, tar):
    """On straight lines between the points of the curve."""
    excess = far - (1 - tar)
    beyond = int(np.argmax(excess >= 0))
    share = -excess[beyond - 1] / (excess[beyond] - excess[beyond - 1])
    return far[beyond - 1] + share * (far[beyond] - far[beyond - 1])


def fold_accuracies(cosines, same, folds):
    """LFW's View 2, by trial of every threshold between two cosines of the other folds; of as good ones the highest."""
    accuracies = []
    for fold in range(FOLDS):
        own = folds == fold
        known = np.unique(cosines[~own]).astype(np.float64)[::-1]
        tried = [(1 + known[0]) / 2, *((known[:-1] + known[1:]) / 2), -1.0]
        right = [np.mean((cosines[~own] >= threshold) == same[~own]) for threshold in tried]
        best = tried[int(np.argmax(right))]
        accuracies.append(float(np.mean((cosines[own] >= best) == same[own])))
    return np.array(accuracies)


def facenet(cosines, same, folds):
    """As facenet's evaluate (calculate_roc in src/facenet.py) and InsightFace's: squared distances below multiples of 0.01."""
    distances, thresholds = 2 - 2 * cosines.astype(np.float64), np.arange(0, 4, 0.01)
    accuracies = np.zeros(FOLDS)
    for fold in range(FOLDS):
        own = folds == fold
        right = [np.mean((distances[~own] < threshold) == same[~own]) for threshold in thresholds]
        accuracies[fold] = np.mean((distances[own] < thresholds[np.argmax(right)]) == same[own])
    return {"mean": stored.number(np.mean(accuracies)), "std": stored.number(np.std(accuracies))}


def verification(steps, same):
    steps, same = np.asarray(steps), np.asarray(same, dtype=bool)
    cosines = cosine_of(steps)
    far, tar, thresholds = metrics.roc_curve(same, cosines, drop_intermediate=False)
    different = int(np.sum(~same))
    folded = {}
    if len(same) >= 20 * FOLDS:
        folds = np.arange(len(same)) * FOLDS // len(same)
        accuracies = fold_accuracies(cosines, same, folds)
        folded = {
            "folds": whole(folds),
            "foldAccuracies": [stored.number(x) for x in accuracies],
            "facenet": facenet(cosines, same, folds),
        }
    return {
        "steps": whole(steps),
        "same": whole(same),
        "far": [stored.number(x) for x in far],
        "tar": [stored.number(x) for x in tar],
        "thresholds": [stored.number(x) for x in thresholds[1:]],  # the first is infinite
        "auc": stored.number(metrics.roc_auc_score(same, cosines)),
        "eer": stored.number(equal_error_rate(far, tar)),
        "tarAtFar": [stored.number(tar[far <= rate].max()) if rate * different >= 1 else None for rate in RATES],
        **folded,
    }


def verifications():
    random = np.random.RandomState(2)
    same = np.arange(600) % 60 < 30
    steps = np.where(same, random.normal(90, 18, 600), random.normal(125, 18, 600)).round().astype(int)
    few = np.array([1, 1, 0, 1, 0, 0], dtype=bool)
    return {
        "random": verification(steps, same),
        "kinds of unequal number": verification(random.randint(0, 400, 90), np.arange(90) % 9 == 0),
        "all told apart": verification([10, 20, 90, 30, 80, 100], few),
        "the wrong way round": verification([100, 90, 10, 80, 20, 30], few),
        "all equal": verification([50] * 6, few),
        "one of each": verification([10, 30], [True, False]),
    }


# ---- embeddings -----------------------------------------------------------------------------------------------------


def units(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def elected(neighbours):
    """Of classes with as many votes that of the nearest neighbour."""
    votes = neighbours.tolist()
    return max(votes, key=lambda label: (votes.count(label), -votes.index(label)))


def degrees(a, b):
    return np.degrees(np.arccos(np.clip(np.sum(a * b, axis=-1), -1, 1)))


def sorted_neighbours(rows, references, leave_out):
    """scikit-learn's exact search, whose order of equal ones is none: those are sorted by number here."""
    count = len(references) - (1 if leave_out else 0)
    search = KNeighborsClassifier(metric="cosine", algorithm="brute").fit(references, np.zeros(len(references)))
    distances, neighbours = search.kneighbors(None if leave_out else rows, n_neighbors=count)
    order = np.lexsort((neighbours, distances.round(12)))
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(neighbours, order, axis=1)


def expect_apart(distances, classes):
    """Neighbours of different classes whose order fp32 might turn round would make the comparison a matter of luck."""
    close = (np.diff(distances, axis=1) < APART) & (classes[:, 1:] != classes[:, :-1])
    if close.any():
        raise SystemExit(f"{close.sum()} pairs of neighbours are closer than {APART}: take another seed")


def embedding_case(rows, labels, gallery=None, gallery_labels=None, are_equal=False):
    labels = np.asarray(labels)
    leave_out = gallery is None
    references = units(rows if leave_out else gallery)
    known = labels if leave_out else np.asarray(gallery_labels)
    queries = units(rows)
    result = {"size": len(rows[0]), "rows": whole(np.asarray(rows).reshape(-1)), "labels": whole(labels)}
    if not leave_out:
        result["gallery"] = whole(np.asarray(gallery).reshape(-1))
        result["galleryLabels"] = whole(known)

    calculator = AccuracyCalculator(
        include=("precision_at_1", "r_precision", "mean_average_precision_at_r"),
        k="max_bin_count",
        device=torch.device("cpu"),
    )
    if len(references) > 1 and not are_equal:
        given = () if leave_out else (references.astype(np.float32), known)
        accuracies = calculator.get_accuracy(queries.astype(np.float32), labels, *given)
        result["accuracyCalculator"] = {name: finite(value) for name, value in accuracies.items()}

    if len(references) > 1:
        distances, neighbours = sorted_neighbours(queries, references, leave_out)
        if not are_equal:
            looked_at = max(*NEIGHBOURS, *np.bincount(known)) + 1
            expect_apart(distances[:, :looked_at], known[neighbours[:, :looked_at]])
        result["knn"] = [
            stored.number(np.mean([elected(known[row[:k]]) == label for row, label in zip(neighbours, labels)]))
            for k in NEIGHBOURS
        ]
        result["sklearnKnn"] = [
            stored.number(sklearn_knn(queries, labels, references, known, k, leave_out)) for k in NEIGHBOURS
        ]
    if len(np.unique(known)) > 1 and not are_equal:  # NearestCentroid refuses what does not vary
        result.update(by_centres(queries, labels, references, known))
    return result


def sklearn_knn(queries, labels, references, known, k, leave_out):
    """Its own vote, in which of classes with as many votes the lowest wins."""
    right = []
    for number, query in enumerate(queries):
        others = np.arange(len(references)) != (number if leave_out else -1)
        k_here = min(k, int(others.sum()))
        voting = KNeighborsClassifier(k_here, metric="cosine", algorithm="brute").fit(references[others], known[others])
        right.append(voting.predict(query[None])[0] == labels[number])
    return float(np.mean(right))


def by_centres(queries, labels, references, known):
    """NearestCentroid's centroids by direction: it compares by distance to means, which are shorter the wider a class is."""
    found = NearestCentroid().fit(references, known)
    centres = units(found.centroids_)
    angles = degrees(queries[:, None], centres[None])
    is_own = labels[:, None] == found.classes_[None]
    has_own = is_own.any(axis=1)
    nearest = found.classes_[np.argmin(angles.round(9), axis=1)]
    between = degrees(centres[:, None], centres[None]) + 360 * np.eye(len(centres))
    return {
        "nearestCentroid": stored.number(np.mean(nearest == labels)),
        "sklearnNearestCentroid": stored.number(np.mean(found.predict(queries) == labels)),
        "ownCentreMean": stored.number(angles[is_own].mean()),
        "nearestOtherMean": stored.number((angles + 360 * is_own).min(axis=1).mean()),
        "nearestOtherCentreMean": stored.number(between.min(axis=1).mean()),
        "samplesWithCentre": int(has_own.sum()),
    }


def clusters(random, count, classes, size, spread):
    centres = np.random.RandomState(9).randint(-300, 301, (classes, size))
    labels = random.randint(0, classes, count)
    return (centres[labels] + random.normal(0, spread, (count, size))).round().astype(int), labels


def embeddings():
    random = np.random.RandomState(SEED)
    rows, labels = clusters(random, 200, 7, 16, 260)
    labels[5] = 40  # the only one
    gallery, gallery_labels = clusters(random, 90, 6, 16, 260)
    queries, query_labels = clusters(random, 60, 7, 16, 260)  # some of a class that the gallery is without
    far_apart = np.repeat(np.eye(4, dtype=int) * 100, 5, axis=0) + random.randint(-3, 4, (20, 4))
    return {
        "random": embedding_case(rows, labels),
        "a gallery": embedding_case(queries, query_labels, gallery, gallery_labels),
        "told apart": embedding_case(far_apart, np.arange(20) // 5),
        "one class": embedding_case(far_apart, np.zeros(20, dtype=int)),
        "a class for each": embedding_case(far_apart, np.arange(20)),
        "one sample": embedding_case([[3, 4]], [1]),
        "all equal": embedding_case([[3, 4]] * 12, np.arange(12) % 3, are_equal=True),
    }


SEED = 3  # with which no neighbours are too close


def make():
    versions = {library.__name__: library.__version__ for library in (sklearn, torchmetrics, pytorch_metric_learning)}
    return {
        "madeBy": "measures.py",
        "madeWith": {**versions, "torch": torch.__version__, "numpy": np.__version__},
        **{"score": SCORE, "probability": PROBABILITY, "bins": BINS, "ranks": RANKS},
        **{"neighbours": NEIGHBOURS, "rates": RATES},
        "classification": classifications(),
        "verification": verifications(),
        "embeddings": embeddings(),
    }


if __name__ == "__main__":
    stored.main(__doc__, "measures.json", make)
