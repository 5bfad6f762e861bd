"""What torch.save wrote comes back; what claims to be more than its file is refused."""

from __future__ import annotations

import os
import pickle
import socket
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from smalldet.models.checkpoints.torch_file import TorchFile, read_state

STATE = {
    "half": torch.arange(6).reshape(2, 3).half(),
    "wide": torch.randn(4, 5, generator=torch.Generator().manual_seed(0)),
    "whole": torch.arange(3),
    "none": torch.zeros(0, 2),
}
STATE["turned"] = STATE["wide"].t()[1:3]


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_come_back_in_both_formats(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "m.pt"
    state = {**STATE, "learnt": torch.nn.Parameter(torch.ones(2))}
    for content in (state, {"model": state}, {"state_dict": state}):
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        found = read_state(path)
        assert list(found) == list(state)
        for key, value in state.items():
            assert torch.equal(found[key], value.detach()), key


class Calling:
    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        function, *args = self.call
        return function, tuple(args)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_something_is_refused(tmp_path: Path, zipped: bool) -> None:
    witness, path = tmp_path / "ran", tmp_path / "m.pt"
    for call in ((os.system, f"touch {witness}"), (socket.create_connection, ("localhost", 1))):
        torch.save({"model": Calling(*call)}, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(ValueError, match=r"m\.pt: asks for .*refused"):
            read_state(path)
    assert not witness.exists()


def rewritten(source: Path, target: Path, change: dict[str, bytes]) -> None:
    """A zip with other contents for the files whose names end so."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            changed = [content for end, content in change.items() if name.endswith(end)]
            new.writestr(name, changed[0] if changed else old.read(name))


def test_a_billion_elements_that_are_not_there_take_no_memory(tmp_path: Path) -> None:
    """Claimed by the storage, by the shape, or by a stride of nought over one value."""
    honest, path = tmp_path / "honest.pt", tmp_path / "m.pt"
    torch.save({"w": torch.zeros(70_000)}, honest)
    with zipfile.ZipFile(honest) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("data.pkl"))
        content = archive.read(name)
    count = b"J" + struct.pack("<i", 70_000)
    assert content.count(count) == 2  # of the storage, and the shape
    billion = b"J" + struct.pack("<i", 1_000_000_000)
    first = content.index(count)
    for claim in (
        content.replace(count, billion),
        content[:first] + content[first:].replace(count, billion, 1),
        content[: first + 5] + content[first + 5 :].replace(count, billion, 1),
    ):
        rewritten(honest, path, {"data.pkl": claim})
        with pytest.raises(ValueError, match=r"m\.pt: "):
            read_state(path)
    torch.save({"w": torch.zeros(1).expand(1_000_000_000)}, path)
    with pytest.raises(ValueError, match="exceeds its storage"):
        read_state(path)


def test_one_storage_under_many_names_is_not_multiplied(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    values = torch.zeros(100_000)
    torch.save({f"w{i}": values.view(-1) for i in range(50)}, path)
    with pytest.raises(ValueError, match="larger than the file"):
        read_state(path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.pt", tmp_path / "m.pt"
    for zipped in (True, False):
        torch.save(STATE, whole, _use_new_zipfile_serialization=zipped)
        content = whole.read_bytes()
        for length in (0, 1, 30, len(content) // 2, len(content) - 30):
            path.write_bytes(content[:length])
            with pytest.raises(ValueError, match=r"m\.pt"):
                read_state(path)
    torch.save(STATE, whole)
    rewritten(whole, path, {"/data/0": b"short"})
    with pytest.raises(ValueError, match="should hold 6 values"):
        read_state(path)
    rewritten(whole, path, {"byteorder": b"big"})
    with pytest.raises(ValueError, match="byte order"):
        read_state(path)
    with pytest.raises(FileNotFoundError, match=r"absent\.pt"):
        TorchFile(tmp_path / "absent.pt")


def test_a_compressed_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", pickle.dumps(["0" * 10_000_000], 2))
    with pytest.raises(ValueError, match="compressed"):
        read_state(path)
