"""Weights & Biases and Trackio themselves, where they are installed: read back from what they leave on the disk."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from spectral_runs import logged, lora, trainer
from transformers import Trainer

from lora_lens import SpectralCallback

# What these libraries warn of is between them and Python.
pytestmark = pytest.mark.filterwarnings("default")


def wandb_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """What a run without a network keeps of its history: a log of LevelDB's form, of protocol buffers."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.rglob("*.wandb")
    data, at, part = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 2**15 - at % 2**15
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            part = b""
            row: dict[str, Any] = {}
            for item in record.history.item:
                name, *inner = item.nested_key or [item.key]
                value = json.loads(item.value_json)
                row[name] = {**row.get(name, {}), ".".join(inner): value} if inner else value
            if row:
                yield row


def trackio_rows(folder: Path) -> Iterator[dict[str, Any]]:
    (file,) = folder.glob("*.db")
    with closing(sqlite3.connect(file)) as stored:
        yield from (json.loads(row) for (row,) in stored.execute("select metrics from metrics"))


def checked(found: list[dict[str, Any]], run: Trainer, pictures: list[Path]) -> None:
    expected = logged(run)
    assert list(expected) == [4, 8, 12]
    told = {
        row["train/global_step"]: row for row in found if "train/spectral/all/stable_rank" in row
    }
    assert list(told) == [4, 8, 12]
    for step, numbers in expected.items():
        assert {name: told[step][f"train/{name}"] for name in numbers} == numbers
    drawn = [row["train/global_step"] for row in found if "train/spectral/layers" in row]
    assert drawn == [8, 12]
    assert len(pictures) == 2
    for picture in pictures:
        height, width, _ = imread(picture).shape
        assert (height, width) == (760, 850)
        assert np.unique(imread(picture)[..., 0]).size > 20


def test_weights_and_biases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    for name, value in (("MODE", "offline"), ("SILENT", "true"), ("DIR", str(tmp_path))):
        monkeypatch.setenv(f"WANDB_{name}", value)
    run = trainer(lora(), tmp_path, SpectralCallback(4, pictures=2), report_to=["wandb"])
    run.train()
    wandb.teardown()  # until its own process has put everything on the disk
    checked(list(wandb_rows(tmp_path)), run, list(tmp_path.rglob("spectral/*.png")))


def test_trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported
    pytest.importorskip("trackio")
    run = trainer(lora(), tmp_path, SpectralCallback(4, pictures=2), report_to=["trackio"])
    run.train()
    checked(list(trackio_rows(tmp_path / "trackio")), run, list(tmp_path.rglob("*.png")))
