"""Sharded safetensors: the files, the index and the naming that Hugging Face's own libraries write and read."""
import json

import numpy as np
import pytest

import tensorferry as ferry

torch = pytest.importorskip("torch")
hub = pytest.importorskip("huggingface_hub")
safetensors_torch = pytest.importorskip("safetensors.torch")


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(300, 16)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(16, 16) for _ in range(12))
        self.small = torch.nn.Parameter(torch.randn(7, 3, dtype=torch.bfloat16))


@pytest.mark.parametrize("size", ["2KB", "5KB", "20KB", "1MB"])
def test_same_files_as_theirs(tmp_path, ferry_cli, size):
    model = Model()
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    ours.mkdir(), theirs.mkdir()
    hub.save_torch_model(model, theirs, max_shard_size=size)
    torch.save(model.state_dict(), tmp_path / "m.pt")
    ferry_cli("convert", tmp_path / "m.pt", ours / "model.safetensors", "--set", f"shard_size={size}", "--set", "format=pt", "--check")
    assert sorted(p.name for p in ours.iterdir()) == sorted(p.name for p in theirs.glob("model*"))
    index = "model.safetensors.index.json"
    if (theirs / index).exists():
        a, b = json.loads((ours / index).read_text()), json.loads((theirs / index).read_text())
        assert a["weight_map"] == b["weight_map"]
        assert a["metadata"]["total_size"] == b["metadata"]["total_size"]
    again = Model()
    hub.load_torch_model(again, ours)
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_an_index_that_is_asked_for_is_written(tmp_path, ferry_cli):
    np.savez(tmp_path / "a.npz", x=np.arange(6.0), y=np.arange(4, dtype=np.int8))
    ferry_cli("convert", tmp_path / "a.npz", tmp_path / "m.safetensors.index.json", "--check")
    assert json.loads((tmp_path / "m.safetensors.index.json").read_text())["weight_map"] == {
        "x": "m-00001-of-00001.safetensors", "y": "m-00001-of-00001.safetensors"}
    got = safetensors_torch.load_file(tmp_path / "m-00001-of-00001.safetensors")
    assert got["x"].tolist() == list(np.arange(6.0))


def test_everything_comes_back(tmp_path, ferry_cli):
    import scipy.sparse
    tensors = {"s": scipy.sparse.random(40, 30, 0.2, "csr", random_state=1), "words": np.array([b"a", b"", b"ccc"], object), "z": np.array([1 + 2j]),
               "big": np.arange(3000.0), "none": np.zeros((0, 4), np.int32), "coo": scipy.sparse.random(9, 8, 0.5, "coo", random_state=2)}
    ferry.save(str(tmp_path / "a.safetensors"), tensors)
    ferry_cli("convert", tmp_path / "a.safetensors", tmp_path / "b.safetensors", "--set", "shard_size=3KB", "--check")
    assert len(list(tmp_path.glob("b-*.safetensors"))) >= 2
    assert ferry_cli("diff", "--strict", tmp_path / "a.safetensors", tmp_path / "b.safetensors.index.json").returncode == 0
    ferry_cli("convert", tmp_path / "b.safetensors.index.json", tmp_path / "c.npz")
    assert ferry_cli("diff", tmp_path / "a.safetensors", tmp_path / "c.npz").returncode == 0


@pytest.mark.parametrize("size, word", [("5XB", "expected a size"), ("0", "expected a size"), ("-1", "expected a size"), ("", "")])
def test_sizes_that_are_none(tmp_path, ferry_cli, size, word):
    np.savez(tmp_path / "a.npz", x=np.arange(6.0))
    done = ferry_cli("convert", tmp_path / "a.npz", tmp_path / "m.safetensors", "--set", f"shard_size={size}", ok=False)
    assert (done.returncode == 3 and word.encode() in done.stderr) if word else done.returncode == 0
