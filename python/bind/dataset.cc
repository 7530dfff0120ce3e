// The compiled half of tensorferry.Dataset. Waiting, reading and decoding are done with the interpreter lock released; Python
// functions and iterators among the stages take it where they are called.
#include "ferry/dataset.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <mutex>

#include "bind.h"
#include "ferry/format.h"
#include "formats/arrow/c_data.h"
#include "options.h"
#include "text.h"

namespace ferry::py {
namespace {

// ---- Exceptions of Python functions go through the library as a Status that carries their number, and come out as they were.

constexpr std::string_view kMark = "Python exception number ";

class Exceptions {
 public:
  Status keep(nb::python_error error) {
    std::lock_guard lock(mutex_);
    const uint64_t number = next_++;
    kept_.emplace(number, std::move(error));
    return Status(StatusCode::cancelled, concat(kMark, number, "."));
  }
  std::optional<nb::python_error> find(const Status& status) {
    const std::string_view message = status.message();
    const size_t at = message.find(kMark);
    if (status.code() != StatusCode::cancelled || at == std::string_view::npos) return std::nullopt;
    const uint64_t number = std::strtoull(std::string(message.substr(at + kMark.size())).c_str(), nullptr, 10);
    std::lock_guard lock(mutex_);
    const auto found = kept_.find(number);
    if (found == kept_.end()) return std::nullopt;
    nb::python_error out = std::move(found->second);
    kept_.erase(found);
    return out;
  }

 private:
  std::mutex mutex_;
  uint64_t next_ = 0;
  std::map<uint64_t, nb::python_error> kept_;
};

Exceptions& exceptions() {
  static auto* all = new Exceptions;  // never destroyed: threads may end after the interpreter
  return *all;
}

void raise_if(const Status& status) {
  if (status.ok()) return;
  if (auto error = exceptions().find(status)) throw std::move(*error);
  throw StatusError(status);
}
template <class T>
T open_result(Result<T> result) {
  raise_if(result.status());
  return std::move(result).value();
}

bool ending() {
#if PY_VERSION_HEX >= 0x030d0000
  return !Py_IsInitialized() || Py_IsFinalizing();
#else
  return !Py_IsInitialized() || _Py_IsFinalizing();
#endif
}

// Calls into Python from any thread; what it throws becomes a Status.
template <class F>
auto in_python(F&& call) -> decltype(call()) {
  // A thread that asks for the lock while the interpreter ends would be ended itself, in the middle of things.
  if (ending()) return Status(StatusCode::cancelled, "the interpreter is ending");
  nb::gil_scoped_acquire lock;
  try {
    return call();
  } catch (nb::python_error& error) {
    return exceptions().keep(std::move(error));
  } catch (const StatusError& error) {
    return error.status();
  } catch (const std::exception& error) {
    return invalid_argument(error.what());
  }
}

// ---- Values

nb::object map_object(TensorMap map) {
  static const auto make = [] { return python_function("tensorferry._dataset", "make_map"); };
  nb::list entries;
  for (auto& entry : map) entries.append(nb::make_tuple(name_object(entry.name), tensor_object(entry.tensor)));
  return make()(entries);
}

// (name, tensor) pairs
TensorMap map_of_pairs(nb::handle pairs) {
  TensorMap out;
  for (nb::handle pair : nb::iter(pairs)) check(out.add(name_text(pair[0]), to_tensor(pair[1])));
  return out;
}

TensorMap map_from_python(nb::handle value) { return map_of_pairs(python_function("tensorferry._dataset", "map_pairs")(value)); }

nb::tuple spec_object(const ElementSpec& spec) {
  return nb::make_tuple(name_object(spec.name), word(kind_name(spec.kind)), dtype_object(spec.dtype), shape_tuple(spec.shape),
                        spec.ragged_rank);
}
nb::list specs_object(std::span<const ElementSpec> specs) {
  nb::list out;
  for (const ElementSpec& spec : specs) out.append(spec_object(spec));
  return out;
}
std::vector<ElementSpec> specs_from(nb::handle list) {
  std::vector<ElementSpec> out;
  for (nb::handle one : nb::iter(list)) {
    ElementSpec spec;
    spec.name = name_text(one[0]);
    const std::string kind = nb::cast<std::string>(one[1]);
    const auto found = kind_from_name(kind);
    if (!found) throw StatusError(invalid_argument(concat("kind is ", quoted(kind), ", expected dense, coo, csr, csc or ragged")));
    spec.kind = *found;
    spec.dtype = to_dtype(one[2]);
    for (nb::handle dim : nb::iter(one[3])) spec.shape.append(dim.is_none() ? -1 : nb::cast<int64_t>(dim));
    spec.ragged_rank = nb::cast<size_t>(one[4]);
    out.push_back(std::move(spec));
  }
  return out;
}

// A Python object that threads hold and drop.
std::shared_ptr<nb::object> shared(nb::object object) {
  return std::shared_ptr<nb::object>(new nb::object(std::move(object)), [](nb::object* held) {
    if (ending()) return;
    nb::gil_scoped_acquire lock;
    delete held;
  });
}

// ---- Sources and stages in Python

class PythonRows : public RowProducer {
 public:
  explicit PythonRows(std::shared_ptr<nb::object> iterator) : iterator_(std::move(iterator)) {}
  Result<bool> next(TensorMap& row) override {
    return in_python([&]() -> Result<bool> {
      nb::object item = nb::steal(PyIter_Next(iterator_->ptr()));
      if (!item.is_valid()) {
        if (PyErr_Occurred() != nullptr) throw nb::python_error();
        return false;
      }
      row = map_of_pairs(item);
      return true;
    });
  }

 private:
  std::shared_ptr<nb::object> iterator_;
};

// Record batches of an Arrow C stream. The producer's callbacks take the lock themselves where they need it.
class ArrowTables : public TableProducer {
 public:
  explicit ArrowTables(ArrowArrayStream* stream) : stream_(*stream) { stream->release = nullptr; }
  ~ArrowTables() override {
    if (stream_.release != nullptr) stream_.release(&stream_);
  }
  Result<bool> next(TensorMap& table) override {
    ArrowSchema schema{};
    ArrowArray array{};
    if (stream_.get_next(&stream_, &array) != 0) return failed("the next batch");
    if (array.release == nullptr) return false;
    if (stream_.get_schema(&stream_, &schema) != 0) {
      array.release(&array);
      return failed("its schema");
    }
    FERRY_ASSIGN_OR_RETURN(table, arrow::import_array(&schema, &array));
    return true;
  }

 private:
  Status failed(std::string_view what) {
    const char* const why = stream_.get_last_error == nullptr ? nullptr : stream_.get_last_error(&stream_);
    return io_error(concat("the Arrow stream did not give ", what, why == nullptr ? "" : ": ", why == nullptr ? "" : why));
  }
  ArrowArrayStream stream_;
};

Result<std::unique_ptr<TableProducer>> open_arrow(nb::handle object) {
  nb::object capsule = object.attr("__arrow_c_stream__")();
  auto* stream = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_array_stream"));
  if (stream == nullptr) throw nb::python_error();
  if (stream->release == nullptr) {
    return invalid_argument(
        "the Arrow stream was read already; give something that can be read again, such as a function that makes a reader");
  }
  return std::unique_ptr<TableProducer>(std::make_unique<ArrowTables>(stream));
}

// The first table, which was looked at, and then the rest.
class Looked : public TableProducer {
 public:
  Looked(TensorMap first, std::unique_ptr<TableProducer> rest) : first_(std::move(first)), rest_(std::move(rest)) {}
  Result<bool> next(TensorMap& table) override {
    if (!first_) return rest_->next(table);
    table = *std::exchange(first_, std::nullopt);
    return true;
  }

 private:
  std::optional<TensorMap> first_;
  std::unique_ptr<TableProducer> rest_;
};

std::vector<ElementSpec> table_spec(const TensorMap& table) {
  const Dataset one = Dataset::tensors(table);
  check(one.status());
  return unwrap(one.element_spec());
}

// `make` gives an object with an Arrow stream, anew for each pass.
Dataset arrow_dataset(nb::object make, std::string name) {
  auto source = shared(std::move(make));
  auto opened = open_result(in_python([&] { return open_arrow((*source)()); }));
  TensorMap first;
  const bool any = open_result(unlocked([&] { return opened->next(first); }));
  if (!any) throw StatusError(invalid_argument("the Arrow stream has no batches, so nothing says what its rows are"));
  std::vector<ElementSpec> spec = table_spec(first);
  // What was opened to look is the first pass.
  struct Waiting {
    std::mutex mutex;
    std::unique_ptr<TableProducer> producer;
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->producer = std::make_unique<Looked>(std::move(first), std::move(opened));
  return Dataset::tables(
      [source, waiting](uint64_t) -> Result<std::unique_ptr<TableProducer>> {
        {
          std::lock_guard lock(waiting->mutex);
          if (waiting->producer != nullptr) return std::move(waiting->producer);
        }
        return in_python([&] { return open_arrow((*source)()); });
      },
      std::move(spec), std::move(name));
}

auto producer_of(nb::object make) {
  return [make = shared(std::move(make))](uint64_t pass) -> Result<std::unique_ptr<RowProducer>> {
    return in_python([&]() -> Result<std::unique_ptr<RowProducer>> {
      nb::object iterator = (*make)(pass);
      return std::unique_ptr<RowProducer>(std::make_unique<PythonRows>(shared(std::move(iterator))));
    });
  };
}

Dataset::MapFunction map_function(nb::object function) {
  return [function = shared(std::move(function))](TensorMap tensors) -> Result<TensorMap> {
    return in_python([&]() -> Result<TensorMap> { return map_from_python((*function)(map_object(std::move(tensors)))); });
  };
}
Dataset::FilterFunction filter_function(nb::object function) {
  return [function = shared(std::move(function))](const TensorMap& tensors) -> Result<bool> {
    return in_python([&]() -> Result<bool> {
      const int truth = PyObject_IsTrue(nb::object((*function)(map_object(tensors))).ptr());
      if (truth < 0) throw nb::python_error();
      return truth != 0;
    });
  };
}

Dataset checked(Dataset dataset) {
  check(dataset.status());
  return dataset;
}

BatchOptions batch_options(bool drop_remainder, const std::string& sparse, bool pad, double padding,
                           std::vector<std::pair<std::string, int64_t>> widths) {
  BatchOptions out;
  out.drop_remainder = drop_remainder;
  out.sparse = to_layout_name(sparse);
  out.pad = pad;
  out.padding = padding;
  out.widths = std::move(widths);
  return out;
}

OnError on_error_from(const std::string& word) {
  if (word == "stop") return OnError::stop;
  if (word == "skip") return OnError::skip;
  throw StatusError(invalid_argument(concat("on_error is ", quoted(word), ", expected 'stop' or 'skip'")));
}

// ---- The iterator

class PythonIterator {
 public:
  PythonIterator(const Dataset& dataset, int threads, uint64_t epoch, const std::string& on_error, const std::string& state,
                 nb::object log) {
    IterateOptions options;
    options.threads = threads;
    options.epoch = epoch;
    options.on_error = on_error_from(on_error);
    options.state = state;
    if (!log.is_none()) {
      options.log = [log = shared(std::move(log))](std::string_view line) {
        nb::gil_scoped_acquire lock;
        try {
          (*log)(name_object(line));
        } catch (nb::python_error& error) {
          error.discard_as_unraisable("the log of a dataset");
        }
      };
    }
    iterator_ = open_result(unlocked([&] { return dataset.iterate(options); }));
  }
  ~PythonIterator() { close(); }
  // Its threads may be waiting for the lock, in a Python function.
  void close() {
    std::unique_ptr<DatasetIterator> gone = std::move(iterator_);
    if (gone == nullptr) return;
    nb::gil_scoped_release release;
    gone.reset();
  }
  // None at the end.
  nb::object next() {
    if (busy_) throw StatusError(invalid_argument("two threads take from one iterator at once; give each its own, with shard()"));
    if (iterator_ == nullptr) throw StatusError(invalid_argument("the iterator is closed"));
    if (error_) PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error_->ptr())), error_->ptr());
    if (error_) throw nb::python_error();
    busy_ = true;
    auto more = unlocked([&] { return iterator_->next(map_); });
    busy_ = false;
    if (auto error = exceptions().find(more.status())) {
      error_ = nb::borrow(error->value());
      throw std::move(*error);
    }
    if (!unwrap(std::move(more))) return nb::none();
    nb::list entries;
    for (auto& entry : map_) entries.append(nb::make_tuple(name_object(entry.name), tensor_object(entry.tensor)));
    return entries;
  }
  std::string state() const {
    if (iterator_ == nullptr) throw StatusError(invalid_argument("the iterator is closed"));
    return unwrap(iterator_->state());
  }
  uint64_t skipped() const { return iterator_ == nullptr ? 0 : iterator_->skipped(); }
  nb::list spec() const {
    if (iterator_ == nullptr) throw StatusError(invalid_argument("the iterator is closed"));
    return specs_object(open_result(unlocked([&] { return iterator_->element_spec(); })));
  }

 private:
  std::unique_ptr<DatasetIterator> iterator_;
  TensorMap map_;
  bool busy_ = false;  // guarded by the interpreter lock
  std::optional<nb::object> error_;
};

}  // namespace

void add_dataset(nb::module_& m) {
  nb::class_<Dataset>(m, "_Dataset")
      .def(
          "shuffle",
          [](const Dataset& d, uint64_t buffer, std::optional<uint64_t> seed, bool reshuffle) {
            return checked(d.shuffle(buffer, seed, reshuffle));
          },
          nb::arg("buffer"), nb::arg("seed").none(), nb::arg("reshuffle"))
      .def("interleave", [](const Dataset& d, uint64_t cycle, uint64_t block) { return checked(d.interleave(cycle, block)); })
      .def("batch",
           [](const Dataset& d, int64_t size, bool drop_remainder, const std::string& sparse, bool pad, double padding,
              std::vector<std::pair<std::string, int64_t>> widths) {
             return checked(d.batch(size, batch_options(drop_remainder, sparse, pad, padding, std::move(widths))));
           })
      .def("map", [](const Dataset& d, nb::object function,
                     std::string name) { return checked(d.map(map_function(std::move(function)), std::move(name))); })
      .def("filter", [](const Dataset& d, nb::object function,
                        std::string name) { return checked(d.filter(filter_function(std::move(function)), std::move(name))); })
      .def(
          "repeat", [](const Dataset& d, std::optional<uint64_t> count) { return checked(d.repeat(count)); }, nb::arg("count").none())
      .def("shard", [](const Dataset& d, uint64_t index, uint64_t count) { return checked(d.shard(index, count)); })
      .def("skip", [](const Dataset& d, uint64_t count) { return checked(d.skip(count)); })
      .def("take", [](const Dataset& d, uint64_t count) { return checked(d.take(count)); })
      .def("cache", [](const Dataset& d, std::string path) { return checked(d.cache(std::move(path))); })
      .def("bucket_by_length",
           [](const Dataset& d, std::string feature, std::vector<int64_t> boundaries, std::vector<int64_t> sizes, bool drop_remainder,
              const std::string& sparse, bool pad, double padding, std::vector<std::pair<std::string, int64_t>> widths) {
             return checked(d.bucket_by_length(std::move(feature), std::move(boundaries), std::move(sizes),
                                               batch_options(drop_remainder, sparse, pad, padding, std::move(widths))));
           })
      .def("prefetch", [](const Dataset& d, uint64_t count) { return checked(d.prefetch(count)); })
      .def("element_spec", [](const Dataset& d) { return specs_object(open_result(unlocked([&] { return d.element_spec(); }))); })
      .def_prop_ro("is_batched", [](const Dataset& d) { return d.is_batched(); })
      .def("size", [](const Dataset& d) { return d.size(); })
      .def("describe", [](const Dataset& d) { return name_object(d.describe()); });
  nb::class_<PythonIterator>(m, "_DatasetIterator")
      .def(nb::init<const Dataset&, int, uint64_t, const std::string&, const std::string&, nb::object>(), nb::arg("dataset"),
           nb::arg("threads"), nb::arg("epoch"), nb::arg("on_error"), nb::arg("state"), nb::arg("log").none())
      .def("next", &PythonIterator::next)
      .def("state", &PythonIterator::state)
      .def("close", &PythonIterator::close)
      .def("skipped", &PythonIterator::skipped)
      .def("element_spec", &PythonIterator::spec);

  m.def("_dataset_tensors", [](nb::handle pairs) { return checked(Dataset::tensors(map_of_pairs(pairs))); });
  m.def("_dataset_arrow", [](nb::object make, std::string name) { return checked(arrow_dataset(std::move(make), std::move(name))); });
  m.def("_dataset_records",
        [](std::vector<std::string> paths, nb::handle features) { return checked(Dataset::records(paths, features_from(features))); });
  m.def("_dataset_record_bytes", [](std::vector<std::string> paths) { return checked(Dataset::record_bytes(paths)); });
  m.def("_dataset_shards",
        [](std::vector<std::string> paths, std::string format) { return checked(Dataset::shards(paths, std::move(format))); });
  m.def("_dataset_libsvm", [](std::vector<std::string> paths, int64_t columns, int64_t base, nb::handle dtype, nb::handle label_dtype) {
    return checked(Dataset::libsvm(paths, {columns, base, to_dtype(dtype), to_dtype(label_dtype)}));
  });
  m.def(
      "_dataset_csv",
      [](std::vector<std::string> paths, const std::string& kind, const std::string& delimiter, std::optional<bool> header, nb::dict dtypes,
         std::optional<double> missing, nb::handle shape, int64_t base) {
        CsvOptions options;
        if (kind == "table") {
          options.kind = CsvOptions::Kind::table;
        } else if (kind == "pairs") {
          options.kind = CsvOptions::Kind::pairs;
        } else if (kind != "auto") {
          throw StatusError(invalid_argument(concat("kind is ", quoted(kind), ", expected 'auto', 'table' or 'pairs'")));
        }
        if (delimiter.size() != 1)
          throw StatusError(invalid_argument(concat("the delimiter is ", quoted(delimiter), ", expected one character")));
        options.delimiter = delimiter[0];
        options.header = header;
        for (auto [name, dtype] : dtypes) options.dtypes.emplace_back(name_text(name), to_dtype(dtype));
        options.missing = missing;
        if (!shape.is_none()) options.shape = to_shape(shape);
        options.base = base;
        return checked(Dataset::csv(paths, std::move(options)));
      },
      nb::arg("paths"), nb::arg("kind"), nb::arg("delimiter"), nb::arg("header").none(), nb::arg("dtypes"), nb::arg("missing").none(),
      nb::arg("shape").none(), nb::arg("base"));
  m.def("_dataset_criteo", [](std::vector<std::string> paths, int64_t numbers, int64_t categories, int64_t width, double missing,
                              bool logarithm, bool sparse, bool label) {
    return checked(Dataset::criteo(paths, {numbers, categories, width, missing, logarithm, sparse, label}));
  });
  m.def("_dataset_paths", [](std::vector<std::string> patterns) { return run([&] { return expand_dataset_paths(patterns); }); });
  // The format of a file, by content and name.
  m.def("_dataset_format", [](const std::string& path) {
    const Format* format = unwrap(unlocked([&]() -> Result<const Format*> {
                                    FERRY_ASSIGN_OR_RETURN(const Place place, find_place(path));
                                    return detect_format(place);
                                  }),
                                  path);
    return word(format->id);
  });
  m.def("_dataset_rows", [](nb::object make, nb::handle spec, std::string name) {
    return checked(Dataset::rows(producer_of(std::move(make)), specs_from(spec), std::move(name)));
  });
  m.def("_dataset_tables", [](nb::object make, nb::handle spec, std::string name) {
    return checked(Dataset::tables(producer_of(std::move(make)), specs_from(spec), std::move(name)));
  });
}

}  // namespace ferry::py
