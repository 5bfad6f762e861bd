"""What a picture waits for: slow libraries are imported when something needs them."""

import subprocess
import sys
from pathlib import Path

from PIL import Image

SLOW = ("timm", "torchvision", "torch._dynamo", "torch.onnx", "transformers")
PREDICT = """
import sys
from smalldet.cli import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
print("loaded:", *sorted({slow} & set(sys.modules)))
"""


def test_a_prediction_by_a_graph_waits_for_no_library_of_networks(tmp_path: Path) -> None:
    Image.new("RGB", (96, 96)).save(tmp_path / "a.png")
    words = ["predict", tmp_path / "a.png", "--out", tmp_path / "a.csv", "--backend", "onnxruntime"]
    program = PREDICT.replace("{slow}", repr(set(SLOW)))
    ended = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stdout.splitlines()[-1].split() == ["loaded:"]
