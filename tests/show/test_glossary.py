"""One source of what words mean, shown twice: in a report, and on a page."""

from pathlib import Path

import lora_lens as ll
from lora_lens.show.glossary import WORDS

PAGE = Path(ll.__file__).parents[1] / "docs" / "words.md"


def test_the_page_has_every_word_as_a_report_has_it() -> None:
    shown = "\n".join(f"{word}\n: {meaning}\n" for word, meaning in WORDS.items())
    assert f"\n\n{shown}\n" in PAGE.read_text(encoding="utf-8")
