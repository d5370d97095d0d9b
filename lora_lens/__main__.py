"""``python -m lora_lens``, which ``accelerate launch -m`` and ``torchrun -m`` start."""

from .cli import main

main()
