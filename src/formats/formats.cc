// The table of formats, and what follows from it for all of them alike.
#include <algorithm>
#include <charconv>

#include "ferry/format.h"
#include "ferry/sparse.h"
#include "io/file_set.h"

namespace ferry {

#define FERRY_FORMAT(id)       \
  namespace id {               \
  extern const Format kFormat; \
  }
#include "formats/formats.def"
#undef FERRY_FORMAT

namespace {

constexpr const Format* kFormats[] = {
#define FERRY_FORMAT(id) &id::kFormat,
#include "formats/formats.def"
#undef FERRY_FORMAT
    nullptr};

constexpr size_t kHead = 4096, kTail = 64;

std::string ids_that(bool (*wanted)(const Format&, const TensorInfo&), const TensorInfo& info) {
  std::string out;
  for (const Format* format : all_formats()) {
    if (!format->can_write() || !wanted(*format, info)) continue;
    if (!out.empty()) out += ", ";
    out += format->id;
  }
  return out;
}

bool ends_with_ignoring_case(std::string_view text, std::string_view suffix) {
  if (text.size() < suffix.size()) return false;
  text.remove_prefix(text.size() - suffix.size());
  return std::ranges::equal(text, suffix, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

const Format* format_by_extension(std::string_view path) {
  const std::string_view name = uncompressed_name(path);
  const Format* best = nullptr;
  size_t longest = 0;
  for (const Format* format : all_formats()) {
    for (std::string_view extension : format->extensions) {
      if (extension.size() > longest && ends_with_ignoring_case(name, extension)) {
        best = format;
        longest = extension.size();
      }
    }
  }
  return best;
}

Status several_files(const Format& format) {
  return unsupported(concat(format.id, " is several files, which bytes or a pipe cannot be; give a path, or another format"));
}

TensorInfo info_of(const TensorMap::Entry& entry) {
  TensorInfo info;
  info.name = entry.name;
  info.kind = kind_of(entry.tensor);
  info.dtype = dtype_of(entry.tensor);
  info.shape = shape_of(entry.tensor);
  if (info.kind != TensorKind::dense) info.nnz = nnz_of(entry.tensor);
  info.bytes = num_bytes_of(entry.tensor);
  info.metadata = entry.metadata;
  return info;
}

// Of a map that outlives it.
class MapView : public TensorReader {
 public:
  explicit MapView(const TensorMap& tensors) : map_(tensors) {
    infos_.reserve(map_.size());
    for (const auto& entry : map_) infos_.push_back(info_of(entry));
  }
  std::span<const TensorInfo> tensors() const override { return infos_; }
  Result<Tensor> read(size_t i) const override { return map_[i].tensor; }
  const Metadata& metadata() const override { return map_.metadata; }

 private:
  const TensorMap& map_;
  std::vector<TensorInfo> infos_;
};

class MapReader : public TensorReader {
 public:
  explicit MapReader(TensorMap tensors) : tensors_(std::move(tensors)), view_(tensors_) {}
  std::span<const TensorInfo> tensors() const override { return view_.tensors(); }
  Result<Tensor> read(size_t i) const override { return view_.read(i); }
  const Metadata& metadata() const override { return tensors_.metadata; }

 private:
  TensorMap tensors_;
  MapView view_;
};

// A format that writes tensor by tensor gets them so, another all at once.
Status write_bytes(const TensorReader& tensors, const Format& format, ByteSink& sink, const WriteOptions& options) {
  if (format.write_from != nullptr) return format.write_from(tensors, sink, options);
  if (format.write == nullptr) return several_files(format);
  FERRY_ASSIGN_OR_RETURN(const TensorMap map, read_tensors(tensors));
  return format.write(map, sink, options);
}
Status write_bytes(const TensorMap& tensors, const Format& format, ByteSink& sink, const WriteOptions& options) {
  return format.write != nullptr ? format.write(tensors, sink, options) : write_bytes(MapView(tensors), format, sink, options);
}

Status write_several(const TensorReader& tensors, const Format& format, FileSet& files, std::string_view name,
                     const WriteOptions& options) {
  return format.write_files(tensors, files, name, options);
}
Status write_several(const TensorMap& tensors, const Format& format, FileSet& files, std::string_view name, const WriteOptions& options) {
  return format.write_files(MapView(tensors), files, name, options);
}

template <class Tensors>
Status save_any(const Tensors& tensors, const std::string& path, const Format* format, const WriteOptions& options) {
  if (format == nullptr) {
    FERRY_ASSIGN_OR_RETURN(format, format_for_output(path));
  }
  if constexpr (std::is_same_v<Tensors, TensorMap>) {
    FERRY_RETURN_IF_ERROR(check_writable(tensors, *format));
  } else {
    FERRY_RETURN_IF_ERROR(check_writable(tensors.tensors(), *format));
  }
  const size_t slash = path.rfind('/');
  const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  const bool asked = format->asks_for_files != nullptr && format->asks_for_files(name, options.format);
  if (asked || !format->writes_bytes()) {
    if (path == "-") return several_files(*format);
    FileSet files(slash == std::string::npos ? std::string() : path.substr(0, slash + 1));
    FERRY_RETURN_IF_ERROR(write_several(tensors, *format, files, name, options));
    return files.commit();
  }
  FERRY_ASSIGN_OR_RETURN(const auto sink, open_sink(path));
  FERRY_RETURN_IF_ERROR(write_bytes(tensors, *format, *sink, options));
  return sink->close();
}

Status check_one(const TensorInfo& info, const Format& format) {
  const Capabilities& can = format.capabilities;
  if (!can.kinds.has(info.kind)) {
    const std::string others = ids_that([](const Format& f, const TensorInfo& t) { return f.capabilities.kinds.has(t.kind); }, info);
    const bool sparse = info.kind != TensorKind::dense;
    const bool other_layout = (info.kind == TensorKind::coo || info.kind == TensorKind::csr || info.kind == TensorKind::csc) &&
                              (can.kinds.coo || can.kinds.csr || can.kinds.csc);
    std::string hint;
    if (other_layout) {
      hint = concat("use --layout ", can.kinds.coo ? "coo" : can.kinds.csr ? "csr" : "csc", ", or a format that holds it: ");
    } else if (sparse && can.kinds.dense) {
      hint = "use --densify, or a format that holds it: ";
    } else if (!sparse && (can.kinds.coo || can.kinds.csr)) {
      hint = "use --sparsify, or a format that holds it: ";
    } else {
      hint = "formats that hold it: ";
    }
    return unsupported(concat(format.id, " cannot hold ", quoted(info.name), ", a ", kind_name(info.kind), " tensor; ", hint, others));
  }
  if (info.shape.rank() < can.min_rank || info.shape.rank() > can.max_rank) {
    const std::string others = ids_that(
        [](const Format& f, const TensorInfo& t) {
          const size_t rank = t.shape.rank();
          return f.capabilities.kinds.has(t.kind) && rank >= f.capabilities.min_rank && rank <= f.capabilities.max_rank;
        },
        info);
    const std::string wanted = can.min_rank == can.max_rank ? concat(can.min_rank) : concat(can.min_rank, " to ", can.max_rank);
    return unsupported(concat(format.id, " holds tensors of ", wanted, " axes and ", quoted(info.name), " has shape ",
                              info.shape.to_string(), "; formats that hold it: ", others));
  }
  if (!can.dtypes.has(info.dtype)) {
    const std::string others = ids_that(
        [](const Format& f, const TensorInfo& t) { return f.capabilities.kinds.has(t.kind) && f.capabilities.dtypes.has(t.dtype); }, info);
    return unsupported(concat(format.id, " cannot hold ", quoted(info.name), ", whose elements are ", dtype_name(info.dtype),
                              "; use --cast, or a format that holds it: ", others));
  }
  return {};
}

Status check_count(size_t count, const Format& format) {
  if (!format.can_write()) return unsupported(concat(format.id, " is read only"));
  if (!format.capabilities.many && count != 1) {
    return unsupported(concat(format.id, " holds exactly one tensor and ", count, " are given; choose one with --select NAME"));
  }
  return {};
}

}  // namespace

bool KindSet::has(TensorKind kind) const {
  switch (kind) {
    case TensorKind::dense: return dense;
    case TensorKind::coo: return coo;
    case TensorKind::csr: return csr;
    case TensorKind::csc: return csc;
    case TensorKind::ragged: return ragged;
  }
  __builtin_unreachable();
}

std::string_view FormatOptions::get(std::string_view name, std::string_view otherwise) const {
  const std::string* value = values_.find(name);
  return value == nullptr ? otherwise : std::string_view(*value);
}

Result<bool> FormatOptions::get_bool(std::string_view name, bool otherwise) const {
  const std::string* value = values_.find(name);
  if (value == nullptr) return otherwise;
  for (std::string_view yes : {"true", "1", "yes", "on", "True"}) {
    if (*value == yes) return true;
  }
  for (std::string_view no : {"false", "0", "no", "off", "False"}) {
    if (*value == no) return false;
  }
  return invalid_argument(concat("option ", name, " is ", quoted(*value), ", expected true or false"));
}

Result<int64_t> FormatOptions::get_int(std::string_view name, int64_t otherwise) const {
  const std::string* value = values_.find(name);
  if (value == nullptr) return otherwise;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc() || end != value->data() + value->size()) {
    return invalid_argument(concat("option ", name, " is ", quoted(*value), ", expected a whole number"));
  }
  return number;
}

const Metadata& TensorReader::metadata() const {
  static const Metadata none;
  return none;
}

const Metadata& TensorNames::metadata() const {
  static const Metadata none;
  return none;
}

Status TensorReader::verify() const {
  for (size_t i = 0; i < tensors().size(); ++i) {
    auto tensor = read(i);
    if (!tensor.ok()) return tensor.status().with_context(concat("tensor ", quoted(tensors()[i].name)));
  }
  return {};
}

std::span<const Format* const> all_formats() { return {kFormats, std::size(kFormats) - 1}; }

const Format* find_format(std::string_view id) {
  for (const Format* format : all_formats()) {
    if (format->id == id) return format;
  }
  return nullptr;
}

Result<const Format*> detect_format(const ByteSource& source) {
  // Copied, so that a file need not be mapped for it.
  std::byte bytes[kHead], last_bytes[kTail];
  const auto head = std::span(bytes).first(static_cast<size_t>(std::min<uint64_t>(source.size(), kHead)));
  const auto tail = std::span(last_bytes).first(static_cast<size_t>(std::min<uint64_t>(source.size(), kTail)));
  FERRY_RETURN_IF_ERROR(source.read_at(0, head));
  FERRY_RETURN_IF_ERROR(source.read_at(source.size() - tail.size(), tail));
  const Format* grammar = nullptr;
  Sniff best = Sniff::maybe;
  for (const Format* format : all_formats()) {
    if (format->sniff == nullptr || format->open == nullptr) continue;
    const Sniff sniff = std::max(format->sniff(head), format->sniff_end == nullptr ? Sniff::no : format->sniff_end(tail));
    if (sniff == Sniff::certain) {
      const auto claims = [&](const Format* other) { return other->within == format->id && other->claims(source); };
      const auto it = std::ranges::find_if(all_formats(), claims);
      return it == all_formats().end() ? format : *it;
    }
    if (sniff > best) {
      best = sniff;
      grammar = format;
    }
  }
  if (const Format* named = format_by_extension(source.name()); named != nullptr && named->open != nullptr) return named;
  if (grammar != nullptr) return grammar;
  return unsupported("no format is known by this name or by these first bytes; name one with --from (ferry help formats lists them)");
}

Result<const Format*> format_for_output(std::string_view path) {
  const Format* format = format_by_extension(path);
  if (format == nullptr) {
    return unsupported(
        concat("no format is known by the extension of ", quoted(path), "; name one with --to (ferry help formats lists them)"));
  }
  if (!format->can_write()) return unsupported(concat(format->id, " is read only; choose another format with --to"));
  return format;
}

Result<Place> find_place(const std::string& path, const Limits& limits) {
  if (path != "-" && is_folder(path)) return Place{nullptr, directory(path, limits)};
  OpenOptions open;
  open.limits = limits;
  auto source = open_source(path, open);
  const bool is_there = source.ok() || source.status().code() != StatusCode::not_found;
  for (const Format* format : all_formats()) {
    if (format->locate == nullptr) continue;
    if (const auto found = format->locate(path, is_there)) {
      source = open_source(*found, open);
      break;
    }
  }
  if (!source.ok()) return source.status();
  return Place{*std::move(source), nullptr};
}

Result<const Format*> detect_format(const Place& place) {
  if (place.source != nullptr) return detect_format(*place.source);
  const Format* best = nullptr;
  Sniff sure = Sniff::no;
  for (const Format* format : all_formats()) {
    const Sniff sniff = format->sniff_folder == nullptr ? Sniff::no : format->sniff_folder(*place.folder);
    if (sniff <= sure) continue;
    sure = sniff;
    best = format;
  }
  if (best != nullptr) return best;
  return io_error("is a folder in which no format is recognised; give a file, or name the format with --from");
}

Result<std::unique_ptr<TensorReader>> open_tensors(const Place& place, const Format* format, const ReadOptions& options) {
  if (format == nullptr) {
    FERRY_ASSIGN_OR_RETURN(format, detect_format(place));
  }
  if (place.source != nullptr) {
    if (format->open != nullptr) return format->open(place.source, options);
    if (format->open_folder != nullptr) return unsupported(concat(format->id, " is a folder of files, and this is a file"));
    return unsupported(concat(format->id, " is write only"));
  }
  if (format->open_folder == nullptr) return unsupported(concat(format->id, " is a file, and this is a folder"));
  return format->open_folder(place.folder, options);
}

Result<std::unique_ptr<TensorReader>> open_tensors(const std::string& path, const Format* format, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const Place place, find_place(path, options.limits));
  return open_tensors(place, format, options);
}

Result<std::unique_ptr<TensorNames>> open_names(const Place& place, const Format& format, const ReadOptions& options) {
  if (place.source == nullptr || format.open_names == nullptr) return std::unique_ptr<TensorNames>();
  return format.open_names(place.source, options);
}

Result<TensorMap> read_tensors(const TensorReader& reader) {
  TensorMap out;
  out.metadata = reader.metadata();
  for (size_t i = 0; i < reader.tensors().size(); ++i) {
    const TensorInfo& info = reader.tensors()[i];
    FERRY_ASSIGN_OR_RETURN(Tensor tensor, reader.read(i));
    FERRY_RETURN_IF_ERROR(out.add(info.name, std::move(tensor), info.metadata));
  }
  return out;
}

Result<TensorMap> read_tensors(std::shared_ptr<const ByteSource> source, const Format* format, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const auto reader, open_tensors(Place{std::move(source), nullptr}, format, options));
  return read_tensors(*reader);
}

Result<TensorMap> load(const std::string& path, const Format* format, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const auto reader, open_tensors(path, format, options));
  return read_tensors(*reader);
}

Status save(const TensorMap& tensors, const std::string& path, const Format* format, const WriteOptions& options) {
  return save_any(tensors, path, format, options);
}

Status save(const TensorReader& tensors, const std::string& path, const Format* format, const WriteOptions& options) {
  return save_any(tensors, path, format, options);
}

Status write_to(const TensorMap& tensors, const Format& format, ByteSink& sink, const WriteOptions& options) {
  FERRY_RETURN_IF_ERROR(check_writable(tensors, format));
  FERRY_RETURN_IF_ERROR(write_bytes(tensors, format, sink, options));
  return sink.close();
}

Status write_to(const TensorReader& tensors, const Format& format, ByteSink& sink, const WriteOptions& options) {
  FERRY_RETURN_IF_ERROR(check_writable(tensors.tensors(), format));
  FERRY_RETURN_IF_ERROR(write_bytes(tensors, format, sink, options));
  return sink.close();
}

Result<std::string> to_bytes(const TensorMap& tensors, const Format& format, const WriteOptions& options) {
  std::string out;
  FERRY_RETURN_IF_ERROR(write_to(tensors, format, *memory_sink(out), options));
  return out;
}

Status check_writable(const TensorMap& tensors, const Format& format) {
  FERRY_RETURN_IF_ERROR(check_count(tensors.size(), format));
  const Capabilities& can = format.capabilities;
  for (const auto& entry : tensors) {
    const size_t rank = shape_of(entry.tensor).rank();
    const bool fits =
        can.kinds.has(kind_of(entry.tensor)) && can.dtypes.has(dtype_of(entry.tensor)) && rank >= can.min_rank && rank <= can.max_rank;
    if (!fits) return check_one(info_of(entry), format);
  }
  return {};
}

Status check_writable(std::span<const TensorInfo> tensors, const Format& format) {
  FERRY_RETURN_IF_ERROR(check_count(tensors.size(), format));
  for (const TensorInfo& info : tensors) FERRY_RETURN_IF_ERROR(check_one(info, format));
  return {};
}

Result<Tensor> fit_layout(const Tensor& x, const Format& format, ThreadPool* pool) {
  const KindSet& takes = format.capabilities.kinds;
  const auto* sparse = std::get_if<SparseTensor>(&x);
  if (sparse == nullptr || takes.has(kind_of(x))) return x;
  const bool compressed = sparse->rank() == 2 && (takes.csr || takes.csc);
  if (!takes.coo && !compressed) return x;  // check_writable() says what to do
  FERRY_ASSIGN_OR_RETURN(SparseTensor out, to_layout(*sparse,
                                                     takes.coo   ? Layout::coo
                                                     : takes.csr ? Layout::csr
                                                                 : Layout::csc,
                                                     std::nullopt, pool));
  return Tensor(std::move(out));
}

std::unique_ptr<TensorReader> reader_of(TensorMap tensors) { return std::make_unique<MapReader>(std::move(tensors)); }

}  // namespace ferry
