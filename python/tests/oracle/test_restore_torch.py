"""Restore plans and saving against PyTorch: modules, state_dicts, and Keras' weights in a module."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tensorferry as ferry  # noqa: E402


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, (2, 5))
        self.bn = torch.nn.BatchNorm2d(4)
        self.words = torch.nn.Embedding(10, 6)
        self.fc = torch.nn.Linear(6, 6)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_a_module_from_its_own_files(tmp_path):
    net = Net()
    torch.save(net.state_dict(), tmp_path / "net.pt")
    ferry.Checkpoint.save(tmp_path / "net.safetensors", net)
    ferry.Checkpoint.save(tmp_path / "net", net)
    for name in ("net.pt", "net.safetensors", "net"):
        other = Net()
        plan = ferry.Checkpoint(tmp_path / name).plan(other)
        assert plan.complete and plan.unexpected == [] and not same(net, other)
        kept = other.fc.weight
        plan.apply()
        assert same(net, other) and other.fc.weight is kept and kept.requires_grad
        state = Net().state_dict()
        ferry.Checkpoint(tmp_path / name).plan(state).apply()
        assert all(torch.equal(state[key], value) for key, value in net.state_dict().items())


def test_what_data_parallel_adds_to_names_is_proposed(tmp_path):
    net = Net()
    torch.save({"module." + key: value for key, value in net.state_dict().items()}, tmp_path / "net.pt")
    other = Net()
    plan = ferry.Checkpoint(tmp_path / "net.pt").plan(other)
    assert not plan.complete and plan.rows[0].reason == "scope module. removed"
    ferry.Checkpoint(tmp_path / "net.pt").plan(other, rules=r"^module\.=").apply()
    assert same(net, other)


def test_keras_weights_into_a_module_and_back_to_the_same_results(tmp_path):
    generator = np.random.default_rng(0)
    weights = {
        "conv/kernel": generator.random((2, 5, 3, 4), np.float32), "conv/bias": generator.random(4, np.float32),
        "bn/gamma": generator.random(4, np.float32), "bn/beta": generator.random(4, np.float32),
        "bn/moving_mean": generator.random(4, np.float32), "bn/moving_variance": generator.random(4, np.float32),
        "words/embeddings": generator.random((10, 6), np.float32), "fc/kernel": generator.random((6, 6), np.float32),
        "fc/bias": generator.random(6, np.float32),
    }  # fmt: skip
    ferry.save(tmp_path / "keras.npz", weights)
    net = Net()
    plan = ferry.Checkpoint(tmp_path / "keras.npz").plan(net, accept_proposed=True)
    assert plan.complete, plan
    plan.apply()
    ids = torch.tensor([3, 7])
    expected = weights["words/embeddings"][[3, 7]] @ weights["fc/kernel"] + weights["fc/bias"]
    np.testing.assert_allclose(net.fc(net.words(ids)).detach().numpy(), expected, rtol=1e-5)
    assert torch.equal(net.conv.weight, torch.tensor(weights["conv/kernel"].transpose(3, 2, 0, 1)))
    ferry.Checkpoint.save(tmp_path / "net.safetensors", net)
    plan = ferry.Checkpoint(tmp_path / "net.safetensors").plan({name: np.zeros_like(value) for name, value in weights.items()}, accept_proposed=True)
    back = plan.tensors()
    assert all(np.array_equal(back[name].to_numpy(), value) for name, value in weights.items())


def test_bfloat16_and_casts(tmp_path):
    layer = torch.nn.Linear(2, 2).to(torch.bfloat16)
    ferry.Checkpoint.save(tmp_path / "m.safetensors", layer)
    wide = torch.nn.Linear(2, 2)
    plan = ferry.Checkpoint(tmp_path / "m.safetensors").plan(wide)
    assert not plan.complete and plan.rows[0].fix == {"cast": ferry.float32, "lossless": True}
    ferry.Checkpoint(tmp_path / "m.safetensors").plan(wide, fix="cast").apply()
    assert torch.equal(wide.weight, layer.weight.float())


def test_a_manager_of_a_module(tmp_path):
    manager = ferry.CheckpointManager(tmp_path, keep=1, format="safetensors")
    net, other = Net(), Net()
    manager.save(5, net, progress={"epoch": 1})
    assert manager.restore_latest(other) == 5 and same(net, other)


def test_optimizers_are_refused_with_a_sentence(tmp_path):
    ferry.Checkpoint.save(tmp_path / "net", Net())
    with pytest.raises(TypeError, match="numbered, not named"):
        ferry.Checkpoint(tmp_path / "net").plan(torch.optim.SGD(Net().parameters(), lr=1))
