import numpy as np
import torch

from lora_lens.core.numbers.precision import singular_cutoff


def test_cutoff_is_that_of_the_shorter_of_storage_and_computation() -> None:
    eps32 = float(np.finfo(np.float32).eps)
    assert singular_cutoff(torch.float64, torch.float64, (30, 40)) == 40 * np.finfo(np.float64).eps
    for stored, computing in ((torch.float64, torch.float32), (torch.bfloat16, torch.float64)):
        assert singular_cutoff(stored, computing, (30, 40)) == eps32
