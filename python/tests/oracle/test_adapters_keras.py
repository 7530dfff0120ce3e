"""ds.keras(): fit, evaluate and predict of Keras 3, each backend in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tensorferry as ferry

pytest.importorskip("keras")

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module", params=["tensorflow", "jax", "torch"])
def answers(request):
    pytest.importorskip(request.param)
    environment = {**os.environ, "KERAS_BACKEND": request.param, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    environment["PYTHONPATH"] = f"{Path(ferry.__file__).parent.parent}{os.pathsep}{environment.get('PYTHONPATH', '')}"
    done = subprocess.run([sys.executable, HERE / "keras_backend.py"], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["backend"] == request.param
    return found


def test_training_on_sparse_batches_is_training_on_dense_ones(answers):
    assert answers["loss"][-1] < answers["loss"][0] * 0.8
    assert answers["loss"] == pytest.approx(answers["dense_loss"], rel=1e-4)
    assert answers["weights"] == pytest.approx(answers["dense_weights"], rel=1e-3, abs=1e-4)


def test_evaluate_and_predict_agree_with_dense_ones(answers):
    assert answers["evaluate"] == pytest.approx(answers["dense_evaluate"], rel=1e-4)
    assert answers["predict"] == pytest.approx(answers["dense_predict"], rel=1e-3, abs=1e-5)
    assert answers["validation"] == pytest.approx(answers["dense_evaluate"], rel=1e-4)


def test_several_inputs_weights_and_classes(answers):
    assert answers["weighted"] == pytest.approx(answers["dense_weighted"], rel=1e-4)
    assert answers["class_weighted"] == pytest.approx(answers["dense_class_weighted"], rel=1e-4)


def test_batches_are_what_the_backend_takes(answers):
    kinds = {"tensorflow": ["SparseTensor", "RaggedTensor"], "jax": ["BCOO", "ndarray"], "torch": ["Tensor", "Tensor"]}
    assert answers["kinds"] == kinds[answers["backend"]]
    assert answers["sorted"]


def test_what_a_backend_lacks_becomes_dense_and_is_said_once(answers):
    said = {"tensorflow": [], "jax": ["ragged"], "torch": ["sparse", "ragged"]}[answers["backend"]]
    assert len(answers["warnings"]) == len(said), answers["warnings"]
    for words, kind in zip(answers["warnings"], said):
        assert f"no {kind} tensors on the {answers['backend']} backend" in words and "densify=True" in words
    assert answers["refused"] == [kind for kind in said]


def test_the_end_of_an_epoch_is_no_accident_and_a_lack_of_steps_is_one(answers):
    assert answers["ran_out"] == 0
    assert answers["ran_out_of_steps"] >= 1


def test_arguments_that_cannot_be_honoured_are_refused(answers):
    assert "ds.keras(class_weight=…)" in answers["errors"]["class_weight"]
    assert "ds.keras(weight=…)" in answers["errors"]["sample_weight"]
    assert "ds.keras(label=…)" in answers["errors"]["y"]


def test_errors_of_the_data_end_the_training(answers):
    kind, words = answers["damaged"]
    assert kind == ("InvalidArgumentError" if answers["backend"] == "tensorflow" else "Error")
    assert "a.tfrecord, at byte 12: record 7 is damaged" in words


def test_shuffled_epochs_come_in_the_order_of_the_dataset(answers):
    assert answers["epochs"]


def test_strings_are_for_tensorflow(answers):
    assert answers["strings"] == (None if answers["backend"] == "tensorflow" else "unsupported")


def test_few_programs_are_compiled(answers):
    if answers["backend"] == "jax":
        assert answers["sizes"] <= 6 < answers["different"]
