"""What share of training time SpectralCallback takes: python benchmarks/callback.py.

PEFT's LoRA (query and value, r = 8) on all-MiniLM-L6-v2, batches of 32 short rows, a Trainer's own run
that logs to TensorBoard every 50 steps, and the callback with it, as by default. Two measures:

- the time spent inside the callback's methods over the time of the whole training loop, the last picture
  and the references at the start included, by the clock and by the processor's time;
- runs with and without it that alternate, each round begun by the other: the ratio of their medians, of
  the processor's time. It says less: a machine's runs differ by more than the callback takes.

On a GPU the callback's one copy to the CPU waits for the steps that are queued, so that there the first
measure counts training's own work too, and the second is the one to look at.

--out FILE keeps what was measured, of which `python benchmarks/page.py` makes a line of docs/benchmarks.md. So short a
run has one picture for four logs, and the first round loads matplotlib for it.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, get_peft_model
from processes import processor
from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments

from lora_lens import SpectralCallback
from lora_lens.files.locate import DEMO_BASE, local_folder


class Seconds(NamedTuple):
    """By the clock, and of the processor."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> Seconds:
        """Both as they are."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, begun: Seconds) -> Seconds:
        """What has passed."""
        return Seconds(self.wall - begun.wall, self.processor - begun.processor)


class Timed(SpectralCallback):
    """Keeps what each call of its methods takes."""

    def __init__(self, every: int) -> None:
        super().__init__(every)
        self.spent: list[Seconds] = []
        self.drawn: list[Seconds] = []  # of that, pictures


def _timed(name: str, kept: str) -> Any:
    method = getattr(SpectralCallback, name)

    @functools.wraps(method)
    def run(self: Timed, *arguments: Any, **named: Any) -> Any:
        begun = Seconds.now()
        try:
            return method(self, *arguments, **named)
        finally:
            getattr(self, kept).append(Seconds.now().since(begun))

    return run


for _name in ("on_train_begin", "on_step_end", "on_log", "on_save"):
    setattr(Timed, _name, _timed(_name, "spent"))
Timed._draw = _timed("_draw", "drawn")  # type: ignore[method-assign]


def rows(count: int, longest: int) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    return [
        {
            "input_ids": torch.randint(1000, 30000, (longest,), generator=generator),
            "labels": torch.tensor(k % 2),
        }
        for k in range(count)
    ]


def train(options: argparse.Namespace, callback: SpectralCallback | None) -> Seconds:
    """What the training loop takes."""
    torch.manual_seed(0)
    base = AutoModelForSequenceClassification.from_pretrained(str(local_folder(DEMO_BASE)))
    config = LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=8, target_modules=["query", "value"])
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=get_peft_model(base, config),
            args=TrainingArguments(
                output_dir=str(Path(folder)),
                max_steps=options.steps,
                per_device_train_batch_size=options.batch,
                learning_rate=1e-3,
                logging_steps=options.every,
                save_strategy="no",
                report_to=["tensorboard"],
                disable_tqdm=True,
                use_cpu=options.device == "cpu",
                dataloader_pin_memory=False,
            ),
            train_dataset=rows(options.batch * 50, options.length),
            callbacks=[] if callback is None else [callback],
        )
        begun = Seconds.now()
        trainer.train()
        return Seconds.now().since(begun)


def _sum(parts: list[Seconds]) -> Seconds:
    return Seconds(*map(sum, zip(*parts, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=16, help="tokens a row")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="keep what was measured")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with_it: list[Seconds] = []
    without: list[Seconds] = []
    spent: list[Seconds] = []
    drawn: list[Seconds] = []

    def measured() -> None:
        callback = Timed(options.every)
        with_it.append(train(options, callback))
        spent.append(_sum(callback.spent))
        drawn.append(_sum(callback.drawn))

    for number in range(options.rounds):
        turns = [measured, lambda: without.append(train(options, None))]
        for turn in turns if number % 2 else turns[::-1]:
            turn()
    ours, theirs = ([run.processor for run in runs] for runs in (with_it, without))
    shares = [
        [part[k] / whole[k] for part, whole in zip(spent, with_it, strict=True)] for k in (0, 1)
    ]
    record = {
        "processor": processor(),
        "rounds": options.rounds,
        **{name: getattr(options, name) for name in ("steps", "every", "batch", "length", "device", "threads")},
        "by_the_clock": shares[0],
        "of_the_processor": shares[1],
        "pictures": [one.processor for one in drawn],
        "more": statistics.median(ours) / statistics.median(theirs) - 1,
        "others_differ": max(theirs) / min(theirs) - 1,
    }  # fmt: skip
    if options.out:
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print("\n".join(lines(record)))


def lines(record: dict[str, Any]) -> Iterator[str]:
    """What it prints."""
    yield (
        f"{record['steps']} steps of {record['batch']} rows of {record['length']} tokens, every "
        f"{record['every']}, {record['device']}, {record['threads']} threads, {record['rounds']} rounds"
    )
    for key, kind in (("by_the_clock", "by the clock"), ("of_the_processor", "processor's time")):
        share = record[key]
        yield (
            f"inside the callback, {kind:17} {statistics.median(share):7.2%} "
            f"({min(share):.2%} to {max(share):.2%})"
        )
    seconds = ", ".join(f"{one:.2f}" for one in record["pictures"])
    yield f"of that for the last picture, its libraries loaded in the first round: {seconds} s"
    yield (
        f"with it over without                  {record['more']:+7.2%} "
        f"(runs without it differ by {record['others_differ']:.2%})"
    )


if __name__ == "__main__":
    main()
