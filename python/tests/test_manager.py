"""CheckpointManager: what is kept, what is named, and what a process that dies leaves behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import tensorferry as ferry


def names(folder):
    return sorted(os.listdir(folder))


def weights(value):
    return {"w": np.full(3, value, np.float32)}


def files(*steps):
    return sorted(["checkpoint", *(f"ckpt-{step}.{part}" for step in steps for part in ("index", "data-00000-of-00001"))])


def test_keeps_the_last_few_and_names_them(tmp_path):
    manager = ferry.CheckpointManager(tmp_path, keep=2)
    assert manager.latest is None and manager.checkpoints == [] and manager.restore_latest({}) is None and manager.progress() == {}
    for step in range(1, 5):
        assert manager.save(step, weights(step)) == str(tmp_path / f"ckpt-{step}")
    assert names(tmp_path) == files(3, 4)
    assert manager.checkpoints == [str(tmp_path / "ckpt-3"), str(tmp_path / "ckpt-4")]
    assert manager.latest == ferry.latest_checkpoint(tmp_path) == str(tmp_path / "ckpt-4") and manager.latest_step == 4
    target = weights(0)
    assert ferry.CheckpointManager(tmp_path).restore_latest(target) == 4 and target["w"].tolist() == [4, 4, 4]


@pytest.mark.parametrize("format, extension", [("safetensors", ".safetensors"), ("npz", ".npz")])
def test_other_formats_too(tmp_path, format, extension):
    manager = ferry.CheckpointManager(tmp_path, keep=1, format=format, name="m")
    manager.save(1, weights(1))
    manager.save(2, weights(2), progress={"epoch": 3})
    assert names(tmp_path) == ["checkpoint", f"m-2{extension}"] and manager.progress() == {"epoch": 3}
    target = weights(0)
    assert manager.restore_latest(target) == 2 and target["w"][0] == 2


def test_progress_is_kept_beside_the_tensors(tmp_path):
    manager = ferry.CheckpointManager(tmp_path)
    manager.save(7, weights(1), progress={"epoch": 2, "batch": 40, "best": 0.25})
    assert manager.progress() == {"epoch": 2, "batch": 40, "best": 0.25}


def test_one_in_so_many_hours_stays_for_good(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("tensorferry._manager.time.time", lambda: now[0])
    manager = ferry.CheckpointManager(tmp_path, keep=1, keep_every_hours=1)
    for step in range(8):
        manager.save(step, weights(step))
        now[0] += 1000
    kept = sorted(int(name[5:-6]) for name in names(tmp_path) if name.endswith(".index"))
    assert kept == [0, 4, 7] and manager.checkpoints == [str(tmp_path / "ckpt-7")]


def test_foreign_files_and_names_are_never_touched(tmp_path):
    for name in ("ckpt-1.txt", "ckpt-1.data-00000-of-00001x", "notes", "other-1.index", "ckpt-0.index", "ckpt-0.data-00000-of-00001"):
        (tmp_path / name).write_text("mine")
    ferry.CheckpointManager(tmp_path, keep=1, name="other").save(9, weights(9))
    manager = ferry.CheckpointManager(tmp_path, keep=1)
    for step in (1, 2, 3):
        manager.save(step, weights(step))
    left = set(names(tmp_path))
    assert left >= {"ckpt-1.txt", "ckpt-1.data-00000-of-00001x", "notes", "other-1.index", "other-9.index", "ckpt-0.index", "ckpt-0.data-00000-of-00001"}
    assert "ckpt-2.index" not in left and manager.latest_step == 3
    assert ferry.CheckpointManager(tmp_path, name="other").checkpoints == [str(tmp_path / "other-9")]


def test_a_step_is_saved_once(tmp_path):
    manager = ferry.CheckpointManager(tmp_path)
    manager.save(1, weights(1))
    with pytest.raises(ferry.Error, match="is there already"):
        manager.save(1, weights(2))
    manager.save(2, weights(2))
    manager.delete(2)
    assert manager.latest_step == 1 and names(tmp_path) == files(1)
    manager.delete(1)
    assert manager.latest is None and names(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        manager.delete(1)


def test_wrong_settings_are_refused(tmp_path):
    for settings in ({"keep": 0}, {"format": "csv"}, {"name": "a/b"}, {"name": ""}):
        with pytest.raises(ValueError):
            ferry.CheckpointManager(tmp_path, **settings)
    with pytest.raises(ValueError):
        ferry.CheckpointManager(tmp_path).save(-1, weights(1))


def test_a_latest_that_is_gone_is_the_one_before(tmp_path):
    manager = ferry.CheckpointManager(tmp_path)
    manager.save(1, weights(1))
    manager.save(2, weights(2))
    os.unlink(tmp_path / "ckpt-2.index")
    assert manager.latest_step == 1


def test_names_with_all_letters_survive_the_list(tmp_path):
    manager = ferry.CheckpointManager(tmp_path, name='m "ä\\')
    manager.save(1, weights(1))
    assert manager.latest_step == 1 and ferry.latest_checkpoint(tmp_path) == manager.latest


def test_threads_share_a_folder(tmp_path):
    manager = ferry.CheckpointManager(tmp_path, keep=None)
    threads = [threading.Thread(target=manager.save, args=(step, weights(step))) for step in range(12)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(manager.checkpoints) == 12


CRASH = """
    import os, signal, sys
    import numpy as np
    import tensorferry as ferry
    from tensorferry import _manager, _save

    folder, point = sys.argv[1], int(sys.argv[2])
    calls = 0

    def mortal(function):
        def call(*arguments, **keywords):
            global calls
            calls += 1
            if calls == point:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **keywords)
        return call

    manager = ferry.CheckpointManager(folder, keep=2)
    for step in (1, 2):
        manager.save(step, {"w": np.full(3, step, np.float32)})
    for module, names in ((os, ("replace", "unlink", "fsync", "listdir")), (_save, ("save",))):
        for name in names:
            setattr(module, name, mortal(getattr(module, name)))
    for step in (3, 4):
        manager.save(step, {"w": np.full(3, step, np.float32)})
    print("survived", calls)
"""


def test_a_process_killed_at_any_point_leaves_a_folder_to_go_on_from(tmp_path):
    script = tmp_path / "crash.py"
    script.write_text(textwrap.dedent(CRASH))
    for point in range(1, 40, 2):
        folder = tmp_path / str(point)
        ended = subprocess.run([sys.executable, str(script), str(folder), str(point)], capture_output=True, text=True)
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        manager = ferry.CheckpointManager(folder, keep=2)
        target = weights(0)
        step = manager.restore_latest(target)
        assert step in (2, 3, 4) and target["w"].tolist() == [step] * 3, point
        manager.save(9, weights(9))
        manager.save(10, weights(10))
        assert manager.restore_latest(target) == 10 and len(manager.checkpoints) == 2
        if ended.returncode == 0:
            break
    assert ended.returncode == 0 and point > 6


def test_a_writer_killed_within_a_save_leaves_no_half_checkpoint(tmp_path):
    script = tmp_path / "writer.py"
    script.write_text(textwrap.dedent("""
        import sys
        import numpy as np
        import tensorferry as ferry
        manager = ferry.CheckpointManager(sys.argv[1], keep=2)
        print("ready", flush=True)
        step = 0
        while True:
            step += 1
            manager.save(step, {"w": np.full(1 << 18, step, np.float32)})
    """))
    for pause in (0.05, 0.08, 0.13):
        folder = tmp_path / f"f{pause}"
        process = subprocess.Popen([sys.executable, str(script), str(folder)], stdout=subprocess.PIPE)
        process.stdout.readline()
        try:
            process.wait(pause)
        except subprocess.TimeoutExpired:
            pass
        process.kill()
        process.wait()
        manager = ferry.CheckpointManager(folder)
        for path in manager.checkpoints:
            value = ferry.Checkpoint(path)["w"].to_numpy()
            assert (value == value[0]).all() and int(value[0]) == int(path.rpartition("-")[2])
