"""The arithmetic of the table against peers, and the scripted responses both sides write."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import (
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from benchmarks.peers.job import Job
from benchmarks.peers.phases import timed_phases
from benchmarks.peers.script import Script, mixed_length, read_script
from benchmarks.peers.scripted_native import scripted
from benchmarks.peers.table import (
    agreement,
    apart,
    below_baseline,
    last_apart,
    markdown,
    pace,
    phase_markdown,
    phase_rows,
    seconds_per_step,
    summary,
    working_bytes,
)
from benchmarks.peers.useful import Network, network, useful_offline
from benchmarks.peers.works import WORKS
from preftune.algorithms import ppo
from preftune.cli.bench_peers import PEER_WORKS
from preftune.records import Sampling
from preftune.rollouts import NativeEngine
from tests.models.made import make_policy, make_prompts, renderer_of


def run(side: str, seconds: list[float], **more: Any) -> dict[str, Any]:
    return {
        "side": side,
        "variant": "plain",
        "rows_per_step": 16.0,
        "steps": [{"wall": s, "cpu": s / 2} for s in seconds],
        "once": {"wall": 0.0, "cpu": 0.0},
        "loaded_bytes": 1000,
        "peak_bytes": 1900,
        "curves": {"loss": [0.7, 0.6]},
        **more,
    }


def result(*runs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "work": "dpo",
        "unit": "pairs",
        "model": "17m",
        "precision": "float32",
        "lengths": "",
        "agreeing": {"loss": ["loss", 1e-3]},
        "loosely": [],
        "trained_bytes": 200,
        "runs": list(runs),
        **more,
    }


def test_the_first_step_is_warm_up_and_what_is_done_once_is_shared_by_all_steps() -> None:
    told = run("ours", [9.0, 2.0, 4.0, 3.0], once={"wall": 8.0, "cpu": 1.0})
    assert seconds_per_step(told, "wall") == 3.0 + 2.0
    assert seconds_per_step(told, "cpu") == 1.5 + 0.25


def test_the_pace_is_the_median_of_the_runs() -> None:
    found = pace([run("ours", [9.0, s]) for s in (2.0, 4.0, 8.0)], "wall")
    assert found == (4.0, (8.0 - 2.0) / 4.0, 3)


def test_curves_are_compared_step_by_step() -> None:
    assert apart([1.0, 2.0], [1.0, 1.5]) == 0.25
    assert apart([0.0], [0.0]) == 0.0
    assert apart([1.0], [1.0, 2.0]) == float("inf")
    assert apart([], []) == float("inf")


def test_loosely_only_the_last_halves_count() -> None:
    assert last_apart([9.0, 9.0, 2.0, 4.0], [1.0, 4.0]) == 0.25
    ours, theirs = run("ours", [1.0]), run("TRL", [1.0], curves={"loss": [5.0, 0.603]})
    assert not agreement(ours, theirs, {"loss": ("loss", 1e-3)}).equal
    assert agreement(ours, theirs, {"loss": ("loss", 1e-3)}, loosely=True).equal


def test_a_curve_that_a_side_does_not_have_is_no_agreement() -> None:
    assert not agreement(run("ours", [1.0]), run("TRL", [1.0]), {"kl": ("kl", 1.0)}).equal


def test_the_fastest_variant_of_a_peer_counts() -> None:
    slow, fast = run("TRL", [9.0, 8.0]), run("TRL", [9.0, 4.0], variant="packed")
    (row,) = summary(result(run("ours", [9.0, 1.0]), slow, fast), "wall")
    assert row["peer_name"] == "TRL, packed"
    assert (row["ours"], row["peer"], row["ratio"]) == (16.0, 4.0, 4.0)


def test_other_losses_void_the_ratio() -> None:
    theirs = run("TRL", [9.0, 4.0], curves={"loss": [0.7, 0.61]})
    (row,) = summary(result(run("ours", [9.0, 1.0]), theirs), "wall")
    assert row["ratio"] is None
    assert "| void |" in markdown([row])
    (row,) = summary(result(run("ours", [9.0, 1.0]), theirs, loosely=["plain"]), "wall")
    assert row["ratio"] is None  # 1.6 % apart
    assert row["apart"] == {"loss": pytest.approx(0.01 / 0.61)}


def test_memory_is_counted_above_what_any_training_needs() -> None:
    assert working_bytes(run("ours", [1.0]), 200) == 1900 - 1000 - 600
    heavy = run("TRL", [9.0, 4.0], peak_bytes=2200)
    (row,) = summary(result(run("ours", [9.0, 1.0]), heavy), "wall")
    assert row["peak_memory_ratio"] == 300 / 600
    assert "| 4.00 × | – | 0% | 0.50 × |" in markdown([row])


def test_the_limit_is_useful_operations_alone_at_the_ceiling() -> None:
    """20 GFLOP in the timed step and 8 for both: 24 a step, .6 s at 40 GFLOP/s; theirs takes 4."""
    phases = {
        "reference": {"seconds": 1.0, "useful_flops": 8e9},
        "update": {"seconds": 1.0, "useful_flops": 20e9},
    }
    ours, theirs = run("ours", [9.0, 1.0], phases=phases), run("TRL", [9.0, 4.0])
    (row,) = summary(result(ours, theirs, ceiling={"float32": 40.0}), "wall")
    assert row["limit"] == pytest.approx(4 / 0.6)
    assert "| 4.00 × | 6.67 × |" in markdown([row])


def test_mixed_lengths_run_from_one_to_the_longest_and_average_half() -> None:
    sizes = [mixed_length(place, 16, 64) for place in range(16)]
    assert (min(sizes), max(sizes)) == (1, 64)
    assert sum(sizes) / 16 == pytest.approx(32.5, abs=0.5)


def test_a_response_depends_on_its_prompt_and_not_on_the_order_of_the_request() -> None:
    script = Script([(1, 2), (3, 4)], range(10, 99), end=0)
    one = script.table([(1, 2), (1, 2), (3, 4), (3, 4)], 8, 2, "mixed", turn=0)
    other = script.table([(3, 4), (1, 2), (3, 4), (1, 2)], 8, 2, "mixed", turn=0)
    assert [other[1], other[3], other[0], other[2]] == one
    assert sorted(len(row) for row in one) == [1, 3, 6, 8]
    assert all(row[-1] == 0 and 0 not in row[:-1] for row in one)
    assert script.table([(1, 2)], 8, 2, "mixed", turn=1) != [one[0]]
    assert [len(row) for row in script.table([(1, 2), (3, 4)], 8, 2, "fixed", turn=0)] == [8, 8]


def test_the_built_in_engine_writes_the_script_whoever_waits(tmp_path: Path) -> None:
    policy = make_policy()
    engine = NativeEngine(policy, renderer_of(policy), "v", batch_size=3)
    asked, sampling = make_prompts(7), Sampling(max_new_tokens=8, seed=1)
    plain = engine(asked, sampling)
    prompts = [completion.prompt_token_ids for completion in plain]
    told = {"prompts": prompts, "first_token": 10, "tokens": 99, "end": 0}
    (tmp_path / "script.json").write_text(json.dumps(told))
    job = Job(
        *("generate", "ours", "plain", "m", "", "rows"),
        batch=7,
        steps=2,
        length=8,
        precision="float32",
        threads=1,
        learning_rate=0.0,
        script=str(tmp_path / "script.json"),
    )
    script = read_script(job.script)
    with scripted(job):
        for turn in range(2):
            expected = script.table(prompts, 8, 1, "mixed", turn)
            assert [list(c.token_ids) for c in engine(asked, sampling)] == expected
    assert [c.token_ids for c in engine(asked, sampling)] == [c.token_ids for c in plain]


def test_without_a_peer_our_pace_stands_alone() -> None:
    (row,) = summary(result(run("ours", [9.0, 2.0])), "wall")
    assert (row["ours"], row["peer"], row["ratio"]) == (8.0, None, None)
    assert "| 8 pairs/s | – | – |" in markdown([row])


def test_a_ratio_that_fell_is_named_and_seconds_do_not_matter() -> None:
    before = summary(result(run("ours", [9.0, 1.0]), run("TRL", [9.0, 4.0])), "wall")
    slower = summary(result(run("ours", [9.0, 10.0]), run("TRL", [9.0, 40.0])), "wall")
    assert below_baseline(slower, before, 0.1) == []
    fallen = summary(result(run("ours", [9.0, 1.2]), run("TRL", [9.0, 4.0])), "wall")
    assert below_baseline(fallen, before, 0.1) == ["dpo, 17m, float32, TRL: 3.33 ×, it was 4.00 ×"]
    other = run("TRL", [9.0, 4.0], curves={"loss": [0.7, 0.61]})
    void = summary(result(run("ours", [9.0, 1.0]), other), "wall")
    assert below_baseline(void, before, 0.1) == ["dpo, 17m, float32, TRL: void, it was 4.00 ×"]
    packed = summary(
        result(run("ours", [9.0, 3.0]), run("TRL", [9.0, 4.0], variant="packed")), "wall"
    )
    assert len(below_baseline(packed, before, 0.1)) == 1, "whatever the peer's best variant"


def test_useful_operations_are_those_of_the_formula() -> None:
    """One layer's matrices 100, head 10: a prompt of 3 read once, answers of 2 and 1."""
    one = Network(body=100, head=10, layers=2, width=8, end=30)
    tokens, written = 6, 3
    pairs = 3 * 3 / 2 + (2 * 3 + 2) + (1 * 3 + 0.5)
    forward = 2 * 70 * tokens + 2 * (30 + 10) * written + 4 * 2 * 8 * pairs
    assert one.forward([(3, (2, 1))]) == forward
    assert one.learn([(3, (2, 1))]) == 3 * forward
    apart = one.forward([(3, (2,)), (3, (1,))])
    assert apart - one.forward([(3, (2, 1))]) == 2 * 70 * 3 + 4 * 2 * 8 * 4.5
    ends = replace(one, head=0, reads_ends=True)
    assert ends.forward([(3, (2, 1))]) == 2 * 70 * tokens + 2 * 30 * 2 + 4 * 2 * 8 * pairs


@pytest.mark.parametrize("tied", [True, False])
def test_a_folders_network_counts_what_multiplies(tied: bool, tmp_path: Path) -> None:
    config = LlamaConfig(
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=16,
        vocab_size=50,
        tie_word_embeddings=tied,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    layer = 8 * 8 * 2 + 8 * 4 * 2 + 3 * 8 * 16
    assert network(tmp_path) == Network(
        body=2 * layer, head=50 * 8, layers=2, width=8, end=3 * 8 * 16
    )


def test_a_reward_models_network_has_no_output_head(tmp_path: Path) -> None:
    config = GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=50, n_positions=16, num_labels=1)
    config.pad_token_id = 0
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path)
    mlp = 2 * 8 * 32
    body = 8 * 24 + 8 * 8 + mlp
    assert network(tmp_path) == Network(body=body, head=0, layers=1, width=8, end=mlp)


def test_mismatched_answers_are_read_and_not_learned_from(tmp_path: Path) -> None:
    """Of KTO: three passes to learn and one for the point of reference; two of the reference."""
    config = GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=50, n_positions=16)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    steps = [[(3, (2,))], [(4, (1,))]]
    one = network(tmp_path)
    told = {
        work: useful_offline(
            replace(WORKS[work].job(work, "float32", 2), model=str(tmp_path)), steps
        )
        for work in ("dpo", "kto")
    }
    every = one.forward([*steps[0], *steps[1]])
    assert told["dpo"] == {"update": 3 * one.forward(steps[1]), "reference": every}
    assert told["kto"]["update"] == 4 * one.forward(steps[1])
    assert told["kto"]["reference"] == 2 * every


def test_phases_are_told_by_share_of_time_and_of_the_ceiling() -> None:
    phases = {
        "generate": {"seconds": 3.0, "useful_flops": 3e9},
        "update": {"seconds": 1.0, "useful_flops": 20e9},
    }
    told = result(run("ours", [1.0], phases=phases), ceiling={"float32": 40.0})
    first, second = phase_rows(told)
    assert (first["phase"], first["share_of_time"], first["share_of_ceiling"]) == (
        "generate",
        0.75,
        1 / 40,
    )
    assert (second["useful_gflops"], second["share_of_ceiling"]) == (20.0, 0.5)
    assert "| update | 25% | 20 | 50% |" in phase_markdown([first, second])


def test_an_algorithms_functions_are_timed_and_then_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ppo, "update", lambda rows: rows + 1)
    kept = (ppo.sample, ppo.judge, ppo.credit, ppo.update)
    with timed_phases("ppo") as seconds:
        assert [ppo.update(rows) for rows in (1, 2)] == [2, 3]  # type: ignore[call-arg,arg-type]
    assert (ppo.sample, ppo.judge, ppo.credit, ppo.update) == kept
    assert list(seconds) == ["update"]
    assert len(seconds["update"]) == 2 and min(seconds["update"]) > 0
    with timed_phases("sft") as seconds:
        assert seconds == {}


def test_the_verb_knows_every_row_of_the_table() -> None:
    assert set(PEER_WORKS) == set(WORKS)
