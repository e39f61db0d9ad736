"""vLLM on its own, in its own environment. Its responses have set lengths and its own tokens.

python -m benchmarks.peers.generate_vllm JOB.json RESULT.json
"""

import json
import sys
from pathlib import Path

import torch
import vllm

from benchmarks.peers.job import Job
from benchmarks.peers.result import told
from benchmarks.peers.script import read_script
from benchmarks.peers.stopwatch import Stopwatch


def main() -> None:
    job, place = Job.read(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(job.threads)
    script = read_script(job.script)
    prompts = list(script.place)
    engine = vllm.LLM(model=job.model, dtype=job.precision, max_model_len=512, seed=job.seed,
                      enable_prefix_caching=False, gpu_memory_utilization=0.5)  # fmt: skip
    watch, written = Stopwatch(), []
    watch.begin()
    for turn in range(job.steps):
        rows = script.table(prompts, job.length, job.samples, job.lengths, turn)
        asked = [
            vllm.SamplingParams(temperature=1.0, ignore_eos=True, max_tokens=len(row))
            for row in rows
        ]
        given = [{"prompt_token_ids": list(ids)} for ids in prompts]
        answers = engine.generate(given, asked, use_tqdm=False)
        written.append(float(sum(len(answer.outputs[0].token_ids) for answer in answers)))
        watch.step()
    watch.end()
    found = told(job, watch, {"tokens": written})
    found["versions"] = {"vllm": vllm.__version__, "torch": torch.__version__}
    place.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
