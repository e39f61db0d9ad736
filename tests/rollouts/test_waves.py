"""Prompts that wait begin where rows have ended: the same tokens, at most so many rows at once."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from preftune.models import ActionMask, build_value_heads
from preftune.records import Completion, Sampling
from preftune.rollouts import NativeEngine, memory, native
from preftune.rollouts.lone_rows import LoneRows
from preftune.rollouts.memory import CopiedPrompts, SharedPrompts
from preftune.rollouts.native import _fitting, _hands
from preftune.rollouts.shared_rows import SharedRows
from preftune.rollouts.sharing import FAMILIES
from preftune.rollouts.waves import Waves
from preftune.training import set_workers
from tests.models.made import make_policy, make_prompts, renderer_of
from tests.rollouts.test_memory import assert_equal, copied, family_policy, ragged

ROOM = 6
ENDING = Sampling(max_new_tokens=16, temperature=0.9, seed=4, stop_token_ids=(*range(40),))
"""Most rows end before their last token, and some do not."""
NEVER = Sampling(max_new_tokens=5, temperature=0.9, seed=4)
ASKED = {"lone": make_prompts(23), "shared": ragged(), "both": make_prompts(9) + ragged()[:4]}


@pytest.fixture(autouse=True)
def refilled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also rows that share their prompts, with weights copied for these few tokens too."""
    monkeypatch.setattr(memory, "COPIED", 1)
    monkeypatch.setattr(SharedRows, "refill", 0.5)


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many rows joined others, each time."""
    found: list[int] = []
    join = Waves.join

    def watched(self: Waves, rows: LoneRows | SharedRows) -> None:
        join(self, rows)
        found.append(rows.count)

    monkeypatch.setattr(Waves, "join", watched)
    yield found


def engine_of(policy: PreTrainedModel, room: int) -> NativeEngine:
    return NativeEngine(policy, renderer_of(policy), "v", batch_size=room)


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("sampling", [ENDING, NEVER], ids=["some end", "none ends"])
def test_who_begins_late_writes_the_same(
    family: str,
    asked: str,
    sampling: Sampling,
    joined: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = family_policy(family, **({"sliding_window": None} if family == "mistral" else {}))
    at_once: list[int] = []
    then = SharedPrompts.then

    def watched(self: SharedPrompts, tokens_B: torch.Tensor) -> list[memory.Reading]:
        at_once.append(len(tokens_B))
        return then(self, tokens_B)

    monkeypatch.setattr(SharedPrompts, "then", watched)
    ours = engine_of(policy, ROOM)(ASKED[asked], sampling)
    with copied(monkeypatch):
        assert_equal(ours, engine_of(policy, 256)(ASKED[asked], sampling))
    assert max(at_once) <= ROOM
    if sampling is ENDING:
        assert len(joined) >= 2, "others were still writing"
        assert sum(at_once) / len(at_once) > ROOM / 2, "more than half the room is in use"


@pytest.mark.parametrize("asked", ASKED)
def test_rows_that_ended_stay_while_others_of_their_wave_write(
    asked: str, joined: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They write on, which nobody reads, and leave before there is no room for it."""
    for kind in (LoneRows, SharedRows):
        monkeypatch.setattr(kind, "shrink", 0.0)
    policy = family_policy("llama")
    ours = engine_of(policy, ROOM)(ASKED[asked], ENDING)
    with copied(monkeypatch):
        assert_equal(ours, engine_of(policy, 256)(ASKED[asked], ENDING))
    assert joined


def test_rows_that_share_prompts_wait_for_each_other(
    joined: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SharedRows, "refill", 0.0)
    policy = family_policy("llama")
    ours = engine_of(policy, ROOM)(ragged(), ENDING)
    with copied(monkeypatch):
        assert_equal(ours, engine_of(policy, 256)(ragged(), ENDING))
    assert not joined


def test_guidance_and_masks_begin_late_too(
    joined: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = make_policy("llama")
    mask = ActionMask(make_policy("gpt2", seed=5), top_p=0.5, min_tokens=1, always=(0, 1))
    heads = build_value_heads(policy, seed=5)

    def written(room: int, guided: bool) -> list[Completion]:
        engine = engine_of(policy, room)
        sampling = ENDING
        if guided:
            engine.value_heads = heads
            sampling = Sampling(8, seed=2, value_guidance=3.0, stop_token_ids=(*range(150),))
        else:
            engine.mask = mask
        return engine(make_prompts(20), sampling)

    for guided in (True, False):
        joined.clear()
        ours = written(ROOM, guided)
        assert joined
        theirs = written(256, guided)
        assert [c.token_ids for c in ours] == [c.token_ids for c in theirs]


def test_rows_with_copies_begin_together(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = family_policy("llama")
    expected = engine_of(policy, 256)(make_prompts(23), ENDING)
    began: list[int] = []
    first = CopiedPrompts.first

    def watched(self: CopiedPrompts) -> list[list[memory.Reading]]:
        began.append(len(self._mask_BS))
        return first(self)

    monkeypatch.setattr(CopiedPrompts, "first", watched)
    with copied(monkeypatch):
        assert_equal(engine_of(policy, ROOM)(make_prompts(23), ENDING), expected)
        one = CopiedPrompts([policy], [(5, 6)], 4)
    distinct = len({prompt.text for prompt in make_prompts(23)})
    assert sum(began) >= distinct and max(began) <= ROOM
    with pytest.raises(RuntimeError, match="begin together"):
        one.join(one)


def test_how_many_begin() -> None:
    a, b, c = (1,), (2,), (3,)
    assert _fitting([a, a, b, b, b, c], 4) == 2, "b's answers stay together"
    assert _fitting([a, a, b, b, b, c], 5) == 5
    assert _fitting([a, a, b, b, b, c], 9) == 6
    assert _fitting([a] * 7, 4) == 4, "more answers than there is ever room for"
    assert _fitting([a, b], 0) == 0


def test_workers_get_whole_prompts_and_no_crumbs(monkeypatch: pytest.MonkeyPatch) -> None:
    set_workers(2)
    try:
        assert [_hands(rows) for rows in (1, 64, 127, 128, 1000)] == [1, 1, 1, 2, 2]
        monkeypatch.setattr(native, "LEAST", 4)
        policy = family_policy("llama")
        together = engine_of(policy, ROOM)(ragged(), ENDING)
    finally:
        set_workers(1)
    assert_equal(together, engine_of(policy, ROOM)(ragged(), ENDING))


def test_waves_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = family_policy("llama")
    with memory.reading([policy], 8) as memory_of:
        mine, theirs = memory_of([(5, 6), (7, 8)]), memory_of([(9,)])
        for one in (mine, theirs):
            assert isinstance(one, SharedPrompts)
            for portion in one.first():
                policy(**portion[0], use_cache=True)
        mine.answer(np.array([0, 1]))
        theirs.answer(np.array([0]))
        mine.join(theirs)
        (rows,) = mine._rows
        assert isinstance(rows, Waves) and rows.count == 3 and len(rows._waves) == 2
        some = np.array([True, False, True])
        assert rows.moves(some) and rows.order(some).tolist() == [0, 2]
        with monkeypatch.context() as patched:
            patched.setattr(LoneRows, "shrink", 0.4)
            assert not rows.moves(some), "half of a wave is no reason to move it"
            some[2] = False
            assert rows.moves(some) and rows.order(some).tolist() == [0, 1], "it stays as it is"
        kept = mine.keep(np.array([False, False, True]))
    assert kept is not None and kept.tolist() == [2]
    assert rows.count == 1 and len(rows._waves) == 1
