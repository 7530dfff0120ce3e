import pickle

import pytest

import tensorferry as ferry
from tensorferry._errors import make_error


def test_errors_are_value_errors_with_facts():
    with pytest.raises(ValueError) as caught:
        ferry.SparseTensor([[0, 9]], [1.0], (3, 4))
    error = caught.value
    assert isinstance(error, ferry.Error) and error.code == "invalid_argument" and error.offset is None and "9" in str(error)


def test_missing_file_is_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        ferry.load(tmp_path / "none.npz")
    assert isinstance(caught.value, ferry.Error)
    assert caught.value.code == "not_found" and caught.value.path.endswith("none.npz") and caught.value.errno == 2
    assert "none.npz" in str(caught.value)


def test_directory_is_an_os_error(tmp_path):
    with pytest.raises(OSError) as caught:
        ferry.load(tmp_path)
    assert caught.value.code in ("io", "not_found")


@pytest.mark.parametrize("code", ["invalid_argument", "data_loss", "unsupported", "not_found", "io", "limit_exceeded", "unavailable", "deadline", "internal"])
def test_every_error_survives_pickling(code):
    error = make_error(code, "words", 7, "file")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == "file, at byte 7: words" and (again.code, again.offset, again.path) == (code, 7, "file")
    assert isinstance(error, ferry.Error)
