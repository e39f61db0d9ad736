"""Token by token, each row with its own sampling: the engine's tokens, whoever is beside them."""

from preftune.models import Row
from preftune.records import Sampling
from preftune.rollouts import NativeEngine
from preftune.rollouts.streaming import Stream, stream_answers
from tests.models.made import make_policy, make_prompts, renderer_of

MIXED = [
    Sampling(12, 0.7, seed=11),
    Sampling(5, 0.0),
    Sampling(9, 1.3, 0.8, seed=2),
    Sampling(12, 0.7, 1.0, 20, seed=11),
]


def written(streams: list[Stream]) -> list[list[int]]:
    found: dict[int, list[int]] = {id(stream): [] for stream in streams}
    for tokens in stream_answers(make_policy(), streams):
        for token in tokens:
            found[id(token.stream)].append(token.token)
            token.stream.ended |= token.token == 0
    return [found[id(stream)] for stream in streams]


def test_rows_of_different_sampling_are_the_engines_own() -> None:
    policy = make_policy()
    engine = NativeEngine(policy, renderer_of(policy), "v")
    prompts = make_prompts(4)
    expected = [list(engine([p], s)[0].token_ids) for p, s in zip(prompts, MIXED, strict=True)]
    ids = [engine.renderer.prompt_ids(prompt.text) for prompt in prompts]
    streams = [Stream(row, sampling) for row, sampling in zip(ids, MIXED, strict=True)]
    assert written(streams) == expected
    assert written([Stream(ids[2], MIXED[2])]) == [expected[2]]


def test_choices_of_one_prompt_differ_by_their_place() -> None:
    policy = make_policy()
    engine = NativeEngine(policy, renderer_of(policy), "v")
    prompt = make_prompts(1)[0]
    expected = [list(c.token_ids) for c in engine([prompt] * 3, MIXED[0])]
    ids = Row(engine.renderer.prompt_ids(prompt.text), ()).prompt_ids
    assert written([Stream(ids, MIXED[0], place) for place in range(3)]) == expected


def test_a_row_that_is_ended_writes_no_more() -> None:
    streams = [Stream((5, 6), Sampling(9, seed=1)), Stream((7,), Sampling(9, seed=1), top=4)]
    seen = []
    for step, tokens in enumerate(stream_answers(make_policy(), streams)):
        seen.append([streams.index(token.stream) for token in tokens])
        assert [len(token.top) for token in tokens] == ([0, 4] if step < 3 else [4])
        streams[0].ended = step >= 2
        for token in tokens:
            token.stream.ended |= token.token == 0
    assert seen[:4] == [[0, 1]] * 3 + [[1]]
