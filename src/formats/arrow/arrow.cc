// The two entries of the format table: `arrow`, files; `arrows`, streams. Either reads both. docs/formats/arrow.md
#include <algorithm>
#include <array>

#include "ferry/format.h"
#include "formats/arrow/encode.h"
#include "formats/arrow/ipc_reader.h"
#include "formats/arrow/ipc_writer.h"
#include "formats/arrow/path.h"
#include "formats/arrow/tensor_message.h"

namespace ferry {
namespace arrow {
namespace {

bool wanted(std::string_view columns, std::string_view name) {
  while (!columns.empty()) {
    const size_t comma = columns.find(',');
    if (columns.substr(0, comma) == name) return true;
    if (comma == std::string_view::npos) return false;
    columns.remove_prefix(comma + 1);
  }
  return false;
}

class Reader : public TensorReader {
 public:
  Status open(const std::shared_ptr<const ByteSource>& source, const ReadOptions& options) {
    FERRY_ASSIGN_OR_RETURN(contents_, read_ipc(source, options.limits));
    const std::string_view columns = options.format.get("columns");
    std::vector<const ArrayData*> chunks;
    for (size_t i = 0; i < contents_.schema.fields.size(); ++i) {
      const Field& field = contents_.schema.fields[i];
      if (!columns.empty() && !wanted(columns, field.name)) continue;
      chunks.clear();
      // Chunks of no rows say nothing, and without them one full chunk is used where it lies.
      for (const ArrayData& batch : contents_.batches) {
        if (batch.length > 0) chunks.push_back(&batch.children[i]);
      }
      if (Status status = column_tensors(field, chunks, options, tensors_); !status.ok()) {
        return status.with_context(concat("column ", quoted(field.name)));
      }
    }
    const size_t messages = contents_.tensors.size();
    for (size_t i = 0; i < messages; ++i) {
      std::string name = messages == 1 && contents_.schema.fields.empty() ? "" : concat("tensor_", i);
      FERRY_ASSIGN_OR_RETURN(auto tensor, message_tensor(contents_.tensors[i], std::move(name), options));
      tensors_.push_back(std::move(tensor));
    }
    for (const auto& tensor : tensors_) infos_.push_back(tensor->info());
    return check_names();
  }

  std::span<const TensorInfo> tensors() const override { return infos_; }
  Result<Tensor> read(size_t i) const override { return tensors_[i]->read(); }
  const Metadata& metadata() const override { return contents_.schema.metadata; }

 private:
  // Arrow allows equal column names; a TensorMap does not.
  Status check_names() const {
    std::vector<std::string_view> names;
    for (const TensorInfo& info : infos_) names.push_back(info.name);
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    if (twice == names.end()) return {};
    return unsupported(concat("two columns are named ", quoted(*twice), ", which Arrow allows and tensors do not; rename one of them"));
  }

  IpcContents contents_;
  std::vector<std::unique_ptr<ColumnTensor>> tensors_;
  std::vector<TensorInfo> infos_;
};

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  auto reader = std::make_unique<Reader>();
  FERRY_RETURN_IF_ERROR(reader->open(source, options));
  return std::unique_ptr<TensorReader>(std::move(reader));
}

Status write_as(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options, bool stream) {
  IpcOptions ipc;
  FERRY_ASSIGN_OR_RETURN(ipc.stream, options.format.get_bool("stream", stream));
  const std::string_view compression = options.format.get("compression", "none");
  if (compression == "lz4") {
    ipc.codec = BlockCodec::lz4_frame;
  } else if (compression == "zstd") {
    ipc.codec = BlockCodec::zstd;
  } else if (compression != "none") {
    return invalid_argument(concat("option compression is ", quoted(compression), ", expected none, lz4 or zstd"));
  }
  FERRY_ASSIGN_OR_RETURN(const int64_t level, options.format.get_int("level", 0));
  if (level < 0 || level > 22) return invalid_argument(concat("option level is ", level, ", expected 0 to 22"));
  ipc.level = static_cast<int>(level);
  const std::string_view rows = options.format.get("rows", "auto");
  if (rows != "auto" && rows != "one") return invalid_argument(concat("option rows is ", quoted(rows), ", expected auto or one"));
  FERRY_ASSIGN_OR_RETURN(const Table table, encode_table(tensors, rows == "one" ? Arrangement::one_row : Arrangement::automatic));
  return write_ipc(table, sink, ipc);
}

Status write_file(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) { return write_as(tensors, sink, options, false); }
Status write_stream(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  return write_as(tensors, sink, options, true);
}

Sniff sniff_file(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  return text.starts_with("ARROW1") || text.starts_with("FEA1") ? Sniff::certain : Sniff::no;
}

// The continuation mark, and a flatbuffer whose root table is a message of a version that there is.
Sniff sniff_stream(std::span<const std::byte> head) {
  if (head.size() < 16) return Sniff::no;
  uint32_t mark, length;
  std::memcpy(&mark, head.data(), 4);
  std::memcpy(&length, head.data() + 4, 4);
  if (mark != 0xFFFFFFFF || length < 8 || length > INT32_MAX || length % 8 != 0) return Sniff::no;
  flatbuffers::Bytes bytes(head.subspan(8, std::min<size_t>(head.size() - 8, length)));
  const auto root = flatbuffers::Table::root(bytes);
  if (!root.ok()) return Sniff::no;
  const auto version = root->scalar<int16_t>(0, 0);
  const auto kind = root->scalar<uint8_t>(1, 0);
  return version.ok() && *version >= 0 && *version <= 4 && kind.ok() && *kind >= 1 && *kind <= 5 ? Sniff::likely : Sniff::no;
}

constexpr std::array<std::string_view, 3> kFileExtensions = {".arrow", ".feather", ".ipc"};
constexpr std::array<std::string_view, 2> kStreamExtensions = {".arrows", ".arrow_stream"};
constexpr std::array<OptionSpec, 5> kOptions = {{
    {"stream", "true|false", "write the stream format instead of the file format, or the other way round"},
    {"compression", "none|lz4|zstd", "compress each buffer (views into the file are then not possible)"},
    {"level", "N", "compression level, 0 for the codec's own default"},
    {"rows", "auto|one", "auto: tensors with equally many rows are columns of one table; one: each tensor whole in one row"},
    {"columns", "A,B,…", "read only these columns"},
}};
constexpr Capabilities kCapabilities{.kinds = KindSet::all(), .dtypes = DTypeSet::all(), .metadata = true};

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "arrow",
    .summary = "Apache Arrow IPC file (Feather 2): columns for pandas, polars, duckdb; mapped, lz4 and zstd",
    .readers = "pyarrow, polars, DuckDB, pandas",
    .extensions = kFileExtensions,
    .capabilities = kCapabilities,
    .options = kOptions,
    .sniff = sniff_file,
    .open = open,
    .write = write_file,
};

}  // namespace arrow

namespace arrows {

extern const Format kFormat;
const Format kFormat = {
    .id = "arrows",
    .summary = "Apache Arrow IPC stream; reads the deprecated Tensor and SparseTensor messages too",
    .readers = "pyarrow, polars, DuckDB",
    .extensions = arrow::kStreamExtensions,
    .capabilities = arrow::kCapabilities,
    .options = arrow::kOptions,
    .sniff = arrow::sniff_stream,
    .open = arrow::open,
    .write = arrow::write_stream,
};

}  // namespace arrows
}  // namespace ferry
