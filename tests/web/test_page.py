"""The page in a real Chromium: an adapter in, its report out; what else is uploaded, and two at once."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from safetensors.numpy import load_file, save_file
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import lora_lens as ll

from .conftest import LIMIT, Served, serving

LAYERS = ("layer.0.", "layer.1.", "layer.2.")
PATIENCE = 240  # seconds, of which a quiet machine needs ten


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of the demo's adapter three layers: what comes back is asked, not what it says of six."""
    demo, folder = ll.demo_adapter("lora"), tmp_path_factory.mktemp("three")
    config = folder / shutil.copy(demo / "adapter_config.json", folder)
    tensors = load_file(demo / "adapter_model.safetensors")
    kept = {name: one for name, one in tensors.items() if any(of in name for of in LAYERS)}
    save_file(kept, folder / "adapter_model.safetensors")
    return [config, folder / "adapter_model.safetensors"]


def until(page: Any, found: Any) -> Any:
    return WebDriverWait(page, PATIENCE).until(lambda _: found())


def fresh(page: Any, served: Served) -> None:
    page.get_log("browser")
    page.get(served.address)
    until(page, lambda: page.find_elements(By.CSS_SELECTOR, "#upload input[type=file]"))


def upload(page: Any, *files: Path) -> None:
    field = page.find_element(By.CSS_SELECTOR, "#upload input[type=file]")
    field.send_keys("\n".join(map(str, files)))
    names = [path.name.rpartition(".")[0] for path in files]
    until(page, lambda: all(
        name in page.find_element(By.CSS_SELECTOR, "#upload").text.replace("\n", "") for name in names
    ))  # fmt: skip


def fill(page: Any, name: str, text: str) -> None:
    page.find_element(By.CSS_SELECTOR, f"#{name} textarea, #{name} input").send_keys(text)


def press(page: Any) -> None:
    page.find_element(By.CSS_SELECTOR, "#analyse").click()


def said(page: Any) -> str:
    found = page.find_elements(By.CSS_SELECTOR, "#said p[role]")
    return str(found[0].text) if found else ""


def test_an_upload_is_answered_and_forgotten(
    browser: Any, served: Served, files: list[Path]
) -> None:
    from pages import requests

    requests(browser)
    fresh(browser, served)
    upload(browser, *files)
    fill(browser, "module", "value")
    press(browser)
    until(browser, lambda: said(browser))
    assert "more than chance" in said(browser)
    frame = browser.find_element(By.CSS_SELECTOR, "#report iframe")
    browser.switch_to.frame(frame)
    until(
        browser,
        lambda: browser.execute_script("return document.documentElement.dataset.ready") == "yes",
    )
    assert browser.find_elements(By.CSS_SELECTOR, ".canvas svg.main-svg")
    assert "Module value" in browser.find_element(By.CSS_SELECTOR, "main").text
    browser.switch_to.default_content()
    asked = requests(browser)
    assert asked
    elsewhere = [
        one
        for one in asked
        if not one.startswith((served.address, "data:", "blob:", "about:", "chrome:"))
    ]
    assert elsewhere == []
    assert served.files() == []
    until(browser, lambda: browser.find_element(By.CSS_SELECTOR, "#save").is_displayed())


def test_the_report_is_saved_by_the_browser(browser: Any, served: Served, tmp_path: Path) -> None:
    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    browser.find_element(By.CSS_SELECTOR, "#save").click()
    path = tmp_path / "report.html"
    until(browser, path.exists)
    text = path.read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "lora-lens report" in text
    assert served.files() == []


def test_something_else_is_one_line(browser: Any, served: Served, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("<img src=x onerror=alert(1)>", encoding="utf-8")
    fresh(browser, served)
    upload(browser, path)
    press(browser)
    until(browser, lambda: said(browser))
    assert said(browser).startswith("notes.txt is no file of an adapter; expected adapter_model")
    assert "\n" not in said(browser)
    assert not browser.find_elements(By.CSS_SELECTOR, "#report iframe")
    assert served.files() == []


def test_a_folder_is_analysed_and_what_is_none_is_said(browser: Any, served: Served) -> None:
    fresh(browser, served)
    fill(browser, "adapter", "/no/such/<b>folder</b>")
    press(browser)
    until(browser, lambda: said(browser))
    assert (
        said(browser)
        == "/no/such/<b>folder</b> is neither a folder here nor a hub id, as owner/name"
    )


def test_two_at_once(browser: Any, served: Served, files: list[Path]) -> None:
    """Two visitors with the same files: each has its own answer, and nothing of either is left."""
    first = browser.current_window_handle
    browser.switch_to.new_window("window")
    second = browser.current_window_handle
    for window, module in ((first, "value"), (second, "query")):
        browser.switch_to.window(window)
        fresh(browser, served)
        upload(browser, *files)
        fill(browser, "module", module)
    for window in (first, second):
        browser.switch_to.window(window)
        press(browser)
    for window, module in ((second, "query"), (first, "value")):
        browser.switch_to.window(window)
        until(browser, lambda: said(browser))
        assert "more than chance" in said(browser)
        browser.switch_to.frame(browser.find_element(By.CSS_SELECTOR, "#report iframe"))
        assert f"Module {module}" in browser.find_element(By.CSS_SELECTOR, "#module-0 h2").text
        browser.switch_to.default_content()
    assert served.files() == []
    browser.switch_to.window(second)
    browser.close()
    browser.switch_to.window(first)


def test_an_analysis_is_cancelled_by_a_button(browser: Any, tmp_path: Path) -> None:
    """Of a page whose process for analyses has all to load yet."""
    psutil = pytest.importorskip("psutil")
    with serving(tmp_path) as page:
        fresh(browser, page)
        assert (
            "One analysis runs at a time, for at most 30 minutes"
            in browser.find_element(By.TAG_NAME, "body").text
        )
        fill(browser, "adapter", str(ll.demo_adapter("lora")))
        press(browser)
        server = psutil.Process(page.process.pid)
        until(browser, lambda: server.children(recursive=True))
        browser.find_element(By.CSS_SELECTOR, "#cancel").click()
        until(browser, lambda: said(browser))
        assert said(browser) == "cancelled; nothing of it is kept"
        assert not browser.find_elements(By.CSS_SELECTOR, "#report iframe")
        missing = [
            one["message"] for one in browser.get_log("browser") if " 404 " in one["message"]
        ]
        assert missing == []
        assert server.children(recursive=True) == []
        browser.get("about:blank")


def test_a_file_that_is_too_large_is_said(browser: Any, served: Served, tmp_path: Path) -> None:
    path = tmp_path / "adapter_model.safetensors"
    path.write_bytes(bytes(2 * LIMIT * 1_000_000))
    fresh(browser, served)
    browser.find_element(By.CSS_SELECTOR, "#upload input[type=file]").send_keys(str(path))
    body = browser.find_element(By.TAG_NAME, "body")
    until(browser, lambda: "exceed the maximum allowed size" in body.text)
    assert served.files() == []


def post(served: Served, size: int) -> int:
    """The status of an upload of so many bytes, straight to where Gradio takes them."""
    edge = uuid.uuid4().hex
    head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="a.safetensors"\r\n\r\n'
    body = head.encode() + bytes(size) + f"\r\n--{edge}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    asked = Request(f"{served.address}gradio_api/upload", body, headers)
    try:
        with urlopen(asked, timeout=PATIENCE) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()  # the answer's body: Python 3.14 misses what is left open
        return error.code


@pytest.mark.parametrize("size", [LIMIT * 1_000_000 + 1000, LIMIT * 1_000_000 + 900_000])
def test_more_than_may_be_uploaded_is_refused_and_not_kept(served: Served, size: int) -> None:
    before = served.files()
    assert post(served, size) == 413
    assert served.files() == before
