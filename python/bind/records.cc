// Files of records: RecordReader, RecordWriter, RecordIndex.
#include "ferry/records.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstring>

#include "numpy.h"
#include "options.h"
#include "text.h"

namespace ferry::py {
namespace {

bool is_path(nb::handle value) { return PyUnicode_Check(value.ptr()) || nb::hasattr(value, "__fspath__"); }

std::string path_of(nb::handle value) {
  const nb::object bytes = python_function("os", "fsencode")(value);
  return {PyBytes_AS_STRING(bytes.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(bytes.ptr()))};
}

nb::object path_object(const std::string& path) { return python_function("os", "fsdecode")(nb::bytes(path.data(), path.size())); }

nb::object bytes_object(const std::byte* data, size_t size) {
  nb::object out = nb::steal(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(data), static_cast<Py_ssize_t>(size)));
  if (!out.is_valid()) throw nb::python_error();
  return out;
}

// The memory of an object with the buffer protocol, for the time of a call.
class Borrowed {
 public:
  explicit Borrowed(nb::handle value) {
    if (PyObject_GetBuffer(value.ptr(), &view_, PyBUF_SIMPLE) != 0) {
      PyErr_Clear();
      throw nb::type_error(concat("a record is bytes, not ", nb::type_name(value.type()).c_str()).c_str());
    }
  }
  ~Borrowed() { PyBuffer_Release(&view_); }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(view_.buf), static_cast<size_t>(view_.len)}; }

 private:
  Py_buffer view_;
};

Buffer shared_memory(nb::handle value) {
  nb::object view = nb::steal(PyMemoryView_FromObject(value.ptr()));
  if (!view.is_valid()) throw nb::python_error();
  const Py_buffer* buffer = PyMemoryView_GET_BUFFER(view.ptr());
  if (PyBuffer_IsContiguous(buffer, 'C') == 0) throw nb::type_error("the bytes to read do not lie one after another");
  const void* data = buffer->buf;
  const auto size = static_cast<size_t>(buffer->len);
  return Buffer::adopt(data, size, python_owner(std::move(view)));
}

nb::object optional_count(const std::optional<uint64_t>& count) { return count ? nb::object(nb::int_(*count)) : nb::none(); }

nb::object region_object(const SkippedRegion& region) {
  return python_function("tensorferry._records", "SkippedRegion")(region.begin, region.end, optional_count(region.records),
                                                                  nb::str(std::string(region.reason.message()).c_str()));
}

nb::object place_object(RecordPlace place) { return nb::make_tuple(place.offset, place.number); }

bool skips(const std::string& on_error) {
  if (on_error != "stop" && on_error != "skip")
    throw nb::value_error(concat("on_error is '", on_error, "', expected 'stop' or 'skip'").c_str());
  return on_error == "skip";
}

// Reads a few hundred records ahead with the interpreter's lock released, so that other threads run while this one waits for a disk.
class PyReader {
 public:
  PyReader(nb::handle source, const std::string& on_error, nb::handle limits, uint64_t max_record_bytes) {
    RecordReadOptions options;
    options.limits = to_limits(limits);
    options.max_record_bytes = max_record_bytes;
    if (skips(on_error)) {
      options.on_damage = [this](const SkippedRegion& region) {
        fresh_.push_back(region);
        return true;
      };
    }
    if (is_path(source)) {
      path_ = path_of(source);
      reader_.emplace(unwrap(unlocked([&] { return RecordReader::open(path_, std::move(options)); }), path_));
    } else {
      const nb::object data = nb::hasattr(source, "read") ? nb::object(source.attr("read")()) : nb::borrow(source);
      if (PyObject_CheckBuffer(data.ptr()) == 0) {
        throw nb::type_error(concat("expected a path, a binary file object or bytes, not ", nb::type_name(data.type()).c_str()).c_str());
      }
      reader_.emplace(unwrap(RecordReader::over(memory_source(shared_memory(data)), std::move(options))));
    }
    here_ = reader_->place();
  }
  PyReader(const PyReader&) = delete;
  PyReader& operator=(const PyReader&) = delete;

  nb::object next() {
    if (given_ == ahead_.size()) {
      if (reader_ && !failed_.ok()) throw StatusError(failed_, path_);
      if (reader_ && ended_) throw nb::stop_iteration();
      enter();
      unlocked([&] {
        read_ahead();
        return 0;
      });
      busy_ = false;
      tell();
      if (ahead_.empty()) {
        if (!failed_.ok()) throw StatusError(failed_, path_);
        throw nb::stop_iteration();
      }
    }
    const Ahead& record = ahead_[given_++];
    last_ = record.at;
    here_ = record.behind;
    ++records_;
    return bytes_object(block_.data() + record.begin, record.size);
  }

  void seek(std::pair<uint64_t, uint64_t> place) {
    enter();
    const Status status = unlocked([&] { return reader_->seek({place.first, place.second}); });
    forget();
    check(status, path_);
  }
  // By their lengths; those that were read ahead are passed over first.
  uint64_t skip(uint64_t records) {
    const uint64_t had = std::min<uint64_t>(records, ahead_.size() - given_);
    given_ += had;
    if (had > 0) here_ = ahead_[given_ - 1].behind;
    if (had == records) return had;
    if (!failed_.ok()) throw StatusError(failed_, path_);
    enter();
    const auto passed = unlocked([&] { return reader_->skip(records - had); });
    forget();
    tell();
    return had + unwrap(passed, path_);
  }
  void close() {
    enter();
    reader_.reset();
    ahead_.clear();
    given_ = 0;
    busy_ = false;
  }

  nb::object number() const { return last_ ? nb::object(nb::int_(last_->number)) : nb::none(); }
  nb::object offset() const { return last_ ? nb::object(nb::int_(last_->offset)) : nb::none(); }
  nb::object place() const { return place_object(here_); }
  uint64_t records() const { return records_; }
  nb::object compression() {
    if (!reader_) throw nb::value_error("the reader is closed");
    const std::string_view name = compression_name(reader_->compression());
    return reader_->compression() == RecordCompression::none ? nb::none() : nb::object(nb::str(name.data(), name.size()));
  }
  nb::object path() const { return path_.empty() ? nb::none() : path_object(path_); }
  nb::list skipped() const {
    nb::list out;
    for (const SkippedRegion& region : regions_) out.append(region_object(region));
    return out;
  }

 private:
  struct Ahead {
    RecordPlace at, behind;
    size_t begin, size;
  };
  static constexpr size_t kAheadBytes = size_t{128} << 10, kAheadRecords = 256;

  // Two threads take turns, not both at once.
  void enter() {
    if (busy_) throw nb::value_error("the reader is in use by another thread");
    if (!reader_) throw nb::value_error("the reader is closed");
    busy_ = true;
  }
  void read_ahead() {
    ahead_.clear();
    given_ = 0;
    size_t used = 0;
    while (ahead_.size() < kAheadRecords && used < kAheadBytes) {
      if (!reader_->next()) {
        failed_ = reader_->status();
        ended_ = failed_.ok();
        return;
      }
      const auto record = reader_->record();
      if (block_.size() - used < record.size()) {
        if (Status status = block_.resize(std::max(used + record.size(), kAheadBytes * 2)); !status.ok()) {
          failed_ = std::move(status);
          return;
        }
      }
      if (!record.empty()) std::memcpy(block_.data() + used, record.data(), record.size());
      ahead_.push_back({reader_->at(), reader_->place(), used, record.size()});
      used += record.size();
    }
  }
  void forget() {
    ahead_.clear();
    given_ = 0;
    last_.reset();
    ended_ = false;
    failed_ = {};
    here_ = reader_->place();
    busy_ = false;
  }
  // Regions that were stepped over are logged and counted.
  void tell() {
    for (SkippedRegion& region : std::exchange(fresh_, {})) {
      python_function("tensorferry._records", "log_skipped")(path(), region_object(region));
      regions_.push_back(std::move(region));
    }
  }

  std::string path_;
  std::optional<RecordReader> reader_;
  MutableBuffer block_;
  std::vector<Ahead> ahead_;
  size_t given_ = 0;
  std::optional<RecordPlace> last_;
  RecordPlace here_;
  uint64_t records_ = 0;
  Status failed_;
  bool ended_ = false, busy_ = false;  // busy_: guarded by the interpreter's lock
  std::vector<SkippedRegion> fresh_, regions_;
};

class PyWriter {
 public:
  PyWriter(nb::handle path, nb::handle compression, int level) : path_(path_of(path)) {
    RecordWriteOptions options;
    options.level = level;
    if (!compression.is_none()) {
      std::string name = nb::cast<std::string>(compression);
      for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);  // TensorFlow writes "GZIP"
      options.compression = record_compression_from_name(name);
      if (!options.compression) {
        throw StatusError(invalid_argument(concat("compression is ", quoted(name), ", expected none, gzip, zlib or zstd")));
      }
    }
    if (level < 0 || level > 22) throw nb::value_error("level is out of range, expected 1 to 9, for zstd to 22");
    writer_.emplace(unwrap(unlocked([&] { return RecordWriter::open(path_, options); }), path_));
  }
  PyWriter(const PyWriter&) = delete;
  PyWriter& operator=(const PyWriter&) = delete;

  void write(nb::handle record) {
    RecordWriter& out = open();
    const Borrowed borrowed(record);
    check(out.write(borrowed.bytes()), path_);
  }
  void write_many(nb::handle records) {
    for (nb::handle record : nb::iter(records)) write(record);
  }
  void flush() {
    RecordWriter& out = open();
    check(unlocked([&] { return out.flush(); }), path_);
  }
  void close() {
    if (!writer_) return;
    place_ = writer_->place();
    const Status status = unlocked([&] { return writer_->close(); });
    writer_.reset();
    check(status, path_);
  }
  void discard() {
    if (writer_) place_ = {};
    writer_.reset();
  }
  nb::object path() const { return path_object(path_); }
  nb::object place() const { return place_object(writer_ ? writer_->place() : place_); }
  uint64_t records() const { return writer_ ? writer_->place().number : place_.number; }
  bool closed() const { return !writer_; }

 private:
  RecordWriter& open() {
    if (!writer_) throw nb::value_error("the writer is closed");
    return *writer_;
  }
  std::string path_;
  std::optional<RecordWriter> writer_;
  RecordPlace place_;
};

RecordIndexOptions index_options(bool verify, nb::handle limits, uint64_t max_record_bytes) {
  RecordIndexOptions options;
  options.verify = verify;
  options.limits = to_limits(limits);
  options.max_record_bytes = max_record_bytes;
  return options;
}

class PyIndex {
 public:
  PyIndex(nb::handle path, nb::handle index, bool build, bool verify, nb::handle limits, uint64_t max_record_bytes) : path_(path_of(path)) {
    const RecordIndexOptions options = index_options(verify, limits, max_record_bytes);
    const std::string index_path = index.is_none() ? std::string() : path_of(index);
    index_.emplace(unwrap(unlocked([&] {
                            if (!index_path.empty()) return RecordIndex::open(path_, index_path, options.limits);
                            if (verify) return RecordIndex::build(path_, options);
                            return build ? RecordIndex::open_or_build(path_, options) : RecordIndex::open(path_, "", options.limits);
                          }),
                          path_));
  }

  size_t size() const { return index_->size(); }
  nb::object at(int64_t i) const {
    const auto size = static_cast<int64_t>(index_->size());
    if (i < -size || i >= size) throw nb::index_error(concat("record ", i, " is asked for, there are ", size).c_str());
    return read(static_cast<uint64_t>(i < 0 ? i + size : i));
  }
  nb::object get(nb::handle which) const {
    if (PySlice_Check(which.ptr())) {
      Py_ssize_t start, stop, step;
      if (PySlice_Unpack(which.ptr(), &start, &stop, &step) != 0) throw nb::python_error();
      const Py_ssize_t count = PySlice_AdjustIndices(static_cast<Py_ssize_t>(index_->size()), &start, &stop, step);
      nb::list out;
      for (Py_ssize_t n = 0, i = start; n < count; ++n, i += step) out.append(read(static_cast<uint64_t>(i)));
      return out;
    }
    if (PyIndex_Check(which.ptr())) {
      const Py_ssize_t i = PyNumber_AsSsize_t(which.ptr(), PyExc_IndexError);
      if (i == -1 && PyErr_Occurred() != nullptr) throw nb::python_error();
      return at(i);
    }
    if (PyUnicode_Check(which.ptr()) || !nb::hasattr(which, "__iter__")) {
      throw nb::type_error(
          concat("records are asked for by number, slice or a list of numbers, not by ", nb::type_name(which.type()).c_str()).c_str());
    }
    nb::list out;
    for (const int64_t i : to_ints(which)) out.append(at(i));
    return out;
  }
  nb::object extent(int64_t i) const {
    if (i < 0 || i >= static_cast<int64_t>(index_->size())) throw nb::index_error("there is no record of that number");
    const auto extent = index_->extent(static_cast<uint64_t>(i));
    return nb::make_tuple(extent.offset, extent.bytes);
  }
  nb::object save(nb::handle path, bool dali) const {
    const auto spelling = dali ? RecordIndex::Spelling::lines : RecordIndex::Spelling::ours;
    const std::string to = path.is_none() ? RecordIndex::path_of(path_, spelling) : path_of(path);
    check(unlocked([&] { return index_->save(to, spelling); }), to);
    return path_object(to);
  }
  nb::object path() const { return path_object(path_); }
  nb::object index_path() const { return index_->index_path().empty() ? nb::none() : path_object(index_->index_path()); }

 private:
  nb::object read(uint64_t i) const {
    const auto extent = index_->extent(i);
    if (extent.bytes < kWorthUnlocking) {
      thread_local MutableBuffer block;
      const auto data = unwrap(index_->read(i, block), path_);
      return bytes_object(data.data(), data.size());
    }
    const Buffer data = unwrap(unlocked([&] { return index_->read(i); }), path_);
    return bytes_object(data.data(), data.size());
  }
  static constexpr uint64_t kWorthUnlocking = uint64_t{64} << 10;
  std::string path_;
  std::optional<RecordIndex> index_;
};

constexpr uint64_t kMostRecord = uint64_t{1} << 31;

}  // namespace

void add_records(nb::module_& m) {
  nb::class_<PyReader>(m, "RecordReader",
                       "The records of a TFRecord file, in order, as bytes; gzip, zlib and zstd are seen through by content.\n\n"
                       "source: a path; or bytes-like, or a binary file object, which is read whole. on_error: 'stop' raises at the first "
                       "damage; 'skip' goes on at the next whole record, logs\n"
                       "and keeps what was stepped over in .skipped.")
      .def(nb::init<nb::handle, const std::string&, nb::handle, uint64_t>(), nb::arg("source").none(), nb::kw_only(),
           nb::arg("on_error") = "stop", nb::arg("limits").none() = nb::none(), nb::arg("max_record_bytes") = kMostRecord)
      .def("__iter__", [](nb::handle self) { return nb::borrow(self); })
      .def("__next__", &PyReader::next)
      .def("__enter__", [](nb::handle self) { return nb::borrow(self); })
      .def("__exit__", [](PyReader& self, nb::args) { self.close(); })
      .def("close", &PyReader::close)
      .def("seek", &PyReader::seek, nb::arg("place"), "Goes to a place that .place once was: the next record is the one that begins there.")
      .def("skip", &PyReader::skip, nb::arg("records"), "Passes over records by their lengths; gives how many there were.")
      .def_prop_ro("place", &PyReader::place, "(offset, number) of the next record, for seek.")
      .def_prop_ro("number", &PyReader::number, "Of the last record given, from 0; None before the first.")
      .def_prop_ro("offset", &PyReader::offset, "Of its frame in the file, or in what a compressed file expands to.")
      .def_prop_ro("records", &PyReader::records, "Given so far.")
      .def_prop_ro("skipped", &PyReader::skipped, "Regions that were stepped over.")
      .def_prop_ro("compression", &PyReader::compression, "'gzip', 'zlib', 'zstd' or None.")
      .def_prop_ro("path", &PyReader::path);
  nb::class_<PyWriter>(
      m, "RecordWriter",
      "Writes a TFRecord file beside its name, and renames it when it is closed; a with block that ends in an exception leaves what\n"
      "was there before. compression: None goes by the suffix (.gz, .zst), or 'gzip', 'zlib', 'zstd', 'none'.")
      .def(nb::init<nb::handle, nb::handle, int>(), nb::arg("path"), nb::arg("compression").none() = nb::none(), nb::kw_only(),
           nb::arg("level") = 0)
      .def("write", &PyWriter::write, nb::arg("record"), "One record: anything with the buffer protocol.")
      .def("write_many", &PyWriter::write_many, nb::arg("records"))
      .def("flush", &PyWriter::flush, "Hands what was written to the system.")
      .def("close", &PyWriter::close, "Gives the file its name. Closing twice is one close.")
      .def("discard", &PyWriter::discard, "Forgets what was written; the name keeps what it had.")
      .def("__enter__", [](nb::handle self) { return nb::borrow(self); })
      .def(
          "__exit__", [](PyWriter& self, nb::handle type, nb::handle, nb::handle) { type.is_none() ? self.close() : self.discard(); },
          nb::arg("type").none(), nb::arg("value").none(), nb::arg("traceback").none())
      .def_prop_ro("place", &PyWriter::place, "(offset, number) of the next record.")
      .def_prop_ro("records", &PyWriter::records, "Written so far.")
      .def_prop_ro("closed", &PyWriter::closed)
      .def_prop_ro("path", &PyWriter::path);
  nb::class_<PyIndex>(
      m, "RecordIndex",
      "Random access to the records of a file that is not compressed: len(x), x[3], x[-1], x[10:20], x[[5, 2]].\n\n"
      "Taken from the index beside it (.fidx, or .idx as NVIDIA DALI has it) or from index=; without one it is made by reading the\n"
      "lengths, which save() keeps. verify=True makes it anew from all of the data. Threads may share it.")
      .def(nb::init<nb::handle, nb::handle, bool, bool, nb::handle, uint64_t>(), nb::arg("path"), nb::arg("index").none() = nb::none(),
           nb::kw_only(), nb::arg("build") = true, nb::arg("verify") = false, nb::arg("limits").none() = nb::none(),
           nb::arg("max_record_bytes") = kMostRecord)
      .def("__len__", &PyIndex::size)
      .def("__getitem__", &PyIndex::get)
      .def("extent", &PyIndex::extent, nb::arg("record"), "(offset, size) of its frame in the file.")
      .def("save", &PyIndex::save, nb::arg("path").none() = nb::none(), nb::kw_only(), nb::arg("dali") = false,
           "Writes the index, by default beside the file; gives its path.")
      .def_prop_ro("path", &PyIndex::path)
      .def_prop_ro("index_path", &PyIndex::index_path, "None where it was made from the file.");
}

}  // namespace ferry::py
