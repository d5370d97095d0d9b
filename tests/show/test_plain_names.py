"""Signs that a terminal's encoding lacks, by name."""

import io

import pytest

from lora_lens.show.plain_names import HANDLER, plainly
from lora_lens.terminal.printable_console import PrintableConsole


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        ("‖ΔW‖_F / ‖W0‖_F ≤ 1.5", "ascii", "||dW||_F / ||W0||_F <= 1.5"),
        ("W0⁻¹Aᵀ, σ₁², 4×4, 12.5°", "ascii", "W0^-1A^T, sigma_1^2, 4x4, 12.5 deg"),
        ("φ = 0.1 ± 0.02", "cp1252", "phi = 0.1 ± 0.02"),
        ("φ of Σs²", "cp437", "φ of Σs²"),
        ("é 模型", "ascii", "e ??"),
        ("é 模型", "utf-8", "é 模型"),
    ],
)
def test_only_what_is_lacking_has_a_name(text: str, encoding: str, named: str) -> None:
    assert plainly(text, encoding) == named


def test_a_stream_names_them_too() -> None:
    assert "θ of ΔW – 模".encode("ascii", HANDLER) == b"theta of dW - ?"
    assert "ΔW ² θ".encode("latin-1", HANDLER) == "dW ² theta".encode("latin-1")
    assert "W0⁻¹B".encode("latin-1", HANDLER) == b"W0^-1B"
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", HANDLER)


def test_lines_are_broken_where_the_names_end() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, "ascii", HANDLER)
    console = PrintableConsole(file=out, width=20)
    console.print(*["φ"] * 12, sep=" ")
    out.flush()
    lines = raw.getvalue().decode().splitlines()
    assert max(map(len, lines)) <= 20
    assert " ".join(lines).split() == ["phi"] * 12
