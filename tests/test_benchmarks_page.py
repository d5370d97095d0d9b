"""docs/benchmarks.md is what benchmarks/page.py writes from its records."""

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_page_is_of_the_records() -> None:
    spec = importlib.util.spec_from_file_location("page", ROOT / "benchmarks" / "page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kernels, peers = (
        json.loads((ROOT / "docs" / "benchmarks" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("kernels", "peers")
    )
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert page == module.page(kernels, peers)
