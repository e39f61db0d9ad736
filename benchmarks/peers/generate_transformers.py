"""transformers' ``model.generate``, on its own.

python -m benchmarks.peers.generate_transformers JOB.json RESULT.json
"""

import json
import sys
from pathlib import Path

import torch
import transformers

from benchmarks.peers.job import Job
from benchmarks.peers.result import told
from benchmarks.peers.scripted_transformers import scripted
from benchmarks.peers.stopwatch import Stopwatch


def main() -> None:
    job, place = Job.read(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(job.threads)
    dtype = torch.bfloat16 if job.precision == "bfloat16" else torch.float32
    model = transformers.AutoModelForCausalLM.from_pretrained(job.model, dtype=dtype).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(job.model, padding_side="left")
    texts = [row["prompt"] for row in job.read_rows()]
    watch, written = Stopwatch(), []
    with scripted(job), torch.no_grad():
        watch.begin()
        for _ in range(job.steps):
            batch = tokenizer(texts, return_tensors="pt", padding=True)
            told_ids = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=job.length,
                do_sample=True,
                top_k=0,
                **job.options,
            )
            new = told_ids[:, batch["input_ids"].shape[1] :]
            texts_new = tokenizer.batch_decode(new, skip_special_tokens=True)
            assert len(texts_new) == len(texts)
            written.append(float((new != tokenizer.pad_token_id).sum()))
            watch.step()
        watch.end()
    found = told(job, watch, {"tokens": written})
    found["versions"] = {m.__name__: m.__version__ for m in (transformers, torch)}
    place.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
