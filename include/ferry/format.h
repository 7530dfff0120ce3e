// Format: bytes ↔ TensorMap. A const struct of functions for each, listed once in src/formats/formats.def.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/io.h"
#include "ferry/limits.h"
#include "ferry/parts.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/tensor_map.h"
#include "ferry/thread_pool.h"

namespace ferry {

class FileSet;

// What `inspect` shows of one tensor, from headers alone.
struct TensorInfo {
  std::string name;
  TensorKind kind = TensorKind::dense;
  DType dtype = DType::float32;
  Shape shape;                     // -1 for a ragged axis
  int64_t nnz = -1;                // stored values of a sparse or ragged tensor
  uint64_t bytes = 0;              // in memory, once read
  std::optional<uint64_t> offset;  // of its (first) data in the file
  bool zero_copy = false;          // reading gives a view into the file
  Metadata metadata;
};

struct KindSet {
  bool dense = false, coo = false, csr = false, csc = false, ragged = false;
  bool has(TensorKind kind) const;
  static constexpr KindSet all() { return {true, true, true, true, true}; }
};

struct Capabilities {
  KindSet kinds;          // what write() takes
  DTypeSet dtypes;        // of values
  bool names = true;      // keeps tensor names; without: exactly one tensor a file, read back under the name ""
  bool metadata = false;  // keeps Metadata of tensors and map
  bool many = true;       // more than one tensor a file
  bool streams = false;   // readable from a pipe without holding all of it
  size_t min_rank = 0, max_rank = 254;
};

// A setting of one format: `--set header=false`, or a keyword in Python.
struct OptionSpec {
  std::string_view name;
  std::string_view values;  // "auto|0|1", "N", "TEXT"
  std::string_view help;
};

class FormatOptions {
 public:
  void set(std::string name, std::string value) { values_.set(name, value); }
  std::string_view get(std::string_view name, std::string_view otherwise = "") const;
  Result<bool> get_bool(std::string_view name, bool otherwise) const;
  Result<int64_t> get_int(std::string_view name, int64_t otherwise) const;
  const Metadata& all() const { return values_; }

 private:
  Metadata values_;
};

struct ReadOptions {
  Limits limits;
  Validation validation = Validation::bounds;
  PartsOptions parts;
  FormatOptions format;
  ThreadPool* pool = nullptr;
  // Each tensor is used once, one after the other: pages of a mapped file that only a checksum has looked at may go again, so that a set
  // larger than memory passes through.
  bool streaming = false;
};

struct WriteOptions {
  FormatOptions format;
  ThreadPool* pool = nullptr;
};

// An opened file: the listing is known, the tensors are read one by one. Thread-safe for reading.
class TensorReader {
 public:
  virtual ~TensorReader() = default;
  virtual std::span<const TensorInfo> tensors() const = 0;
  // Views share the source's memory and keep it alive, so the reader may go first.
  virtual Result<Tensor> read(size_t i) const = 0;
  virtual const Metadata& metadata() const;
  // Checksums and invariants beyond what read() checks; the first problem found.
  virtual Status verify() const;
};

// What a container's directory tells before any tensor's own header is looked at: the names. For sources of so many tensors that
// describing all of them costs far more than reading one. Thread-safe.
class TensorNames {
 public:
  virtual ~TensorNames() = default;
  virtual size_t size() const = 0;
  virtual std::string_view name(size_t i) const = 0;  // good as long as this; no two are alike
  virtual std::optional<size_t> find(std::string_view name) const = 0;
  virtual Result<TensorInfo> describe(size_t i) const = 0;
  virtual Result<Tensor> read(size_t i) const = 0;
  virtual const Metadata& metadata() const;
};

// How sure sniff() is. `certain` is a magic number, `likely` a grammar that fits.
enum class Sniff : uint8_t { no, maybe, likely, certain };

struct Format {
  std::string_view id;
  std::string_view summary;                      // one line for `ferry help formats`
  std::string_view readers = {};                 // who else reads it: "NumPy, SciPy"
  std::span<const std::string_view> extensions;  // ".npy"
  Capabilities capabilities;
  std::span<const OptionSpec> options;
  // `head` is the first 4 KiB or the whole file; null where only the name tells.
  Sniff (*sniff)(std::span<const std::byte> head);
  // Headers are read here; null: not offered.
  Result<std::unique_ptr<TensorReader>> (*open)(std::shared_ptr<const ByteSource> source, const ReadOptions& options);
  // All at once, or tensor by tensor (one of the two; both null: read only). `write_from` asks for a tensor when it is written; for one
  // that is not dense, and for strings, a first time when sizes are planned. What a listing promised and a tensor does not keep is
  // data_loss.
  Status (*write)(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) = nullptr;
  Status (*write_from)(const TensorReader& tensors, ByteSink& sink, const WriteOptions& options) = nullptr;
  // The same tensors as open() lists, in its order, by name alone: a damaged header shows when its tensor is asked for. Null where
  // the tensors show only in the whole listing (parts, metadata of theirs), or are so few that listing them costs nothing.
  Result<std::unique_ptr<TensorNames>> (*open_names)(std::shared_ptr<const ByteSource> source, const ReadOptions& options) = nullptr;
  // The same for what is a folder of files; null: never a folder.
  Sniff (*sniff_folder)(const Folder& folder) = nullptr;
  Result<std::unique_ptr<TensorReader>> (*open_folder)(std::shared_ptr<const Folder> folder, const ReadOptions& options) = nullptr;
  // Where the head is that of a certain other format (Binsparse in an npz): that one's id, and what tells them apart.
  std::string_view within = {};
  bool (*claims)(const ByteSource& source) = nullptr;
  // For a format that is known by its last bytes, of which these are 64 or all.
  Sniff (*sniff_end)(std::span<const std::byte> tail) = nullptr;
  // For a format of several files: the path of the one to open, where the given path is another of them or, not there itself, the
  // stem of their names.
  std::optional<std::string> (*locate)(const std::string& path, bool is_there) = nullptr;
  // Where a set of tensors is several files: `name` is the last part of the path asked for. In place of the two above, or, where
  // `asks_for_files` says so of name and options, besides them.
  Status (*write_files)(const TensorReader& tensors, FileSet& files, std::string_view name, const WriteOptions& options) = nullptr;
  bool (*asks_for_files)(std::string_view name, const FormatOptions& options) = nullptr;

  bool can_read() const { return open != nullptr; }
  bool can_write() const { return writes_bytes() || write_files != nullptr; }
  bool writes_bytes() const { return write != nullptr || write_from != nullptr; }  // to a pipe or into memory too
};

// What a path names: bytes, or a folder of them. One of the two is set.
struct Place {
  std::shared_ptr<const ByteSource> source;
  std::shared_ptr<const Folder> folder;
};

std::span<const Format* const> all_formats();
const Format* find_format(std::string_view id);
Result<Place> find_place(const std::string& path, const Limits& limits = {});
// By magic where there is one, else by extension, else by grammar; a folder by what lies in it.
Result<const Format*> detect_format(const ByteSource& source);
Result<const Format*> detect_format(const Place& place);
Result<const Format*> format_for_output(std::string_view path);

// ---- The three steps in one call each. `format` null: detected.

Result<std::unique_ptr<TensorReader>> open_tensors(const std::string& path, const Format* format = nullptr,
                                                   const ReadOptions& options = {});
Result<std::unique_ptr<TensorReader>> open_tensors(const Place& place, const Format* format = nullptr, const ReadOptions& options = {});
// Null where the format has no names before the listing: see Format::open_names.
Result<std::unique_ptr<TensorNames>> open_names(const Place& place, const Format& format, const ReadOptions& options = {});
Result<TensorMap> read_tensors(const TensorReader& reader);
Result<TensorMap> read_tensors(std::shared_ptr<const ByteSource> source, const Format* format = nullptr, const ReadOptions& options = {});
Result<TensorMap> load(const std::string& path, const Format* format = nullptr, const ReadOptions& options = {});
Status save(const TensorMap& tensors, const std::string& path, const Format* format = nullptr, const WriteOptions& options = {});
Status write_to(const TensorMap& tensors, const Format& format, ByteSink& sink, const WriteOptions& options = {});  // and closes it
// The same of tensors that are read when they are written: in constant memory where the format writes tensor by tensor, else all at once.
Status save(const TensorReader& tensors, const std::string& path, const Format* format = nullptr, const WriteOptions& options = {});
Status write_to(const TensorReader& tensors, const Format& format, ByteSink& sink, const WriteOptions& options = {});
Result<std::string> to_bytes(const TensorMap& tensors, const Format& format, const WriteOptions& options = {});

// Whether `format` can hold `tensors`; the message says what to do where it cannot. What writes, above, asks first.
Status check_writable(const TensorMap& tensors, const Format& format);
Status check_writable(std::span<const TensorInfo> tensors, const Format& format);
// A sparse tensor in a layout that the format takes: another one says the same in as little room, so it need not be asked for.
Result<Tensor> fit_layout(const Tensor& x, const Format& format, ThreadPool* pool = nullptr);

// ---- For formats

// A reader over tensors that are in memory already: small and text formats parse in open().
std::unique_ptr<TensorReader> reader_of(TensorMap tensors);
// A reader of a container of plain arrays: applies the Parts rule over what `arrays` lists and `read` gives.
class ArrayReader {
 public:
  virtual ~ArrayReader() = default;
  virtual std::span<const TensorInfo> arrays() const = 0;  // plain, kind dense
  virtual Result<DenseTensor> read_array(size_t i) const = 0;
  virtual const Metadata& metadata() const;
  virtual Status verify() const;
};
Result<std::unique_ptr<TensorReader>> reader_with_parts(std::unique_ptr<ArrayReader> arrays, const ReadOptions& options);

}  // namespace ferry
