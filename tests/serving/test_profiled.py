"""A model's name with a profile: interpolated when first asked for, or told in the prompt."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch
from openai import NotFoundError, OpenAI, RateLimitError

from preftune.models import Renderer, load_policy, load_soup, save_model
from preftune.records import Prompt, Sampling
from preftune.rollouts import NativeEngine
from preftune.serving import Profiled, open_models, profiled_sources
from tests.models.made import make_policy, renderer_of, tokenizer
from tests.serving.under_way import running

CPU = torch.device("cpu")
PROMPT = "Order 3: lamp for Ann."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two policies, a file of profiles, and a policy that reads weights in its prompt."""
    root = tmp_path_factory.mktemp("profiles")
    for name, seed in (("helpful", 0), ("harmless", 1), ("told", 2)):
        policy = make_policy(seed=seed, context=96)
        if name == "told":
            policy.config.weights_in_prompt = {
                "parts": ["helpful", "harmless"],
                "steps": 2,
                "words": "<{weights}>",
            }
        (root / name).mkdir()
        save_model(policy, tokenizer(), root / name, "")
    (root / "profiles.toml").write_text('[policies]\nhelpful="helpful"\nharmless="harmless"\n')
    return root


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[OpenAI]:
    named = [f"soup={folder / 'profiles.toml'}", f"told={folder / 'told'}"]
    profiles = Profiled(profiled_sources(named), CPU, most=2)
    with running(*open_models(named).values(), profiles=profiles) as url:
        yield OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=120)


def said(client: OpenAI, model: str) -> str:
    done = client.completions.create(model=model, prompt=PROMPT, max_tokens=12, temperature=0)
    assert done.model == model
    return done.choices[0].text


def soup(folder: Path, helpful: float) -> str:
    folders = {name: folder / name for name in ("helpful", "harmless")}
    policy = load_soup(folders, {"helpful": helpful, "harmless": 1 - helpful}, CPU)
    (written,) = NativeEngine(policy, Renderer(tokenizer(), 96), "v")(
        [Prompt(PROMPT)], Sampling(12, temperature=0)
    )
    return written.text


def test_weights_between_two_policies(client: OpenAI, folder: Path) -> None:
    for helpful, model in (
        (0.5, "soup"),
        (0.7, "soup@helpful=.7,harmless=.3"),
        (1.0, "soup@helpful=1"),
        (0.25, "soup@helpful=1,harmless=3"),
        (0.7, "soup@helpful=.7,harmless=.3"),
    ):
        assert said(client, model) == soup(folder, helpful)
    assert soup(folder, 1.0) != soup(folder, 0.0)


def test_weights_in_the_prompt(client: OpenAI, folder: Path) -> None:
    engine = NativeEngine(load_policy(folder / "told", CPU), Renderer(tokenizer(), 96), "v")

    def told(text: str) -> str:
        (written,) = engine([Prompt(text)], Sampling(12, temperature=0))
        return written.text

    assert said(client, "told@helpful=3,harmless=1") == told(
        f"<helpful=0.75,harmless=0.25>{PROMPT}"
    )
    assert said(client, "told") == told(f"<helpful=0.5,harmless=0.5>{PROMPT}")
    turns = [{"role": "system", "content": "Be"}, {"role": "user", "content": PROMPT}]
    done = client.chat.completions.create(
        model="told@helpful=1", messages=turns, max_tokens=12, temperature=0
    )  # type: ignore[call-overload]
    assert done.choices[0].message.content == told(f"Be\n<helpful=1,harmless=0>{PROMPT}")


@pytest.mark.parametrize("name", ["soup@kind=1", "soup@helpful=0", "none@helpful=1", "soup@x"])
def test_a_profile_that_is_none_is_told(client: OpenAI, name: str) -> None:
    with pytest.raises(NotFoundError):
        said(client, name)


def test_an_old_profile_makes_room_and_a_busy_one_does_not(folder: Path) -> None:
    profiles = Profiled({"soup": str(folder / "profiles.toml")}, CPU, most=1)
    first = profiles.find("soup@helpful=1")
    assert profiles.find("soup@helpful=1") is first
    second = profiles.find("soup@harmless=1")
    assert profiles.opened == [second]
    second._writing = True
    with running(profiles=profiles) as url:
        client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=120)
        with pytest.raises(RateLimitError):
            said(client, "soup@helpful=1")
        assert httpx.get(f"{url}/v1/models", timeout=60).json()["data"] == []
    assert threading.active_count() < 20


def test_a_renderer_is_the_models_own(folder: Path) -> None:
    (served,) = open_models([f"x={folder / 'profiles.toml'}@helpful=1"]).values()
    assert served.name == "x" and served.renderer.context == 96
    assert renderer_of(make_policy()).prompt_ids(PROMPT) == served.text_ids(PROMPT)
