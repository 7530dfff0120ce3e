import io
import logging
import os
import threading

import pytest

import tensorferry as ferry


def rows(count, size=1):
    return [b"%d:" % i + b"x" * (i * size % 50) for i in range(count)]


def write(path, records, **options):
    with ferry.RecordWriter(path, **options) as out:
        for record in records:
            out.write(record)
    return path


@pytest.mark.parametrize("compression", [None, "gzip", "ZLIB", "zstd"])
def test_records_come_back(tmp_path, compression):
    path = write(tmp_path / "x", rows(5000), compression=compression)
    with ferry.RecordReader(path) as reader:
        assert list(reader) == rows(5000)
        assert reader.compression == (compression.lower() if compression else None)
        assert reader.records == 5000 and reader.number == 4999 and reader.skipped == []
        assert list(reader) == [], "the end stays"


def test_the_suffix_compresses(tmp_path):
    assert open(write(str(tmp_path / "x.gz"), rows(3)), "rb").read(2) == b"\x1f\x8b"


def test_bytes_are_read_as_a_file_is(tmp_path):
    data = open(write(tmp_path / "x", rows(10)), "rb").read()
    for source in (data, bytearray(data), memoryview(data), io.BytesIO(data), open(tmp_path / "x", "rb")):
        assert list(ferry.RecordReader(source)) == rows(10)
    for wrong in (12, None, io.StringIO("x"), ["x"]):
        with pytest.raises(TypeError, match="expected a path, a binary file object or bytes"):
            ferry.RecordReader(wrong)


def test_anything_with_the_buffer_protocol_is_a_record(tmp_path):
    path = write(tmp_path / "x", [b"", bytearray(b"ab"), memoryview(b"abcd")[::1]])
    assert list(ferry.RecordReader(path)) == [b"", b"ab", b"abcd"]
    with pytest.raises(TypeError, match="a record is bytes, not str"):
        write(tmp_path / "y", ["text"])
    assert not os.path.exists(tmp_path / "y")


def test_an_exception_leaves_the_old_file(tmp_path):
    path = write(tmp_path / "x", [b"old"])
    with pytest.raises(KeyError):
        with ferry.RecordWriter(path) as out:
            out.write(b"new")
            raise KeyError("x")
    assert list(ferry.RecordReader(path)) == [b"old"]
    assert os.listdir(tmp_path) == ["x"]
    out = ferry.RecordWriter(path)
    out.write(b"newer")
    out.discard()
    assert out.closed and list(ferry.RecordReader(path)) == [b"old"]
    with pytest.raises(ValueError, match="closed"):
        out.write(b"")


def test_a_place_is_found_again(tmp_path):
    for compression in (None, "gzip"):
        path = write(tmp_path / "x", rows(3000, 7), compression=compression)
        reader = ferry.RecordReader(path)
        places = []
        for record in reader:
            places.append((reader.offset, reader.number))
        reader.seek(places[1234])
        assert reader.place == places[1234]
        assert next(reader) == rows(3000, 7)[1234] and reader.number == 1234
        assert reader.place == places[1235]
        reader.seek((0, 0))
        assert next(reader) == rows(1)[0]
        assert reader.skip(2000) == 2000 and next(reader) == rows(3000, 7)[2001]
        assert reader.skip(10_000) == 998


def damaged(tmp_path):
    path = write(tmp_path / "x", [b"one", b"two", b"three", b"four"])
    data = bytearray(open(path, "rb").read())
    data[19 + 13] ^= 1
    open(path, "wb").write(data)
    return path


def test_damage_names_file_offset_and_record(tmp_path):
    path = damaged(tmp_path)
    reader = ferry.RecordReader(path)
    assert next(reader) == b"one"
    for _ in range(2):  # it stays
        with pytest.raises(ferry.Error, match="record 1: its 3 bytes do not fit their checksum") as caught:
            next(reader)
        assert caught.value.offset == 31 and caught.value.path == str(path) and caught.value.code == "data_loss"
    assert reader.skipped == []


def test_damage_is_skipped_counted_and_logged(tmp_path, caplog):
    path = damaged(tmp_path)
    reader = ferry.RecordReader(path, on_error="skip")
    with caplog.at_level(logging.WARNING, "tensorferry.records"):
        assert list(reader) == [b"one", b"three", b"four"]
    assert reader.number == 3
    (region,) = reader.skipped
    assert (region.begin, region.end, region.records) == (19, 38, 1) and "record 1" in region.reason
    assert "skipped bytes 19 to 38" in caplog.text and str(path) in caplog.text
    with pytest.raises(ValueError, match="on_error"):
        ferry.RecordReader(path, on_error="ignore")


def test_what_is_no_file_of_records(tmp_path):
    with pytest.raises(FileNotFoundError):
        ferry.RecordReader(tmp_path / "nosuch")
    with pytest.raises(OSError):
        ferry.RecordWriter(tmp_path / "nosuch" / "x")
    with pytest.raises(ferry.Error, match="no TFRecord file"):
        list(ferry.RecordReader(b"hello, this is text"))
    assert list(ferry.RecordReader(b"")) == []
    path = write(tmp_path / "x", rows(9))
    with pytest.raises(ferry.Error, match="the limit is 4"):
        list(ferry.RecordReader(path, max_record_bytes=4))
    with pytest.raises(ferry.Error, match="compression is 'lzma'"):
        ferry.RecordWriter(path, "lzma")


def test_an_index_reaches_every_record(tmp_path):
    records = rows(200, 3)
    path = write(tmp_path / "x", records)
    index = ferry.RecordIndex(path)
    assert len(index) == 200 and index.index_path is None
    assert index[0] == records[0] and index[-1] == records[-1] and index[17] == records[17]
    assert index[10:20:3] == records[10:20:3] and index[::-1] == records[::-1] and index[5:5] == []
    assert index[[7, 3, -1]] == [records[7], records[3], records[-1]]
    assert list(index) == records
    for wrong in (200, -201):
        with pytest.raises(IndexError):
            index[wrong]
    with pytest.raises(TypeError):
        index["x"]
    with pytest.raises(FileNotFoundError):
        ferry.RecordIndex(path, build=False)


@pytest.mark.parametrize("dali", [False, True])
def test_an_index_is_kept_and_knows_its_file(tmp_path, dali):
    records = rows(50)
    path = write(tmp_path / "x", records)
    saved = ferry.RecordIndex(path, verify=True).save(dali=dali)
    assert saved == str(path) + (".idx" if dali else ".fidx")
    index = ferry.RecordIndex(path, build=False)
    assert index.index_path == saved and list(index) == records
    if dali:
        assert open(saved).read().split("\n")[0] == "0 %d" % (len(records[0]) + 16)
    write(path, rows(51))
    with pytest.raises(ferry.Error, match="another state of the file"):
        ferry.RecordIndex(path)
    compressed = write(tmp_path / "y", records, compression="gzip")
    with pytest.raises(ferry.Error, match="compressed"):
        ferry.RecordIndex(compressed)


def test_threads_share_an_index(tmp_path):
    records = rows(500, 11)
    index = ferry.RecordIndex(write(tmp_path / "x", records))
    found = []

    def read(seed):
        found.append(all(index[i] == records[i] for i in [(seed * 7919 + k * 31) % 500 for k in range(400)]))

    threads = [threading.Thread(target=read, args=(n,)) for n in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert found == [True] * 4
