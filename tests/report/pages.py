"""Reports made for tests, and a Chromium to open them in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from checkpoints import BertLike, write_base, write_lora
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1280,900",
)  # fmt: skip
HOSTILE_MODULE = "<img src=x onerror=alert(1)>"
HOSTILE_FOLDER = Path("a<") / "script><script>alert(2)<" / "script>"


def write_pair(folder: Path) -> tuple[Path, Path]:
    """Two adapters of query and value on one base of three layers."""
    shape = BertLike()
    base = write_base(folder / "base", shape)
    one = write_lora(folder / "one", shape, base=str(base))
    return one, write_lora(folder / "other", shape, base=str(base), seed=8)


def write_hostile(folder: Path) -> tuple[Path, Path]:
    """An adapter, a base, a module and a tensor whose names are markup that would run."""
    shape = BertLike(modules=(HOSTILE_MODULE,))
    tensors = {
        f"{shape.path(layer, HOSTILE_MODULE)}.weight": tensor
        for layer, tensor in enumerate(_weights(shape))
    }
    base = write_base(folder / HOSTILE_FOLDER / "base", shape, tensors)
    extra = {f"base_model.model.<b>{HOSTILE_MODULE}</b></script>.weight": _weights(shape)[0]}
    one = write_lora(folder / HOSTILE_FOLDER / "<i>one", shape, base=str(base), extra=extra)
    return one, write_lora(folder / "other</textarea>"[:-1], shape, base=str(base), seed=8)


def _weights(shape: BertLike) -> list[Any]:
    from checkpoints import random

    return [random(shape.width, shape.width, seed=layer) for layer in range(shape.layers)]


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A headless Chromium with an empty profile, which logs its console and its requests."""
    options = Options()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(CHROMEDRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def requests(driver: webdriver.Chrome) -> list[str]:
    """Addresses that were asked for since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
