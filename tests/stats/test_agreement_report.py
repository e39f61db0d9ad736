"""Agreement with intervals, by who the raters are."""

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats import (
    agreement_report,
    cohen_kappa,
    fleiss_kappa,
    gwet_ac1,
    gwet_ac2,
    krippendorff_alpha,
    percent_agreement,
)


def raters(rng: np.random.Generator, items: int, accuracy: list[float]) -> np.ndarray:
    truth = rng.integers(0, 3, items)
    return np.stack(
        [
            np.where(rng.random(items) < share, truth, rng.integers(0, 3, items))
            for share in accuracy
        ],
        axis=1,
    ).astype(float)


def test_the_values_are_the_coefficients() -> None:
    table = raters(np.random.default_rng(0), 60, [0.8, 0.6, 0.7])
    table[np.random.default_rng(1).random(table.shape) < 0.2] = np.nan
    found = agreement_report(table, "interval", rng=np.random.default_rng(2))["human_human"]
    expected = {
        "percent": percent_agreement(table),
        "kappa": fleiss_kappa(table, "quadratic"),
        "alpha": krippendorff_alpha(table, "interval"),
        "ac1": gwet_ac1(table),
        "ac2": gwet_ac2(table, "quadratic"),
    }
    for name, value in expected.items():
        estimate = found[name]  # type: ignore[literal-required]
        assert estimate.value == pytest.approx(value), name
        assert estimate.low < value < estimate.high, name
    pairs = (~np.isnan(table)).sum(axis=1)
    assert found["pairs"] == int((pairs * (pairs - 1) / 2).sum())
    assert found["items"] == int((pairs > 1).sum()) and found["raters"] == 3


def test_people_and_machines_stay_apart() -> None:
    rng = np.random.default_rng(3)
    table = raters(rng, 200, [0.9, 0.9, 0.5, 0.5])
    table[:, 3] = table[:, 2]
    found = agreement_report(
        table, origins=["human", "human", "model", "tool"], rng=rng, resamples=200
    )
    people = found["human_human"]["kappa"]
    assert people is not None and people.value == pytest.approx(fleiss_kappa(table[:, :2]))
    machines = found["machine_machine"]["alpha"]
    assert machines is not None and machines.value == pytest.approx(1.0)
    assert found["mixed"]["pairs"] == 800 and found["human_human"]["pairs"] == 200
    mixed = found["mixed"]["percent"]
    agreeing = [np.mean(table[:, i] == table[:, j]) for i in (0, 1) for j in (2, 3)]
    assert mixed is not None and mixed.value == pytest.approx(np.mean(agreeing))


def test_one_person_and_one_machine() -> None:
    """Then κ is Cohen's, α Krippendorff's and AC1 Gwet's of the two."""
    table = raters(np.random.default_rng(4), 100, [0.9, 0.5])
    found = agreement_report(
        table, origins=["human", "model"], rng=np.random.default_rng(0), resamples=100
    )
    assert list(found) == ["mixed"]
    for name, value in (
        ("kappa", cohen_kappa(table)),
        ("alpha", krippendorff_alpha(table)),
        ("ac1", gwet_ac1(table)),
    ):
        estimate = found["mixed"][name]  # type: ignore[literal-required]
        assert estimate.value == pytest.approx(value), name


def test_the_interval_covers() -> None:
    """κ of two raters with noise .2, over clusters of three items with a difficulty in common."""
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(40), 3)

    def draw(groups: np.ndarray) -> np.ndarray:
        hard = rng.random(groups.max() + 1)[groups]
        truth = rng.integers(0, 2, groups.size)
        flips = rng.random((groups.size, 3)) < hard[:, None] / 2
        return np.where(flips, 1 - truth[:, None], truth[:, None]).astype(float)

    true = fleiss_kappa(draw(np.arange(400_000)))
    covered = 0
    for _ in range(300):
        kappa = agreement_report(draw(clusters), "nominal", clusters, rng=rng, resamples=300)[
            "human_human"
        ]["kappa"]
        assert kappa is not None and kappa.count == 40
        covered += kappa.low <= true <= kappa.high
    assert 0.91 <= covered / 300 <= 0.99


def test_one_cluster_has_no_interval() -> None:
    found = agreement_report(
        [[1, 1], [1, 2], [2, 2]], clusters=["p"] * 3, rng=np.random.default_rng(0), resamples=50
    )
    kappa = found["human_human"]["kappa"]
    assert kappa is not None and np.isnan(kappa.low) and kappa.count == 1
    assert kappa.value == pytest.approx(1 / 3)


def test_no_value_is_none() -> None:
    found = agreement_report([[1, 1], [1, 1]], rng=np.random.default_rng(0), resamples=50)
    assert found["human_human"]["kappa"] is None
    percent = found["human_human"]["percent"]
    assert percent is not None and percent.value == 1.0
    assert agreement_report([[1, np.nan]], rng=np.random.default_rng(0)) == {}


def test_mistakes_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(BadInput, match="2 raters but 1 origins"):
        agreement_report([[1, 2]], origins=["human"], rng=rng)
    with pytest.raises(BadInput, match="100 different values"):
        agreement_report(np.arange(100.0).reshape(50, 2), rng=rng)
