"""Recipes that load, and every kind of mistake with its whole message."""

import json

import pytest

from preftune.recipe import PPO, SFT, Recipe, load_recipe, parse_recipe, toml_text
from preftune.recipe.walk import KINDS
from preftune.records import BadInput

PPO_STAGE = """[stages.ppo]
kind = "ppo"
policy = "p"
reward_model = "r"
prompts = "x.jsonl"
"""
STAGE_KINDS = ", ".join(f"'{kind}'" for kind in sorted(KINDS))
PPO_KEYS = ", ".join(sorted(PPO.model_fields))

MISTAKES = {
    "misspelt": (
        PPO_STAGE + "iteratons = 3",
        "Unknown key 'stages.ppo.iteratons' in the recipe. (r.toml, line 6) "
        "Did you mean 'iterations'?",
    ),
    "misspelt and required": (
        PPO_STAGE.replace("policy", "polcy"),
        "Unknown key 'stages.ppo.polcy' in the recipe. (r.toml, line 3) Did you mean 'policy'?",
    ),
    "in the wrong section": (
        PPO_STAGE + "learning_rate = 1e-3",
        "Unknown key 'stages.ppo.learning_rate' in the recipe. (r.toml, line 6) "
        "Did you mean 'stages.ppo.optimizer.learning_rate'?",
    ),
    "like nothing": (
        PPO_STAGE + "zzz = 1",
        f"Unknown key 'stages.ppo.zzz' in the recipe. (r.toml, line 6) Keys here: {PPO_KEYS}.",
    ),
    "in a section of a kind": (
        PPO_STAGE + 'kl = {kind = "fixed", coefficent = 1}',
        "Unknown key 'stages.ppo.kl.coefficent' in the recipe. (r.toml, line 6) "
        "Did you mean 'coefficient'?",
    ),
    "in the second optimizer": (
        PPO_STAGE
        + "[stages.ppo.optimizer]\nlearning_rate = 1e-4\n"
        + "[stages.ppo.value_optimizer]\nlerning_rate = 1e-4",
        "Unknown key 'stages.ppo.value_optimizer.lerning_rate' in the recipe. (r.toml, line 9) "
        "Did you mean 'learning_rate'?",
    ),
    "in a named table": (
        '[stages.c]\nkind = "candidates"\nprompts = "x"\n[stages.c.policies.sft]\nmodl = "m"',
        "Unknown key 'stages.c.policies.sft.modl' in the recipe. (r.toml, line 5) "
        "Did you mean 'model'?",
    ),
    "missing": (
        '[stages.a]\nkind = "sft"\nmodel = "m"',
        "The recipe lacks 'stages.a.train'. (r.toml, line 1) Add it.",
    ),
    "nothing at all": (
        "",
        'The recipe has no stages. (r.toml) Add one, for example [stages.sft] with kind = "sft".',
    ),
    "empty stages": (
        "[stages]",
        "stages = {…} cannot be used. (r.toml, line 1) It needs 1 or more entries.",
    ),
    "wrong kind": (
        '[stages.judge]\nkind = "reward-model"',
        "stages.judge.kind = 'reward-model' is not known. (r.toml, line 2) "
        "Did you mean 'reward_model'?",
    ),
    "kind like nothing": (
        '[stages.judge]\nkind = "zzz"',
        f"stages.judge.kind = 'zzz' is not known. (r.toml, line 2) Use one of {STAGE_KINDS}.",
    ),
    "no kind": (
        '[stages.sft]\nmodel = "m"',
        'stages.sft has no kind. (r.toml, line 1) Add kind = "sft".',
    ),
    "wrong kind of a part": (
        PPO_STAGE + 'kl.kind = "fxed"',
        "stages.ppo.kl.kind = 'fxed' is not known. (r.toml, line 6) Did you mean 'fixed'?",
    ),
    "stage name": (
        '[stages.My-Stage]\nkind = "world"',
        "'My-Stage' cannot be the name of a stage. (r.toml, line 1) "
        "Use lower-case letters, digits and underscores, a letter first.",
    ),
    "reward name": (
        PPO_STAGE + 'rewards.Short = { callable = "m:f" }',
        "'Short' cannot be the name of a reward. (r.toml, line 6) "
        "Use lower-case letters, digits and underscores, a letter first.",
    ),
    "gold as a reward": (
        PPO_STAGE + 'rewards.judge = { model = "gold:helpdesk" }',
        "stages.ppo.rewards.judge: model = 'gold:helpdesk' is a gold judge, which measures and "
        "never teaches. (r.toml, line 6) Train a reward model on labels and use that.",
    ),
    "no reward": (
        PPO_STAGE.replace('reward_model = "r"\n', ""),
        "stages.ppo: there is nothing to optimise. (r.toml, line 1) "
        "Name reward_model, or rewards with a model, callable, rule or judge.",
    ),
    "kind and stages": (
        'kind = "world"\n[stages.w]\nkind = "world"',
        "The recipe has both a kind and stages at the top. (r.toml, line 1) "
        f"Remove the kind, or move it into a stage (kinds: {', '.join(KINDS)}).",
    ),
    "stage order": (
        '[stages.a]\nkind = "sft"\nmodel = "m"\ntrain = "stage:b/train"\n'
        '[stages.b]\nkind = "dataset"\nsource = "x"',
        "stages.a.train = 'stage:b/train' names no earlier stage. (r.toml, line 4) "
        "It is the first stage.",
    ),
    "unknown stage": (
        '[stages.b]\nkind = "dataset"\nsource = "x"\n'
        '[stages.a]\nkind = "sft"\nmodel = "m"\ntrain = "stage:bb/train"\n',
        "stages.a.train = 'stage:bb/train' names no earlier stage. (r.toml, line 7) "
        "Earlier stages are b.",
    ),
    "data root": (
        'kind = "sft"\nmodel = "m"\ntrain = "data:x.jsonl"',
        "train = 'data:x.jsonl' needs the data folder. (r.toml, line 3) Add --set data.root=DIR.",
    ),
    "minibatches": (
        PPO_STAGE + "minibatches = 3",
        "stages.ppo: minibatches = 3 does not divide rollouts = 256. (r.toml, line 6) "
        "Choose a divisor, so that every optimizer step sees equally many responses.",
    ),
    "greedy rollouts": (
        PPO_STAGE + "[stages.ppo.sampling]\ntemperature = 0",
        "stages.ppo: sampling.temperature = 0 contradicts learning from random responses. "
        "(r.toml, line 7) Set it above 0.",
    ),
    "top-p": (
        PPO_STAGE + "[stages.ppo.sampling]\n\ntop_p = 0.9",
        "stages.ppo: sampling.top_p and sampling.top_k contradict a ratio between full "
        "distributions. (r.toml, line 8) Leave them out and lower sampling.temperature instead.",
    ),
    "warm-up without end": (
        PPO_STAGE + "iterations = 2",
        "stages.ppo: critic_warmup = 2 leaves none of the 2 iterations to the policy. "
        "(r.toml, line 1) Lower it or raise iterations.",
    ),
    "win rate of nobody": (
        '[stages.e]\nkind = "evaluate"\nprompts = "x"\npolicies = {a = "m"}\n'
        'judge = "gold:helpdesk"\nwin_rates = [["a", "b"]]',
        "stages.e: win_rates name 'b', which is no policy. (r.toml, line 6) Add it to policies.",
    ),
    "heads": (
        'kind = "pretrain"\ndata = ["x"]\n[architecture]\nheads = 3',
        "architecture: heads = 3 does not divide hidden_size = 128. (r.toml, line 4) "
        "Choose a divisor.",
    ),
    "fractions": (
        'kind = "dataset"\nsource = "x"\nfractions = {train = 0.5, test = 0.2}',
        "fractions add up to 0.7. (r.toml, line 3) Make them add up to 1.",
    ),
    "unknown side": (
        'kind = "dataset"\nsource = "x"\nfractions = {trian = 1.0}',
        "Unknown key 'fractions.trian' in the recipe. (r.toml, line 3) Did you mean 'train'?",
    ),
    "held-out fractions": (
        'kind = "label"\ncandidates = "c"\nvalidation_fraction = 0.5\ntest_fraction = 0.5',
        "validation_fraction and test_fraction add up to 1, which leaves no training data. "
        "(r.toml, line 3) Lower one.",
    ),
    "out of range": (
        PPO_STAGE + "epochs = 0",
        "stages.ppo.epochs = 0 cannot be used. (r.toml, line 6) "
        "It must be greater than or equal to 1.",
    ),
    "not whole": (
        PPO_STAGE + "epochs = 1.5",
        "stages.ppo.epochs = 1.5 cannot be used. (r.toml, line 6) It must be a whole number.",
    ),
    "true is no number": (
        PPO_STAGE + "epochs = true",
        "stages.ppo: epochs = true cannot be used. (r.toml, line 6) It must be a number.",
    ),
    "not a number": (
        PPO_STAGE + "[stages.ppo.optimizer]\nlearning_rate = nan",
        "stages.ppo.optimizer.learning_rate = nan cannot be used. (r.toml, line 7) "
        "It must be a finite number.",
    ),
    "not a choice": (
        'kind = "reward_model"\nmodel = "m"\ntrain = "x"\nlabels = "sfot"',
        "labels = 'sfot' cannot be used. (r.toml, line 4) It must be 'hard' or 'soft'.",
    ),
    "not a section": (
        PPO_STAGE + "kl = 0.1",
        "stages.ppo.kl = 0.1 cannot be used. (r.toml, line 6) "
        "It must be a section with keys of its own.",
    ),
    "not a list": (
        PPO_STAGE + 'sampling = {stop = "x"}',
        "stages.ppo.sampling.stop = 'x' cannot be used. (r.toml, line 6) "
        "It must be a list in square brackets.",
    ),
    "short list": (
        PPO_STAGE + "optimizer.betas = [0.9]",
        "stages.ppo.optimizer.betas = [0.9] cannot be used. (r.toml, line 6) It lacks entry 2.",
    ),
    "entry of a list": (
        PPO_STAGE + "optimizer.betas = [0.9, 1.0]",
        "stages.ppo.optimizer.betas[1] = 1.0 cannot be used. (r.toml, line 6) "
        "It must be less than 1.",
    ),
    "empty source": (
        'kind = "sft"\nmodel = ""\ntrain = "x"',
        "model = '' cannot be used. (r.toml, line 2) It must not be empty.",
    ),
    "preset": (
        PPO_STAGE + 'preset = "n_pluss"',
        "stages.ppo.preset = 'n_pluss' is not known. (r.toml, line 6) Did you mean 'n_plus'?",
    ),
    "preset of a kind without": (
        'kind = "world"\npreset = "big"',
        "preset = 'big' is not known. (r.toml, line 2) Presets of kind 'world': none.",
    ),
    "TOML: no digit": (
        "seed = .5",
        "The recipe is not valid TOML: invalid value. (r.toml, line 1) "
        "Write a digit before the point: 0.5, not .5.",
    ),
    "TOML: no quotes": (
        "seed = 1\ntitle = hello",
        "The recipe is not valid TOML: invalid value. (r.toml, line 2) Put text in quotes.",
    ),
    "TOML: Python": (
        "seed = True",
        "The recipe is not valid TOML: invalid value. (r.toml, line 1) "
        "Write true or false in lower case.",
    ),
    "TOML: twice": (
        "seed = 1\nseed = 2",
        "The recipe is not valid TOML: cannot overwrite a value. (r.toml, line 2) "
        "It is written twice: remove one.",
    ),
    "JSON": (
        '{"seed": 1,\n oops}',
        "The recipe is not valid JSON: Expecting property name enclosed in double quotes. "
        "(r.toml, line 2) Correct the line.",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_has_its_sentence_its_line_and_its_remedy(name: str) -> None:
    text, message = MISTAKES[name]
    with pytest.raises(BadInput) as caught:
        parse_recipe(text, file="r.toml")
    assert str(caught.value) == message
    assert caught.value.exit_code == 2


OPTIONS = {
    "stages.ppo.epoch=3": "Unknown key 'stages.ppo.epoch' in the recipe "
    "(from --set stages.ppo.epoch=3). Did you mean 'epochs'?",
    "stages.poo.epochs=3": "The recipe has no stage 'poo' (from --set stages.poo.epochs=3). "
    "Did you mean 'stages.ppo'?",
    "ppo.epochs=3": "Unknown key 'ppo' in the recipe (from --set ppo.epochs=3). "
    "Did you mean 'stages.ppo'?",
    "sed=3": "Unknown key 'sed' in the recipe (from --set sed=3). Did you mean 'seed'?",
    "seed.x=3": "seed = {…} cannot be used (from --set seed.x=3). It must be a whole number.",
    "stages.ppo.policy.x=3": "--set 'stages.ppo.policy.x=3': 'policy' is a value, not a section. "
    "Run `preftune check RECIPE.toml` to see the keys.",
    "seed": "--set 'seed' is not key.path=value. For example --set seed=3.",
    "stages.ppo.gamma=2": "stages.ppo.gamma = 2 cannot be used (from --set stages.ppo.gamma=2). "
    "It must be less than or equal to 1.",
    "stages.ppo.minibatches=3": "stages.ppo: minibatches = 3 does not divide rollouts = 256 "
    "(from --set stages.ppo.minibatches=3). "
    "Choose a divisor, so that every optimizer step sees equally many responses.",
}


@pytest.mark.parametrize("option", OPTIONS)
def test_mistakes_of_the_command_line_name_the_option_and_no_line(option: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_recipe(PPO_STAGE, [option], file="r.toml")
    assert str(caught.value) == OPTIONS[option]
    assert (caught.value.file, caught.value.line) == (None, None)


def test_a_bad_seed_names_its_option() -> None:
    with pytest.raises(BadInput, match=r"seed = -2 cannot be used \(from --seed -2\)\."):
        parse_recipe(PPO_STAGE, seed=-2)


def test_options_win_over_the_file_and_the_seed_over_both() -> None:
    recipe = parse_recipe(
        "seed = 1\n" + PPO_STAGE, ["seed=2", "stages.ppo.epochs=7", "title=No quotes"], seed=3
    )
    assert (recipe.seed, recipe.stages["ppo"].epochs, recipe.title) == (3, 7, "No quotes")


def test_a_stage_may_be_named_like_another_kind() -> None:
    recipe = parse_recipe('[stages.ppo]\nkind = "sft"\nmodel = "m"\ntrain = "x"')
    assert isinstance(recipe.stages["ppo"], SFT)
    with pytest.raises(BadInput, match=r"Unknown key 'stages\.ppo\.epoch'.*Did you mean 'epochs'"):
        parse_recipe('[stages.ppo]\nkind = "sft"\nmodel = "m"\ntrain = "x"\nepoch = 1')


def test_networks_over_one_body_are_not_read_side_by_side() -> None:
    text = PPO_STAGE + "adapter = {rank = 2}\n"
    assert parse_recipe(text).machine.workers == 1
    with pytest.raises(BadInput, match="exclude each other"):
        parse_recipe("[machine]\nworkers = 2\n" + text)
    assert parse_recipe("[machine]\nworkers = 2\n" + PPO_STAGE).machine.workers == 2


def test_one_key_of_a_section_changes_one_key() -> None:
    written = "optimizer.learning_rate = 1e-6\nkl.coefficient = 0.3\n"
    changed = parse_recipe(PPO_STAGE + written).stages["ppo"]
    plain = parse_recipe(PPO_STAGE).stages["ppo"]
    assert isinstance(changed, PPO) and isinstance(plain, PPO)
    assert changed.optimizer == plain.optimizer.model_copy(update={"learning_rate": 1e-6})
    assert changed.optimizer.schedule == "linear" and changed.optimizer.epsilon == 1e-5
    assert changed.kl.kind == "fixed" and changed.kl.coefficient == 0.3


def test_another_kind_of_a_section_starts_from_its_own_defaults() -> None:
    stage = parse_recipe(PPO_STAGE + 'kl = {kind = "adaptive_gain"}').stages["ppo"]
    assert isinstance(stage, PPO)
    assert stage.kl.model_dump() == {
        "kind": "adaptive_gain",
        "coefficient": 0.2,
        "target": 6.0,
        "gain": 0.1,
    }


def test_a_single_stage_is_named_after_its_kind_and_keeps_its_own_data() -> None:
    recipe = parse_recipe('kind = "pretrain"\nseed = 4\ndata = ["a.jsonl"]')
    assert list(recipe.stages) == ["pretrain"] and recipe.seed == 4
    assert recipe.stages["pretrain"].data == ("a.jsonl",)
    with_root = parse_recipe(
        'kind = "sft"\nmodel = "m"\ntrain = "data:x"', ["data.root=/d", "epochs=2"]
    )
    assert with_root.data.root == "/d" and with_root.stages["sft"].epochs == 2


@pytest.mark.parametrize(
    "text",
    [
        PPO_STAGE + "preset = 'ziegler'\nclip_scores = 2.5\nreference_kl_stop = {limit = 3.0}",
        'kind = "world"\ntitle = "Ü \\"quoted\\" \\t \\u007f"',
        '[stages.e]\nkind = "evaluate"\nprompts = "x"\npolicies = {a = "m", b = "n"}\n'
        'judge = "gold:helpdesk"\nwin_rates = [["a", "b"]]\nbest_of = 4\nbest_of_policy = "a"\n'
        'reward_model = "r"\nreference = "a"',
    ],
)
def test_the_resolved_recipe_loads_again_as_json_and_as_toml(text: str) -> None:
    recipe = parse_recipe(text)
    resolved = recipe.model_dump(mode="json")
    assert parse_recipe(json.dumps(resolved)) == recipe
    assert parse_recipe(toml_text(resolved)) == recipe
    assert isinstance(parse_recipe(json.dumps(resolved)), Recipe)


def test_files_that_cannot_be_read(tmp_path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file or directory"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(BadInput, match="cannot be read: Is a directory"):
        load_recipe(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="not UTF-8"):
        load_recipe(binary)
    marked = tmp_path / "marked.toml"
    marked.write_bytes(b"\xef\xbb\xbf" + b'kind = "world"')
    assert list(load_recipe(marked).stages) == ["world"]
