"""pt: what PyTorch saves comes back with PyTorch's values, in every container it ever wrote."""
import collections
import io
import pathlib

import numpy as np
import pytest
import torch

import tensorferry as ferry

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "pt"
FORMS = {"zip": {}, "stream": {"_use_new_zipfile_serialization": False}}
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32,
          torch.uint64, torch.bool, torch.complex64, torch.complex128]
FLOAT8 = [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz]


def saved(tmp_path, value, **options):
    torch.save(value, tmp_path / "x.pt", **options)
    return ferry.load(tmp_path / "x.pt")


def bits(x):
    return x.contiguous().view(torch.uint8).numpy().tobytes() if x.numel() else b""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", DTYPES + FLOAT8, ids=str)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
def test_dtypes_keep_their_bits(tmp_path, form, dtype, shape):
    x = (torch.rand(shape) * 8).to(dtype)
    ours = saved(tmp_path, {"x": x}, **FORMS[form])["x"]
    assert tuple(ours.shape) == shape and str(ours.dtype).split(".")[-1] == str(dtype).split(".")[-1]
    assert np.ascontiguousarray(np.asarray(ours)).tobytes() == bits(x.reshape(-1) if x.dim() == 0 else x)


@pytest.mark.parametrize("form", FORMS)
def test_views(tmp_path, form):
    base = torch.arange(120, dtype=torch.float32)
    cube = base.reshape(4, 5, 6)
    views = {"cube": cube, "t": cube.permute(2, 0, 1), "step": cube[::2, :, 1::3], "expanded": base[:5].expand(3, 5), "row": base[7:13],
             "select": cube[:, 2], "unsqueezed": cube.t()[None] if cube.dim() == 2 else cube.transpose(0, 2)[None], "diagonal": cube[0].diagonal()}
    ours = saved(tmp_path, views, **FORMS[form])
    assert list(ours) == list(views)
    for name, x in views.items():
        np.testing.assert_array_equal(np.asarray(ours[name]), x.numpy())
    z = torch.randn(3, dtype=torch.complex64)
    for x in (z.conj(), z.conj().imag):  # apart: torch saves no storage under two dtypes
        np.testing.assert_array_equal(np.asarray(saved(tmp_path, {"lazy": x}, **FORMS[form])["lazy"]), x.resolve_conj().resolve_neg().numpy())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", ["coo", "csr", "csc", "bsr", "bsc"])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_sparse_layouts(tmp_path, form, layout, batch):
    generator = torch.Generator().manual_seed(1)
    one = (torch.rand(6, 8, generator=generator) > 0.6) * torch.rand(6, 8, generator=generator)
    dense = one.expand(*batch, 6, 8).clone()
    make = {"coo": dense.to_sparse, "csr": dense.to_sparse_csr, "csc": dense.to_sparse_csc, "bsr": lambda: dense.to_sparse_bsr((2, 4)),
            "bsc": lambda: dense.to_sparse_bsc((3, 2))}[layout]
    ours = saved(tmp_path, {"x": make()}, **FORMS[form])["x"]
    np.testing.assert_array_equal(np.asarray(ours.to_dense()), dense.numpy())
    if not batch and layout in ("coo", "csr", "csc"):
        assert ours.layout == layout


def test_hybrid_and_unsorted_coo(tmp_path):
    x = torch.sparse_coo_tensor([[2, 0, 2], [1, 0, 1]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], (3, 2, 2))
    np.testing.assert_array_equal(np.asarray(saved(tmp_path, {"x": x})["x"].to_dense()), x.to_dense().numpy())


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested(tmp_path, layout):
    rows = [torch.arange(6.0).reshape(2, 3), torch.zeros(0, 3), torch.ones(4, 3)]
    ours = saved(tmp_path, {"x": torch.nested.nested_tensor(rows, layout=layout)})["x"]
    np.testing.assert_array_equal(np.asarray(ours.values), torch.cat(rows).numpy())
    assert list(np.asarray(ours.row_splits)) == [0, 2, 2, 6]


@pytest.mark.parametrize("form", FORMS)
def test_checkpoint_of_model_and_optimizer(tmp_path, form):
    model = torch.nn.Sequential(torch.nn.Linear(7, 5), torch.nn.BatchNorm1d(5), torch.nn.Embedding(4, 5, sparse=True))
    optimizer = torch.optim.AdamW(model[:2].parameters())
    model[:2](torch.randn(8, 7)).sum().backward()
    optimizer.step()
    ours = saved(tmp_path, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, **FORMS[form])
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(np.asarray(ours[f"model/{name}"]), x.numpy())
    for i, state in optimizer.state_dict()["state"].items():
        for name, x in state.items():
            np.testing.assert_array_equal(np.asarray(ours[f"optimizer/state/{i}/{name}"]), x.numpy())
    assert ours.metadata["epoch"] == "3"


def test_torchscript_has_the_names_of_its_state_dict(tmp_path):
    model = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1)))
    torch.jit.save(model, tmp_path / "x.pt")
    ours = ferry.load(tmp_path / "x.pt")
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(np.asarray(ours[name]), x.detach().numpy())


def test_whole_modules_open_for_their_fields(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    torch.save(model, tmp_path / "x.pt")
    with pytest.raises(Exception, match="torch.nn.modules.container.Sequential"):
        ferry.load(tmp_path / "x.pt")
    ours = ferry.load(tmp_path / "x.pt", objects="opaque")
    assert sorted(ours) == sorted(model.state_dict())
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(np.asarray(ours[name]), x.numpy())


def test_python_objects_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pathlib.Path.touch, (tmp_path / "touched",))

    torch.save({"w": torch.ones(1), "bomb": Bomb()}, tmp_path / "x.pt")
    for options in ({}, {"objects": "opaque"}):
        try:
            ferry.load(tmp_path / "x.pt", **options)
        except Exception:
            pass
        assert not (tmp_path / "touched").exists()


def test_the_tar_archive_reads_as_pytorch_reads_it():
    theirs = torch.load(GOLDEN / "tar.pt", weights_only=False)
    ours = ferry.load(GOLDEN / "tar.pt")
    assert isinstance(theirs, collections.OrderedDict) and list(ours) == list(theirs)
    for name, x in theirs.items():
        np.testing.assert_array_equal(np.asarray(ours[name]), x.numpy())
