"""Is a training step of CondLoRA no slower than PEFT's LoRA: python benchmarks/training_step.py.

Forward, backward and AdamW on one batch, the same base weights under both, query and value, r = 8.
Steps of both alternate in one process, each round begun by the other; the ratio is the median over
the rounds. The paper's Table 4 has 40.303 and 39.652 examples a second, a ratio of 1.016.

Memory is the most that CUDA allocated during a step beyond what was before it; on a CPU, where no
such count is kept, the bytes that autograd saves between forward and backward.

--products times instead what all layers' W0·θ cost layer by layer and as one batched product over
stacked W0, and what the stack would hold in memory. On one CPU core the batched product took 0.27 ms
against 0.29 ms at MiniLM's shapes and 3.6 ms against 3.8 ms at RoBERTa-base's, less than a thousandth
of a step. It would keep a second copy of every targeted W0, or need the base model's weights to be
views of one stack, which saving and quantising them do not survive. So each layer makes its own.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    PretrainedConfig,
    RobertaConfig,
)

from lora_lens.files.locate import DEMO_BASE, local_folder
from lora_lens.training.condlora import CondLoraConfig, get_condlora_model
from lora_lens.training.speed import Speed, training_speed

PAPER = 40.303 / 39.652


def config_of(name: str) -> PretrainedConfig:
    """Real shapes with random weights; speed does not depend on the numbers."""
    if name == "tiny":
        return BertConfig(
            hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128
        )
    if name == "roberta-base":
        return RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1)
    return AutoConfig.from_pretrained(str(local_folder(DEMO_BASE)))


def adapted(options: argparse.Namespace, method: str) -> nn.Module:
    torch.manual_seed(0)
    base = AutoModelForSequenceClassification.from_config(config_of(options.model))
    shared = {"task_type": "SEQ_CLS", "r": 8, "lora_alpha": 8, "target_modules": ["query", "value"]}
    if method == "CondLoRA":
        model = get_condlora_model(base, CondLoraConfig(convention=options.convention, **shared))
    else:
        model = get_peft_model(base, LoraConfig(**shared))
    return model.to(options.device).train()


def report(options: argparse.Namespace, speeds: dict[str, Speed]) -> None:
    one = speeds["CondLoRA"]
    print(
        f"{options.model}, {options.convention}, batch {options.batch} of {options.length} tokens, "
        f"{one.device}, {one.dtype}, {torch.get_num_threads()} threads, {one.steps} steps each"
    )
    for name, speed in speeds.items():
        print(
            f"{name:9} {speed.examples_per_second:9.2f} examples a second  "
            f"{speed.bytes / 2**20:8.1f} MiB {speed.memory}"
        )
    ratios = sorted(
        theirs / ours for ours, theirs in zip(one.seconds, speeds["LoRA"].seconds, strict=True)
    )
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    print(
        f"CondLoRA is {one.times_faster_than(speeds['LoRA']):.3f} times as fast as LoRA (middle "
        f"half of the rounds {low:.3f} to {high:.3f}; the paper {PAPER:.3f})"
    )


def products(options: argparse.Namespace) -> None:
    config = config_of(options.model)
    layers, width, rank = config.num_hidden_layers, config.hidden_size, 8
    stack = torch.randn(layers, width, width, device=options.device)
    single = [w0.clone() for w0 in stack]
    theta = torch.randn(rank, width, device=options.device)
    ways: dict[str, Callable[[], object]] = {
        "layer by layer": lambda: [theta @ w0.T for w0 in single],
        "one batched product": lambda: theta @ stack.mT,
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.steps * 10):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if options.device.startswith("cuda"):
                torch.cuda.synchronize()
            taken[name].append(time.perf_counter() - start)
    print(f"W0·θ of {layers} layers of {width}x{width}, r = {rank}, {options.device}")
    for name, seconds in taken.items():
        print(f"{name:20} {1e6 * statistics.median(seconds):9.1f} µs")
    print(f"the stack is a copy of {stack.nbytes / 2**20:.1f} MiB a target module")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=["tiny", "minilm", "roberta-base"], default="minilm")
    parser.add_argument("--convention", choices=["consistent", "stored"], default="consistent")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="under bfloat16 autocast")
    parser.add_argument("--products", action="store_true", help="time W0·θ alone, both ways")
    options = parser.parse_args()
    if options.products:
        products(options)
        return
    models = {method: adapted(options, method) for method in ("CondLoRA", "LoRA")}
    ids = torch.randint(5, 1000, (options.batch, options.length), device=options.device)
    batch = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "labels": torch.zeros(options.batch, dtype=torch.long, device=options.device),
    }
    kind = options.device.split(":")[0]
    with torch.autocast(kind, dtype=torch.bfloat16) if options.bf16 else nullcontext():
        speeds = training_speed(models, batch, steps=options.steps)
    report(options, speeds)


if __name__ == "__main__":
    main()
