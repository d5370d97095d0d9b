"""y + s·B·A·x with A and B made from W0 and θ: forward and backward in as few passes as there are.

What is saved by it, against PEFT's formula under plain autograd:

- No A is formed where the frozen layer's output y is at hand. Under ``consistent``
  x·A_condᵀ = (x W0ᵀ) θ_A = (y − b) θ_A.
- Backward, the gradient that A sends to x is folded into y's, g + g_h θ_Aᵀ, before the frozen
  layer's own backward multiplies by W0; and θ's gradients pass through W0 once they are (in, r) or
  (out, r), not (tokens, ·).
- Scaling and sum ride on the matrix products (addmm), in both directions.
- Every matrix of width r is held (r, ·), which the CPU's products want: (r, d) by (d, d) takes a
  third to a quarter of the time that (d, d) by (d, r) does, and x by θᵀ transposed half.
- Kept for backward: x, which the layers that read the same x share, and matrices of width r. No
  y, no factor A, and no float32 copy of a W0 in bfloat16: that cast is made again.

Numbers: y − b has an absolute error of about eps·max(|y|, |b|), which in float32 is below 1e-6 of
x W0ᵀ while the bias is not ten times larger. In bfloat16 and float16 a bias would eat into it, so
there A is formed wherever the layer has a bias.

All layers' factors in one batched product were tried and left out: benchmarks/training_step.py
says why.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .factor import exact_dtype


class Plan(NamedTuple):
    """How one call goes.

    Attributes:
        consistent: Which formula A_cond has.
        through_y: Whether x's gradient goes through y's, which takes ``consistent``, a frozen W0 and
            bias, and x itself (no dropout) as the frozen layer's input.
        from_y: Whether x·Aᵀ is made from y; takes `through_y`.
        scaling: s.
        dtype: What the update is computed in: θ's, or autocast's. A and B themselves are computed
            in θ's, float32 at least.
    """

    consistent: bool
    through_y: bool
    from_y: bool
    scaling: float
    dtype: torch.dtype


class LowRankUpdate(torch.autograd.Function):
    """``y + s·(x·Aᵀ)·Bᵀ``, differentiable once, in y, x and θ; W0 and bias count as constants."""

    @staticmethod
    def forward(
        ctx: Any,
        y: Tensor,
        x: Tensor,
        theta_a: Tensor,
        theta_b: Tensor,
        w0: Tensor,
        bias: Tensor | None,
        plan: Plan,
    ) -> Tensor:
        exact, dtype = exact_dtype(theta_a), plan.dtype
        with torch.autocast(y.device.type, enabled=False):
            rows, w = _rows(y).to(dtype), w0.to(exact)
            b = (_rank_first(theta_b.to(exact)) @ w.T).to(dtype)
            a = None
            if plan.from_y and bias is None:
                h = rows @ _rank_first(theta_a.to(dtype)).T
            elif plan.from_y and bias is not None:
                constant = (bias.to(exact) @ theta_a.to(exact)).to(dtype)
                h = torch.addmm(constant, rows, _rank_first(theta_a.to(dtype)).T, beta=-1)
            else:
                a = (_rank_first(theta_a.to(exact)) @ (w if plan.consistent else w.T)).to(dtype)
                h = _rows(x).to(dtype) @ a.T
            out = torch.addmm(rows, h, b, alpha=plan.scaling)
        ctx.plan = plan
        _, _, for_theta_a, for_theta_b, *_ = ctx.needs_input_grad
        ctx.save_for_backward(
            x if for_theta_a else None,
            h if for_theta_b else None,
            theta_a,
            b,
            None if plan.through_y else a,
            w0,
        )
        return out.to(y.dtype).view(y.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, h, theta_a, b, a, w0 = ctx.saved_tensors
        plan: Plan = ctx.plan
        for_y, for_x, for_theta_a, for_theta_b, *_ = ctx.needs_input_grad
        exact, dtype = exact_dtype(theta_a), plan.dtype
        to_y, to_x, to_theta_a, to_theta_b = gradient, None, None, None
        with torch.autocast(gradient.device.type, enabled=False):
            g = _rows(gradient).to(dtype)
            w = w0.to(exact)
            g_h = (g @ b.T).mul_(plan.scaling)
            if for_theta_b:
                to_b = (h.T @ g).to(exact).mul_(plan.scaling)
                to_theta_b = (to_b @ w).T.to(theta_a.dtype)
            if for_theta_a:
                a_side = (g_h.T @ _rows(x).to(dtype)).to(exact)
                to_theta_a = (a_side @ (w.T if plan.consistent else w)).T.to(theta_a.dtype)
            if plan.through_y and for_y:
                folded = torch.addmm(g, g_h, _rank_first(theta_a.to(dtype)))
                to_y = folded.to(gradient.dtype).view(gradient.shape)
            if for_x and not plan.through_y:
                to_x = (g_h @ a).view(*gradient.shape[:-1], a.shape[-1])
        return to_y, to_x, to_theta_a, to_theta_b, None, None, None


def _rank_first(theta: Tensor) -> Tensor:
    """θᵀ, laid out (rank, ·)."""
    return theta.T.contiguous()


def _rows(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1, tensor.shape[-1])
