"""One Chromium and one page for all tests of the report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

DRAWS = 19


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    from pages import write_pair

    return write_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="session")
def report(pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two adapters."""
    from lora_lens.report import write_report

    out = tmp_path_factory.mktemp("report") / "report.html"
    return write_report(pair[0], out, pair[1], draws=DRAWS)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium; the tests that need it are skipped where there is none, and fail there under CI=true."""
    import pages

    if not (pages.CHROMIUM and pages.CHROMEDRIVER):
        missing = "no Chromium with its driver here: apt-get install chromium chromium-driver"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with pages.chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The report, freshly opened at a desktop's width; the console stays empty."""
    from pages import requests

    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get_log("browser")
    requests(browser)
    browser.get(report.as_uri())
    yield browser
    assert browser.get_log("browser") == []
