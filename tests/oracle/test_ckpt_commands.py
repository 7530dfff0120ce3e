"""ferry ckpt rename, subset, merge, average: TensorFlow restores what they write."""
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1


class Dense(tf.Module):
    def __init__(self, seed, name=None):
        super().__init__(name)
        self.kernel = tf.Variable(tf.random.stateless_normal([3, 4], [seed, 0]), name="kernel")
        self.bias = tf.Variable(tf.random.stateless_normal([4], [seed, 1]), name="bias")


class Net(tf.Module):
    def __init__(self, seed, **children):
        super().__init__()
        for i, (name, child) in enumerate(children.items()):
            setattr(self, name, child(10 * seed + i))


def saved(path, **objects):
    return tf.train.Checkpoint(**objects).write(str(path))


def same(a, b):
    for x, y in zip(a.variables, b.variables, strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy())


def restored(path, **objects):
    return tf.train.Checkpoint(**objects).read(str(path))


def test_renamed_object_moves(tmp_path, ferry_cli):
    old = Net(1, encoder=Dense, head=Dense)
    saved(tmp_path / "a", model=old)
    ferry_cli("ckpt", "rename", tmp_path / "a", tmp_path / "b", "--rename", "^model/encoder/=net/backbone/", "--rename", "^model/=net/", "--check")
    new = Net(2, backbone=Dense, head=Dense)
    restored(tmp_path / "b", net=new).assert_consumed().assert_existing_objects_matched()
    same(old.encoder, new.backbone)
    same(old.head, new.head)


def test_one_variable_of_an_object_moves(tmp_path, ferry_cli):
    old = Net(1, encoder=Dense)
    saved(tmp_path / "a", model=old)
    ferry_cli("ckpt", "rename", tmp_path / "a", tmp_path / "b", "--rename", "encoder/kernel=deep/er/w")
    new, deep = tf.Module(), tf.Module()
    new.encoder, new.deep, deep.er = tf.Module(), deep, tf.Module()
    new.encoder.bias, deep.er.w = tf.Variable(tf.zeros([4])), tf.Variable(tf.zeros([3, 4]))
    restored(tmp_path / "b", model=new).assert_consumed().assert_existing_objects_matched()
    np.testing.assert_array_equal(deep.er.w, old.encoder.kernel)
    np.testing.assert_array_equal(new.encoder.bias, old.encoder.bias)


def test_swapped_objects(tmp_path, ferry_cli):
    old = Net(1, a=Dense, b=Dense)
    saved(tmp_path / "a", model=old)
    rules = tmp_path / "rules"
    rules.write_text("rename model/a/=model/x/\nrename model/b/=model/a/\nrename model/x/=model/b/\n")
    ferry_cli("ckpt", "rename", tmp_path / "a", tmp_path / "b", "--rules", rules)
    new = Net(2, a=Dense, b=Dense)
    restored(tmp_path / "b", model=new).assert_consumed().assert_existing_objects_matched()
    same(old.a, new.b)
    same(old.b, new.a)


def test_keys_that_tensorflow_could_not_take_apart_are_refused(tmp_path, ferry_cli):
    saved(tmp_path / "a", model=Net(1, a=Dense))
    rename = ["--rename", "^model/a/kernel/.ATTRIBUTES/VARIABLE_VALUE$=w"]
    done = ferry_cli("ckpt", "rename", tmp_path / "a", tmp_path / "b", *rename, ok=False)
    assert done.returncode == 5 and b"'w' does not end in '/.ATTRIBUTES/VARIABLE_VALUE'" in done.stderr
    ferry_cli("ckpt", "rename", tmp_path / "a", tmp_path / "b", *rename, "--no-objects")
    assert "w" in dict(tf.train.list_variables(str(tmp_path / "b")))


def test_a_name_that_stays_taken_is_refused(tmp_path, ferry_cli):
    net = Net(1, a=Dense, b=Dense)
    net.b = tf.Module()
    net.b.other = tf.Variable(1.0)
    saved(tmp_path / "a", model=net)
    done = ferry_cli("ckpt", "rename", tmp_path / "a", tmp_path / "b", "--rename", "model/a/=model/b/", ok=False)
    assert done.returncode == 5 and b"another object is called 'b'" in done.stderr
    ferry_cli("ckpt", "rename", tmp_path / "a", tmp_path / "b", "--rename", "model/a/=model/b/", "--no-objects")
    assert "model/b/kernel/.ATTRIBUTES/VARIABLE_VALUE" in dict(tf.train.list_variables(str(tmp_path / "b")))
    done = ferry_cli("ckpt", "rename", tmp_path / "a", tmp_path / "c", "--rename", "model/a/kernel=model/a/bias", ok=False)
    assert done.returncode == 3 and b"two tensors would be named" in done.stderr
    assert not (tmp_path / "c.index").exists()


def keras_model(seed, units=3):
    keras = pytest.importorskip("tf_keras")
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.layers.Input([4]), keras.layers.Dense(units, name="one"), keras.layers.Dense(1, name="two")])
    model.compile(keras.optimizers.legacy.Adam(0.01), "mse")
    model.fit(np.eye(4, dtype=np.float32), np.ones([4, 1], np.float32), verbose=0)
    return model


def test_optimizer_slots_go_along(tmp_path, ferry_cli):
    old, new = keras_model(1), keras_model(2)
    saved(tmp_path / "a", model=old, optimizer=old.optimizer)
    ferry_cli("ckpt", "rename", tmp_path / "a", tmp_path / "b", "--rename", "^model/=net/", "--rename", "OPTIMIZER_SLOT/optimizer/=OPTIMIZER_SLOT/opt/",
              "--rename", "^optimizer/=opt/")
    status = restored(tmp_path / "b", net=new, opt=new.optimizer)
    status.assert_consumed().assert_existing_objects_matched()
    for a, b in zip(old.optimizer.variables(), new.optimizer.variables(), strict=True):
        np.testing.assert_array_equal(a, b)
    same(old, new)


def test_subset_without_the_optimizer(tmp_path, ferry_cli):
    old, new = keras_model(1), keras_model(2)
    saved(tmp_path / "a", model=old, optimizer=old.optimizer)
    ferry_cli("ckpt", "subset", tmp_path / "a", tmp_path / "b", "--drop", "role:optimizer")
    keys = dict(tf.train.list_variables(str(tmp_path / "b")))
    assert not [key for key in keys if "OPTIMIZER" in key or key.startswith("optimizer")]
    net = __import__("tf_keras").models.clone_model(old)
    restored(tmp_path / "b", model=net).assert_existing_objects_matched()
    same(old, net)
    verified = ferry_cli("verify", tmp_path / "b.index")
    assert verified.returncode == 0
    with pytest.raises(AssertionError):
        restored(tmp_path / "b", model=new, optimizer=new.optimizer).assert_existing_objects_matched()


def test_merged_objects(tmp_path, ferry_cli):
    a, b = Net(1, encoder=Dense), Net(2, decoder=Dense)
    step = tf.Variable(7, dtype=tf.int64)
    saved(tmp_path / "a", model=a, step=step)
    saved(tmp_path / "b", model=b, step=step)
    ferry_cli("ckpt", "merge", tmp_path / "a", tmp_path / "b", tmp_path / "c")
    both, now = Net(3, encoder=Dense, decoder=Dense), tf.Variable(0, dtype=tf.int64)
    restored(tmp_path / "c", model=both, step=now).assert_consumed().assert_existing_objects_matched()
    same(a.encoder, both.encoder)
    same(b.decoder, both.decoder)
    assert now.numpy() == 7


def test_merge_asks_where_two_differ(tmp_path, ferry_cli):
    a, b = Net(1, encoder=Dense), Net(2, encoder=Dense, decoder=Dense)
    saved(tmp_path / "a", model=a)
    saved(tmp_path / "b", model=b)
    done = ferry_cli("ckpt", "merge", tmp_path / "a", tmp_path / "b", tmp_path / "c", ok=False)
    assert done.returncode == 3 and b"--prefer" in done.stderr and str(tmp_path / "a").encode() in done.stderr
    for prefer, wanted in ("first", a.encoder), ("last", b.encoder):
        ferry_cli("ckpt", "merge", tmp_path / "a", tmp_path / "b", tmp_path / prefer, "--prefer", prefer)
        both = Net(3, encoder=Dense, decoder=Dense)
        restored(tmp_path / prefer, model=both).assert_consumed().assert_existing_objects_matched()
        same(both.encoder, wanted)
        same(both.decoder, b.decoder)


def saver(path, values):
    with tf.Graph().as_default(), v1.Session() as session:
        for name, value in values.items():
            v1.get_variable(name, initializer=tf.constant(value))
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(path))


def saver_restored(path, values):
    with tf.Graph().as_default(), v1.Session() as session:
        for name, value in values.items():
            v1.get_variable(name, initializer=tf.zeros_like(tf.constant(value)))
        v1.train.Saver().restore(session, str(path))
        return {v.op.name: session.run(v) for v in v1.global_variables()}


def test_average_of_saver_checkpoints(tmp_path, ferry_cli):
    rng = np.random.default_rng(0)
    sets = [{"w": rng.normal(size=(5, 7)).astype(np.float32), "d": rng.normal(size=3), "h": rng.normal(size=(300, 500)).astype(np.float16),
             "c": (rng.normal(size=4) + 1j * rng.normal(size=4)).astype(np.complex64), "step": np.int64(i), "same": np.float64(0.1)} for i in range(3)]
    paths = [tmp_path / f"m{i}" for i in range(3)]
    for path, values in zip(paths, sets):
        saver(path, values)
    done = ferry_cli("ckpt", "average", *paths, tmp_path / "mean", "--weights", "1,2,1")
    assert b"step" in done.stderr
    got = saver_restored(tmp_path / "mean", sets[0])
    for name in "wdhc":
        wide = np.complex128 if name == "c" else np.float64
        total = sum(w * s[name].astype(wide) for w, s in zip((1, 2, 1), sets)) / 4
        np.testing.assert_array_equal(got[name], total.astype(sets[0][name].dtype))
    assert got["step"] == 2 and got["same"] == 0.1
    ferry_cli("ckpt", "average", *paths, tmp_path / "ema", "--decay", "0.5")
    ema = sets[0]["w"].astype(np.float64)
    for values in sets[1:]:
        ema = 0.5 * ema + 0.5 * values["w"]
    np.testing.assert_allclose(saver_restored(tmp_path / "ema", sets[0])["w"], ema, rtol=1e-7)
    ferry_cli("ckpt", "average", paths[1], tmp_path / "one")
    for name, value in saver_restored(tmp_path / "one", sets[1]).items():
        assert np.asarray(value).tobytes() == np.asarray(sets[1][name]).tobytes(), name


def test_average_refuses_what_does_not_fit(tmp_path, ferry_cli):
    saver(tmp_path / "a", {"w": np.zeros((2, 3), np.float32), "v": np.float32(1)})
    saver(tmp_path / "b", {"w": np.zeros((3, 2), np.float32), "v": np.float32(1)})
    saver(tmp_path / "c", {"v": np.float32(1)})
    for other, word in ("b", b"[2, 3]"), ("c", b"not in"):
        done = ferry_cli("ckpt", "average", tmp_path / "a", tmp_path / other, tmp_path / "out", ok=False)
        assert done.returncode == 3 and b"'w'" in done.stderr and word in done.stderr, done.stderr
    assert not (tmp_path / "out.index").exists()


def test_saver_checkpoints_renamed_and_cut_down(tmp_path, ferry_cli):
    values = {"old/w": np.arange(6, dtype=np.float32).reshape(2, 3), "old/w/Adam": np.zeros((2, 3), np.float32), "global_step": np.int64(3)}
    saver(tmp_path / "a", values)
    ferry_cli("ckpt", "subset", tmp_path / "a", tmp_path / "b", "--drop", "role:slot")
    ferry_cli("ckpt", "rename", tmp_path / "b", tmp_path / "c", "--rename", "^old/=new/")
    got = saver_restored(tmp_path / "c", {"new/w": values["old/w"], "global_step": np.int64(0)})
    np.testing.assert_array_equal(got["new/w"], values["old/w"])
    assert got["global_step"] == 3
    assert sorted(dict(tf.train.list_variables(str(tmp_path / "c")))) == ["global_step", "new/w"]


@pytest.mark.parametrize("through", ["m.safetensors", "m.safetensors.index.json", "m.npz", "m.h5"])
def test_objects_come_back_through_any_format(tmp_path, ferry_cli, through):
    old = keras_model(1)
    saved(tmp_path / "a", model=old, optimizer=old.optimizer, words=tf.Variable(["a", "", "é"]), half=tf.Variable([1.5], dtype=tf.bfloat16))
    ferry_cli("convert", tmp_path / "a", tmp_path / through, "--check")
    ferry_cli("convert", tmp_path / through, tmp_path / "b", "--to", "ckpt", "--check")
    assert ferry_cli("diff", "--strict", tmp_path / "a", tmp_path / "b").returncode == 0
    new, words, half = keras_model(2), tf.Variable(["", "", ""]), tf.Variable([0], dtype=tf.bfloat16)
    restored(tmp_path / "b", model=new, optimizer=new.optimizer, words=words, half=half).assert_consumed().assert_existing_objects_matched()
    same(old, new)
    assert words.numpy().tolist() == [b"a", b"", "é".encode()] and half.numpy() == 1.5


def test_rules_between_models(tmp_path, ferry_cli):
    """A TensorFlow model's weights as PyTorch has them, and back."""
    old = keras_model(1)
    saved(tmp_path / "a", model=old, optimizer=old.optimizer)
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_text("drop role:optimizer role:other role:counter role:state\n"
                     "rename ^model/layer_with_weights-([0-9]+)/(kernel|bias)/.ATTRIBUTES/VARIABLE_VALUE$=net.\\1.\\2\n"
                     "rename kernel$=weight\nselect net.*\ntranspose *.weight\nsplit net.0.bias into net.0.b0 net.0.rest=2\n")
    ferry_cli("convert", tmp_path / "a", tmp_path / "m.safetensors", "--rules", there, "--check")
    got = __import__("safetensors.numpy").numpy.load_file(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(got["net.0.weight"], old.layers[0].kernel.numpy().T)
    np.testing.assert_array_equal(got["net.0.rest"], old.layers[0].bias.numpy()[1:])
    assert sorted(got) == ["net.0.b0", "net.0.rest", "net.0.weight", "net.1.bias", "net.1.weight"]
    back.write_text("concat net.0.b0 net.0.rest into net.0.bias\ntranspose *.weight\nrename weight$=kernel\n"
                    "rename net.([0-9]+).(.*)=model/layer_with_weights-\\1/\\2/.ATTRIBUTES/VARIABLE_VALUE\n")
    ferry_cli("convert", tmp_path / "m.safetensors", tmp_path / "b", "--to", "ckpt", "--rules", back, "--check")
    assert ferry_cli("diff", tmp_path / "a", tmp_path / "b", ok=False).stdout.count(b"changed") == 0
    reader = tf.train.load_checkpoint(str(tmp_path / "b"))
    np.testing.assert_array_equal(reader.get_tensor("model/layer_with_weights-0/bias/.ATTRIBUTES/VARIABLE_VALUE"), old.layers[0].bias)
