import numpy as np
import pytest
import torch
from confusion import slow_matthews
from hypothesis import given
from hypothesis import strategies as st

from lora_lens.errors import DivergedError, LensError
from lora_lens.training.data.majority import majority_score
from lora_lens.training.data.metrics import (
    METRICS,
    accuracy,
    f1,
    matthews,
    mean_loss,
    pearson,
)
from lora_lens.training.data.rows import Example
from lora_lens.training.data.tasks import Task


def answers(*classes: int, of: int) -> np.ndarray:
    return np.eye(of)[list(classes)]


def gorodkin(predicted: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """R_K by its definition (Gorodkin 2004, Eq. 8): covariances of one-hot columns, in slow loops."""

    def covariance(x: np.ndarray, y: np.ndarray) -> float:
        total = 0.0
        for k in range(classes):
            one, other = (x == k).astype(float), (y == k).astype(float)
            total += float(((one - one.mean()) * (other - other.mean())).mean())
        return total

    spread = covariance(predicted, predicted) * covariance(labels, labels)
    return covariance(predicted, labels) / float(np.sqrt(spread))


def test_known_answers() -> None:
    labels = np.array([0, 0, 1, 1])
    right, wrong = answers(0, 0, 1, 1, of=2), answers(1, 1, 0, 0, of=2)
    half = answers(0, 1, 1, 1, of=2)
    assert [metric(right, labels) for metric in (accuracy, f1, matthews)] == [1, 1, 1]
    assert [metric(wrong, labels) for metric in (accuracy, f1, matthews)] == [0, 0, -1]
    assert accuracy(half, labels) == 0.75
    assert f1(half, labels) == 0.8  # precision 2/3, recall 1
    assert matthews(half, labels) == pytest.approx(1 / np.sqrt(3), abs=1e-15)
    assert matthews(answers(0, 1, 2, of=3), np.array([0, 1, 2])) == 1
    scores = np.array([1.0, 2.0, 4.0])
    assert pearson(3 * scores[:, None] - 1, scores) == pytest.approx(1, abs=1e-15)
    assert pearson(-scores[:, None], scores) == pytest.approx(-1, abs=1e-15)


def test_against_their_definitions() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((50, 2)), rng.integers(0, 2, 50)
    chosen = logits.argmax(1)
    assert accuracy(logits, labels) == np.mean(
        [row.argmax() == label for row, label in zip(logits, labels, strict=True)]
    )
    assert matthews(logits, labels) == pytest.approx(slow_matthews(chosen, labels))
    precision, recall = labels[chosen == 1].mean(), chosen[labels == 1].mean()
    assert f1(logits, labels) == pytest.approx(2 / (1 / precision + 1 / recall))
    scores, truth = rng.standard_normal((50, 1)), rng.standard_normal(50)
    assert pearson(scores, truth) == pytest.approx(np.corrcoef(scores[:, 0], truth)[0, 1])


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_matthews_of_many_classes(classes: int) -> None:
    rng = np.random.default_rng(classes)
    logits, labels = rng.standard_normal((200, classes)), rng.integers(0, classes, 200)
    logits[np.arange(200), labels] += 1
    expected = gorodkin(logits.argmax(1), labels, classes)
    assert matthews(logits, labels) == pytest.approx(expected, abs=1e-12)
    order = rng.permutation(classes)  # what the classes are called does not matter
    renamed = np.argsort(order)[labels]
    assert matthews(logits[:, order], renamed) == pytest.approx(expected, abs=1e-12)


def test_constant_answers_and_constant_labels_score_nothing() -> None:
    rng = np.random.default_rng(0)
    truth, labels = rng.standard_normal(50), rng.integers(0, 2, 50)
    assert pearson(np.ones((50, 1)), truth) == pearson(truth[:, None], np.ones(50)) == 0
    always = np.tile([0.0, 1.0], (50, 1))
    assert matthews(always, labels) == 0
    assert matthews(rng.standard_normal((50, 2)), np.ones(50)) == 0
    assert f1(np.tile([1.0, 0.0], (50, 1)), np.zeros(50)) == 0


def test_counts_of_a_large_task_do_not_overflow() -> None:
    """Products of four counts of MNLI's size are beyond 64 bits."""
    labels = np.tile([0, 1, 2], 140_000)
    assert matthews(np.eye(3)[labels], labels) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", sorted(METRICS))
def test_answers_that_are_no_numbers_are_an_error(name: str, bad: float) -> None:
    predicted, labels = np.zeros((4, 2)), np.array([0, 1, 0, 1])
    predicted[2, 0] = bad
    with pytest.raises(DivergedError, match="diverged; try a lower --lr") as raised:
        METRICS[name](predicted, labels)
    assert isinstance(raised.value, LensError)


@given(
    st.integers(2, 4).flatmap(
        lambda classes: st.lists(
            st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)), min_size=1
        ).map(lambda pairs: (classes, pairs))
    )
)
def test_bounds(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    classes, pairs = drawn
    predicted = answers(*(one for one, _ in pairs), of=classes)
    labels = np.array([other for _, other in pairs])
    assert 0 <= accuracy(predicted, labels) <= 1
    assert 0 <= f1(predicted, labels) <= 1
    assert -1 - 1e-12 <= matthews(predicted, labels) <= 1 + 1e-12


def test_majority_is_learned_on_train_and_scored_on_test() -> None:
    train = [Example("a", None, label) for label in (2, 2, 0, 1)]
    test = [Example("a", None, label) for label in (2, 0, 1, 0)]
    task = Task("own", ("text",), "label", ("x", "y", "z"), accuracy)
    assert majority_score(task, train, test) == 0.25
    regression = Task("own", ("text",), "score", None, pearson)
    assert majority_score(regression, train, test) == 0


def test_mean_loss_is_what_torch_minimises() -> None:
    generator = np.random.default_rng(0)
    predicted, labels = generator.normal(size=(9, 3)) * 30, generator.integers(3, size=9)
    expected = torch.nn.functional.cross_entropy(torch.tensor(predicted), torch.tensor(labels))
    assert mean_loss(predicted, labels.astype(float), regression=False) == pytest.approx(
        float(expected), abs=1e-12
    )
    scores = generator.normal(size=9)
    squared = torch.nn.functional.mse_loss(torch.tensor(predicted[:, 0]), torch.tensor(scores))
    assert mean_loss(predicted[:, :1], scores, regression=True) == pytest.approx(float(squared))
