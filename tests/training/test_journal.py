"""What a story writes down: no step twice, and back to the last checkpoint."""

from pathlib import Path

from preftune.monitoring import read_metrics
from preftune.training.checkpoint import complete_checkpoints, weights_of
from tests.training.made import make_data, make_network, make_training, quiet_journal, squares

ALL = list(range(8))


def run(folder: Path, until: int) -> list[int]:
    """Steps until ``until``, as a story does; returns the steps done in this call."""
    network = make_network()
    training = make_training(network)
    done_now = []
    with quiet_journal(folder, checkpoint_every=3) as journal:
        done, _, _ = journal.resume(training)
        for at in range(done, until):
            report = training.step([ALL], squares(network, *make_data()), at=at)
            journal.record(at + 1, {"loss": report.loss})
            journal.checkpoint(at + 1, training, {})
            done_now.append(at + 1)
    return done_now


def test_a_stopped_story_goes_back_to_its_checkpoint(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    run(whole, 8)
    stopped = tmp_path / "stopped"
    assert run(stopped, 5) == [1, 2, 3, 4, 5]
    assert run(stopped, 8) == [4, 5, 6, 7, 8]
    rows = read_metrics(stopped / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 9))
    assert rows == read_metrics(whole / "metrics.jsonl")


def test_without_a_checkpoint_it_starts_over(tmp_path: Path) -> None:
    assert run(tmp_path, 2) == [1, 2]
    assert run(tmp_path, 2) == [1, 2]
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2]


def test_finishing_removes_the_checkpoints(tmp_path: Path) -> None:
    run(tmp_path, 7)
    assert len(complete_checkpoints(tmp_path / "checkpoints")) == 2
    with quiet_journal(tmp_path) as journal:
        journal.finish()
    assert not (tmp_path / "checkpoints").exists()


def test_the_history_is_what_stands_in_the_file(tmp_path: Path) -> None:
    network = make_network()
    training = make_training(network)
    with quiet_journal(tmp_path, checkpoint_every=2) as journal:
        journal.resume(training)
        for step, loss in enumerate((0.5, float("nan"), 0.25), 1):
            journal.record(step, {"loss": loss})
            journal.checkpoint(step, training, {})
        assert journal.history == read_metrics(tmp_path / "metrics.jsonl")
        assert journal.history[1] == {"step": 2, "loss": None, "nonfinite": ["loss"]}
    with quiet_journal(tmp_path) as journal:
        journal.resume(training)
        assert [row["step"] for row in journal.history] == [1, 2], "back to the checkpoint"


def test_an_earlier_checkpoint_can_be_put_back(tmp_path: Path) -> None:
    network = make_network()
    training = make_training(network)
    weights = []
    with quiet_journal(tmp_path, checkpoint_every=1) as journal:
        for at in range(3):
            training.step([ALL], squares(network, *make_data()), at=at)
            journal.record(at + 1, {"loss": 0.0})
            journal.checkpoint(at + 1, training, {"at": at})
            weights.append(weights_of(network))
        assert journal.steps == [2, 3]
        assert journal.restore(2, training)[:2] == (2, {"at": 1})
    for name, kept in weights_of(network).items():
        assert kept.equal(weights[1][name]) and not kept.equal(weights[2][name])
