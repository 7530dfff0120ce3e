// Reading and writing files and bytes: the format table from Python. Names and metadata are put together in _files.py.
#include "ferry/format.h"

#include <nanobind/stl/string.h>
#include <sys/mman.h>

#include <nanobind/stl/unique_ptr.h>
#include <cstring>

#include "listing.h"
#include "numpy.h"
#include "options.h"
#include "reading.h"
#include "text.h"

namespace ferry::py {
namespace {

struct Opened {
  const Format* format;
  Place place;
  std::string path;
};

Opened open_path(nb::handle path, nb::handle format, const ReadOptions& options) {
  Opened out{format_named(format), {}, path_text(path)};
  out.place = unwrap(unlocked([&] { return find_place(out.path, options.limits); }), out.path);
  return out;
}

// Any object with the buffer protocol; its memory is shared and kept.
Opened open_bytes(nb::handle bytes, nb::handle name, nb::handle format, const ReadOptions& options) {
  Opened out{format_named(format), {}, name.is_none() ? std::string() : text_of(name)};
  nb::object view = nb::steal(PyMemoryView_FromObject(bytes.ptr()));
  if (!view.is_valid()) throw nb::python_error();
  const Py_buffer* buffer = PyMemoryView_GET_BUFFER(view.ptr());
  if (PyBuffer_IsContiguous(buffer, 'C') == 0) throw nb::type_error("the bytes to read do not lie one after another");
  const Buffer data = Buffer::adopt(buffer->buf, static_cast<size_t>(buffer->len), python_owner(view));
  out.place.source = memory_source(data, out.path.empty() ? "<memory>" : out.path);
  const Compression compression = sniff_compression(data.bytes().first(std::min<size_t>(data.size(), 16)));
  if (compression != Compression::none) {
    const Buffer expanded = unwrap(unlocked([&] { return decompress_all(out.place.source, compression, options.limits); }), out.path);
    out.place.source = memory_source(expanded, std::string(uncompressed_name(out.place.source->name())));
  }
  return out;
}

void find_out_format(Opened& opened, ReadOptions& options, nb::handle keywords) {
  if (opened.format == nullptr) opened.format = unwrap(unlocked([&] { return detect_format(opened.place); }), opened.path);
  options.format = options_for(*opened.format, keywords);
}

// → (listing, format id, metadata, {name: metadata} or None where listing.texts() has yet to look)
nb::tuple open_all(Opened opened, ReadOptions options, nb::handle keywords) {
  find_out_format(opened, options, keywords);
  const Format& format = *opened.format;
  auto threads = pool();
  options.pool = threads.get();
  std::unique_ptr<Listing> listing;
  if (auto names = unwrap(unlocked([&] { return open_names(opened.place, format, options); }), opened.path)) {
    listing = std::make_unique<Listing>(std::move(threads), std::move(names), opened.path);
  } else {
    auto reader = unwrap(unlocked([&] { return open_tensors(opened.place, &format, options); }), opened.path);
    listing = std::make_unique<Listing>(std::move(threads), std::move(reader), opened.path);
    check(listing->index(), opened.path);
  }
  nb::object texts = listing->texts(false);
  nb::dict metadata = metadata_dict(listing->metadata());
  return nb::make_tuple(std::move(listing), word(format.id), metadata, texts);
}

// → (format id, metadata, [(name, kind, dtype, shape, nnz, bytes, offset, zero_copy, metadata)])
nb::tuple list_all(Opened opened, ReadOptions options, nb::handle keywords) {
  find_out_format(opened, options, keywords);
  const auto threads = pool();
  options.pool = threads.get();
  const auto reader = unwrap(unlocked([&] { return open_tensors(opened.place, opened.format, options); }), opened.path);
  nb::list infos;
  for (const TensorInfo& info : reader->tensors()) {
    infos.append(nb::make_tuple(name_object(info.name), word(kind_name(info.kind)), dtype_object(info.dtype), shape_tuple(info.shape),
                                info.nnz < 0 ? nb::none() : nb::object(nb::int_(info.nnz)), info.bytes,
                                info.offset ? nb::object(nb::int_(*info.offset)) : nb::none(), info.zero_copy,
                                metadata_dict(info.metadata)));
  }
  return nb::make_tuple(word(opened.format->id), metadata_dict(reader->metadata()), infos);
}

void save_path(nb::handle entries, nb::handle metadata, nb::handle path, nb::handle name, nb::handle keywords) {
  const std::string to = path_text(path);
  const Format* format = format_named(name);
  if (format == nullptr) format = unwrap(format_for_output(to), to);
  WriteOptions options;
  options.format = options_for(*format, keywords);
  const TensorMap map = map_from(entries, metadata);
  const auto threads = pool();
  options.pool = threads.get();
  check(unlocked([&] { return save(map, to, format, options); }), to);
}

// Grows a bytes object in place, so that nothing is copied once more at the end: a large block is grown by moving pages, not bytes.
class BytesSink : public ByteSink {
 public:
  ~BytesSink() override { Py_XDECREF(bytes_); }  // with the lock held
  Status write(std::span<const std::byte> data) override {
    if (data.empty()) return {};
    if (capacity_ - used_ < data.size()) {
      const size_t needed = used_ + data.size();
      // Little is kept ready behind one large write, which is likely to be all.
      FERRY_RETURN_IF_ERROR(resize(std::max(needed + kReady, needed > 3 * used_ ? needed : 2 * used_)));
    }
    std::memcpy(PyBytes_AS_STRING(bytes_) + used_, data.data(), data.size());
    used_ += data.size();
    return {};
  }
  Status close() override { return used_ == 0 && bytes_ == nullptr ? Status() : resize(used_); }
  // With the lock held, after close().
  nb::bytes take() {
    if (bytes_ == nullptr) return nb::bytes("", 0);
    return nb::steal<nb::bytes>(std::exchange(bytes_, nullptr));
  }

 private:
  static constexpr size_t kReady = 4000;
  Status resize(size_t size) {
    const nb::gil_scoped_acquire lock;
    if (size > static_cast<size_t>(PY_SSIZE_T_MAX) - kReady) return limit_exceeded("more bytes than a Python object can hold");
    const auto wanted = static_cast<Py_ssize_t>(size);
    if (bytes_ == nullptr) {
      bytes_ = PyBytes_FromStringAndSize(nullptr, wanted);
    } else {
      _PyBytes_Resize(&bytes_, wanted);
    }
    if (bytes_ == nullptr) {
      PyErr_Clear();
      return limit_exceeded(concat(size, " bytes are needed, more than the memory of this machine can give"));
    }
    capacity_ = size;
    // A fresh page of 4 KiB costs as much as writing it several times.
    if (size >= kLarge) {
      const auto start = (reinterpret_cast<uintptr_t>(bytes_) + kPage - 1) / kPage * kPage;
      madvise(reinterpret_cast<void*>(start), (reinterpret_cast<uintptr_t>(bytes_) + size - start) / kPage * kPage, MADV_HUGEPAGE);
    }
    return {};
  }
  static constexpr size_t kLarge = size_t{4} << 20, kPage = 4096;

  PyObject* bytes_ = nullptr;
  size_t used_ = 0, capacity_ = 0;
};

nb::bytes save_bytes(nb::handle entries, nb::handle metadata, nb::handle name, nb::handle keywords) {
  const Format* format = format_named(name);
  WriteOptions options;
  options.format = options_for(*format, keywords);
  const TensorMap map = map_from(entries, metadata);
  const auto threads = pool();
  options.pool = threads.get();
  BytesSink sink;
  check(unlocked([&] { return write_to(map, *format, sink, options); }));
  return sink.take();
}

nb::list format_table() {
  nb::list out;
  for (const Format* format : all_formats()) {
    nb::dict row;
    const Capabilities& can = format->capabilities;
    row["id"] = word(format->id);
    row["summary"] = word(format->summary);
    nb::list extensions, kinds, dtypes, options;
    for (std::string_view extension : format->extensions) extensions.append(word(extension));
    for (const TensorKind kind : {TensorKind::dense, TensorKind::coo, TensorKind::csr, TensorKind::csc, TensorKind::ragged}) {
      if (can.kinds.has(kind)) kinds.append(word(kind_name(kind)));
    }
    for (const DType dtype : kAllDTypes) {
      if (can.dtypes.has(dtype)) dtypes.append(word(dtype_name(dtype)));
    }
    for (const OptionSpec& spec : format->options) options.append(nb::make_tuple(word(spec.name), word(spec.values), word(spec.help)));
    row["extensions"] = nb::tuple(extensions);
    row["read"] = format->open != nullptr;
    row["write"] = format->can_write();
    row["kinds"] = nb::tuple(kinds);
    row["dtypes"] = nb::tuple(dtypes);
    row["names"] = can.names;
    row["metadata"] = can.metadata;
    row["many"] = can.many;
    row["streams"] = can.streams;
    row["several_files"] = format->can_write() && !format->writes_bytes();
    row["options"] = nb::tuple(options);
    out.append(row);
  }
  return out;
}

}  // namespace

void add_formats(nb::module_& m) {
  m.def(
      "_open_path",
      [](nb::handle path, nb::handle format, nb::handle parts, nb::handle validate, nb::handle limits, nb::handle keywords) {
        const ReadOptions options = read_options(parts, validate, limits);
        return open_all(open_path(path, format, options), options, keywords);
      },
      nb::arg("path"), nb::arg("format").none(), nb::arg("parts"), nb::arg("validate"), nb::arg("limits").none(), nb::arg("options"));
  m.def(
      "_open_bytes",
      [](nb::handle bytes, nb::handle name, nb::handle format, nb::handle parts, nb::handle validate, nb::handle limits,
         nb::handle keywords) {
        const ReadOptions options = read_options(parts, validate, limits);
        return open_all(open_bytes(bytes, name, format, options), options, keywords);
      },
      nb::arg("data"), nb::arg("name").none(), nb::arg("format").none(), nb::arg("parts"), nb::arg("validate"), nb::arg("limits").none(),
      nb::arg("options"));
  m.def(
      "_inspect_path",
      [](nb::handle path, nb::handle format, nb::handle parts, nb::handle validate, nb::handle limits, nb::handle keywords) {
        const ReadOptions options = read_options(parts, validate, limits);
        return list_all(open_path(path, format, options), options, keywords);
      },
      nb::arg("path"), nb::arg("format").none(), nb::arg("parts"), nb::arg("validate"), nb::arg("limits").none(), nb::arg("options"));
  m.def(
      "_inspect_bytes",
      [](nb::handle bytes, nb::handle name, nb::handle format, nb::handle parts, nb::handle validate, nb::handle limits,
         nb::handle keywords) {
        const ReadOptions options = read_options(parts, validate, limits);
        return list_all(open_bytes(bytes, name, format, options), options, keywords);
      },
      nb::arg("data"), nb::arg("name").none(), nb::arg("format").none(), nb::arg("parts"), nb::arg("validate"), nb::arg("limits").none(),
      nb::arg("options"));
  m.def("_save_path", save_path, nb::arg("entries"), nb::arg("metadata"), nb::arg("path"), nb::arg("format").none(), nb::arg("options"));
  m.def("_save_bytes", save_bytes, nb::arg("entries"), nb::arg("metadata"), nb::arg("format"), nb::arg("options"));
  m.def("_formats", format_table);
}

}  // namespace ferry::py
