"""preftune's built-in engine, on its own.

python -m benchmarks.peers.generate_native JOB.json RESULT.json
"""

import json
import sys
from pathlib import Path

import torch

from benchmarks.peers.job import Job
from benchmarks.peers.result import told
from benchmarks.peers.scripted_native import scripted
from benchmarks.peers.stopwatch import Stopwatch
from benchmarks.peers.useful import useful_on_policy
from preftune.data import load_prompts
from preftune.models import compute_in, load_policy, load_tokenizer, reading, renderer_for
from preftune.records import Sampling
from preftune.rollouts import NativeEngine


def main() -> None:
    job, place = Job.read(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(job.threads)
    policy = load_policy(job.model, torch.device("cpu"))
    compute_in(policy, torch.bfloat16 if job.precision == "bfloat16" else torch.float32)
    engine = NativeEngine(policy, renderer_for(policy, load_tokenizer(job.model), job.model), "0")
    prompts = load_prompts(job.rows)
    watch, written = Stopwatch(), []
    with scripted(job), reading(policy):
        watch.begin()
        for turn in range(job.steps):
            answers = engine(prompts, Sampling(max_new_tokens=job.length, seed=turn))
            written.append(float(sum(len(answer.token_ids) for answer in answers)))
            watch.step()
        watch.end()
    found = told(job, watch, {"tokens": written})
    seconds = sum(step["wall"] for step in watch.told()["steps"][1:])
    useful = useful_on_policy(job)["generate"]
    found["phases"] = {"generate": {"seconds": seconds, "useful_flops": useful}}
    found["versions"] = {"torch": torch.__version__}
    place.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
