// The zarr format: arrays of chunks in a folder or a zip archive; composite tensors by the Parts rule and by AnnData's attributes.
#include <algorithm>
#include <mutex>
#include <unordered_set>

#include "ferry/checked.h"
#include "ferry/format.h"
#include "formats/elements.h"
#include "formats/h5/sparse_group.h"
#include "formats/metadata.h"
#include "formats/zarr/chunk.h"
#include "formats/zarr/store.h"

namespace ferry::zarr {
namespace {

std::string below(const std::string& path, std::string_view name) { return path.empty() ? std::string(name) : concat(path, "/", name); }

struct Array {
  size_t node;
  bool given = false;  // made from attributes
  DenseTensor tensor;
};

// Thread-safe: nothing changes after start().
class ZarrArrays : public ArrayReader {
 public:
  ZarrArrays(std::shared_ptr<const Folder> folder, std::vector<Node> nodes, const ReadOptions& options)
      : folder_(std::move(folder)), nodes_(std::move(nodes)), limits_(options.limits), pool_(options.pool) {}

  Status start();
  std::span<const TensorInfo> arrays() const override { return infos_; }
  const Metadata& metadata() const override { return metadata_; }
  Result<DenseTensor> read_array(size_t i) const override {
    if (arrays_[i].given) return arrays_[i].tensor;
    const Node& node = nodes_[arrays_[i].node];
    auto out = node.array.obstacle.empty() ? read_node(node) : Result<DenseTensor>(unsupported(node.array.obstacle));
    if (!out.ok()) return out.status().with_context(concat("array ", quoted(node.path)));
    return out;
  }

 private:
  Status add_group(const Node& node, size_t at);
  Status add_node(const Node& node, size_t at);
  void add_metadata(const Node& node, std::span<const std::string_view> but);
  bool is_one_plain_chunk(const ArrayMeta& array) const;
  Result<DenseTensor> read_node(const Node& node) const;
  Status check_size(const ArrayMeta& array, std::span<const StoredChunk> chunks, uint64_t bytes) const;
  Status fill_in(const Node& node, std::span<const StoredChunk> chunks, std::byte* data, size_t width, TextKeeper& texts) const;

  std::shared_ptr<const Folder> folder_;
  std::vector<Node> nodes_;
  Limits limits_;
  ThreadPool* pool_;
  std::vector<Array> arrays_;
  std::vector<TensorInfo> infos_;
  std::unordered_set<std::string> names_;
  Metadata metadata_;
};

std::string text_of(const json::Tree& value) { return value.text; }

bool is_sharded(const ArrayMeta& array) {
  return std::ranges::any_of(array.codecs, [](const Codec& codec) { return codec.kind == CodecKind::sharding; });
}

void ZarrArrays::add_metadata(const Node& node, std::span<const std::string_view> but) {
  for (size_t i = 0; i < node.attributes.keys.size(); ++i) {
    const std::string& key = node.attributes.keys[i];
    if (std::ranges::find(but, key) == but.end()) metadata_.append(below(node.path, key), text_of(node.attributes.items[i]));
  }
}

// As formats/h5: the shape of AnnData's sparse groups is an attribute.
Status ZarrArrays::add_group(const Node& node, size_t at) {
  static constexpr std::string_view kSparse[] = {h5::kEncodingType, h5::kEncodingVersion, "shape"};
  const json::Tree* encoding = node.attributes.find(h5::kEncodingType);
  const auto layout = encoding == nullptr ? std::nullopt : h5::sparse_encoding(encoding->text);
  const json::Tree* shape = node.attributes.find("shape");
  const auto dims = shape == nullptr ? std::nullopt : shape->integers();
  const bool has_members = names_.contains(below(node.path, "data")) && names_.contains(below(node.path, "indices")) &&
                           names_.contains(below(node.path, "indptr")) && !names_.contains(below(node.path, "shape"));
  if (!layout || !dims || dims->size() != 2 || !has_members) {
    add_metadata(node, {});
    return {};
  }
  add_metadata(node, kSparse);
  metadata_.append(concat(node.path, "/layout"), std::string(layout_name(*layout)));
  TensorInfo info;
  info.name = below(node.path, "shape");
  info.dtype = DType::int64;
  info.shape = Shape{2};
  info.bytes = 16;
  infos_.push_back(std::move(info));
  arrays_.push_back({at, true, DenseTensor::vector<int64_t>(*dims)});
  return {};
}

bool ZarrArrays::is_one_plain_chunk(const ArrayMeta& array) const {
  return array.codecs.empty() && array.element.kind == ElementKind::fixed && array.obstacle.empty() &&
         (!array.element.big_endian || array.element.size == 1) && std::ranges::equal(array.chunks, array.shape);
}

Status ZarrArrays::add_node(const Node& node, size_t at) {
  TensorInfo info;
  info.name = node.path;
  info.dtype = node.array.element.dtype;
  info.shape = node.array.shape;
  const uint64_t count = static_cast<uint64_t>(*info.shape.num_elements());
  const bool strings = node.array.element.kind != ElementKind::fixed;
  const auto bytes = strings ? checked_mul<uint64_t>(count, sizeof(int64_t)) : checked_mul<uint64_t>(count, node.array.element.size);
  if (!bytes)
    return limit_exceeded(concat("array ", quoted(node.path), " has shape ", info.shape.to_string(), ", more than memory can hold"));
  info.bytes = strings ? *bytes + sizeof(int64_t) : *bytes;
  info.zero_copy = is_one_plain_chunk(node.array);
  if (!node.array.element.note.empty()) info.metadata.set("zarr.dtype", node.array.element.note);
  MetadataEntries entries;
  for (size_t i = 0; i < node.attributes.keys.size(); ++i) entries.emplace_back(node.attributes.keys[i], node.attributes.items[i].text);
  set_all(info.metadata, entries);
  infos_.push_back(std::move(info));
  arrays_.push_back({at, false, {}});
  return {};
}

Status ZarrArrays::start() {
  for (const Node& node : nodes_) {
    if (node.is_array) names_.insert(node.path);
  }
  for (size_t at = 0; at < nodes_.size(); ++at) {
    FERRY_RETURN_IF_ERROR(nodes_[at].is_array ? add_node(nodes_[at], at) : add_group(nodes_[at], at));
  }
  return {};
}

// An array may be far larger than its chunks: what nobody stored is its fill value. And chunks may be far larger than their array.
Status ZarrArrays::check_size(const ArrayMeta& array, std::span<const StoredChunk> chunks, uint64_t bytes) const {
  const uint64_t most = std::min(limits_.max_tensor_bytes, limits_.max_expanded_bytes);
  if (bytes > most) {
    return limit_exceeded(
        concat("shape ", array.shape.to_string(), " takes ", bytes, " bytes, more than ", most, " (max_tensor_bytes, max_expanded_bytes)"));
  }
  if (!is_sharded(array)) {
    uint64_t chunk = checked_mul<uint64_t>(chunks.size(), array.element.size).value_or(UINT64_MAX);
    for (const int64_t dim : array.chunks) chunk = checked_mul(chunk, static_cast<uint64_t>(dim)).value_or(UINT64_MAX);
    bytes = std::max(bytes, chunk);
  }
  if (bytes <= limits_.free_expanded_bytes) return {};
  uint64_t stored = 0;
  for (const StoredChunk& chunk : chunks) {
    FERRY_ASSIGN_OR_RETURN(const auto source, folder_->open(chunk.name));
    stored += source->size();
    if (bytes / limits_.max_expansion_ratio <= stored) return {};
  }
  return limit_exceeded(concat("shape ", array.shape.to_string(), " in its chunks takes ", bytes, " bytes, more than ",
                               limits_.max_expansion_ratio, " times the ", stored, " bytes of its chunks (max_expansion_ratio)"));
}

Status ZarrArrays::fill_in(const Node& node, std::span<const StoredChunk> chunks, std::byte* data, size_t width, TextKeeper& texts) const {
  const ArrayMeta& array = node.array;
  const size_t rank = array.chunks.size();
  std::vector<int64_t> strides(rank);
  int64_t stride = 1;
  for (size_t axis = rank; axis-- > 0;) {
    strides[axis] = stride;
    stride *= array.shape[axis];
  }
  const ChunkDecoder decoder(array, limits_, texts);
  const auto one = [&](const StoredChunk& chunk) -> Status {
    std::vector<int64_t> extent(rank);
    int64_t offset = 0;
    for (size_t axis = 0; axis < rank; ++axis) {
      const int64_t start = chunk.at[axis] * array.chunks[axis];
      extent[axis] = std::min(array.chunks[axis], array.shape[axis] - start);
      offset += start * strides[axis];
    }
    FERRY_ASSIGN_OR_RETURN(const auto source, folder_->open(chunk.name));
    FERRY_ASSIGN_OR_RETURN(Buffer bytes, source->view(0, source->size()));
    const Target to{data + offset * static_cast<int64_t>(width), strides, width};
    return decoder.decode(std::move(bytes), array.codecs, array.chunks, extent, to);
  };
  std::mutex mutex;
  int64_t failed = INT64_MAX;
  Status first;
  parallel_for(pool_, static_cast<int64_t>(chunks.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Status status = one(chunks[static_cast<size_t>(i)]);
      if (status.ok()) continue;
      const std::lock_guard lock(mutex);
      if (i >= failed) return;
      failed = i;
      first = status.nested(concat("chunk ", chunks[static_cast<size_t>(i)].name));
      return;
    }
  });
  return first;
}

Result<DenseTensor> ZarrArrays::read_node(const Node& node) const {
  const ArrayMeta& array = node.array;
  const Element& element = array.element;
  const uint64_t count = static_cast<uint64_t>(*array.shape.num_elements());
  const bool strings = element.kind != ElementKind::fixed;
  const size_t width = strings ? sizeof(std::string_view) : element.size;
  if (count == 0) {
    if (strings) return DenseTensor::of_strings(array.shape, {});
    return DenseTensor::make(element.dtype, array.shape, Buffer());
  }
  FERRY_ASSIGN_OR_RETURN(const std::vector<StoredChunk> chunks, list_chunks(*folder_, node, limits_));
  if (is_one_plain_chunk(array) && chunks.size() == 1) {
    FERRY_ASSIGN_OR_RETURN(const auto source, folder_->open(chunks[0].name));
    if (source->size() != count * width) {
      return data_loss(concat("chunk ", chunks[0].name, " has ", source->size(), " bytes, expected ", count * width));
    }
    FERRY_ASSIGN_OR_RETURN(Buffer bytes, source->view(0, source->size()));
    if (element.dtype == DType::bool_) FERRY_RETURN_IF_ERROR(check_bools(bytes.bytes()));
    return DenseTensor::make(element.dtype, array.shape, std::move(bytes));
  }
  const auto bytes = checked_mul<uint64_t>(count, width);
  FERRY_RETURN_IF_ERROR(check_size(array, chunks, bytes.value_or(UINT64_MAX)));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(*bytes));
  uint64_t grid = 1;
  for (size_t axis = 0; axis < array.chunks.size(); ++axis) {
    const int64_t steps = array.shape[axis] / array.chunks[axis] + (array.shape[axis] % array.chunks[axis] != 0);
    grid = checked_mul(grid, static_cast<uint64_t>(steps)).value_or(UINT64_MAX);
  }
  if (chunks.size() < grid || is_sharded(array)) {
    if (strings) {
      std::ranges::fill(std::span(reinterpret_cast<std::string_view*>(out.data()), count), std::string_view(array.fill));
    } else if (array.fill.find_first_not_of('\0') == std::string::npos) {
      std::fill_n(out.data(), out.size(), std::byte{0});
    } else {
      for (uint64_t i = 0; i < count; ++i)
        std::copy_n(reinterpret_cast<const std::byte*>(array.fill.data()), width, out.data() + i * width);
    }
  }
  TextKeeper texts;
  FERRY_RETURN_IF_ERROR(fill_in(node, chunks, out.data(), width, texts));
  if (!strings) return DenseTensor::make(element.dtype, array.shape, std::move(out).freeze());
  StringsBuilder builder;
  for (const std::string_view text : std::span(reinterpret_cast<const std::string_view*>(out.data()), count)) {
    FERRY_RETURN_IF_ERROR(builder.append(text));
  }
  return std::move(builder).finish(array.shape);
}

Result<std::unique_ptr<TensorReader>> open_folder(std::shared_ptr<const Folder> folder, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(auto nodes, list_nodes(*folder, options.limits));
  auto arrays = std::make_unique<ZarrArrays>(std::move(folder), std::move(nodes), options);
  FERRY_RETURN_IF_ERROR(arrays->start());
  return reader_with_parts(std::move(arrays), options);
}

bool is_store(const Folder& folder) {
  return folder.has("zarr.json") || folder.has(".zgroup") || folder.has(".zarray") || folder.has(".zmetadata");
}

Sniff sniff_folder(const Folder& folder) { return is_store(folder) ? Sniff::certain : Sniff::no; }

Sniff sniff(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.size() < 30 || !text.starts_with("PK\3\4")) return Sniff::no;
  const auto size = static_cast<size_t>(static_cast<unsigned char>(text[26]) | static_cast<unsigned char>(text[27]) << 8);
  if (text.size() < 30 + size) return Sniff::no;
  const std::string_view name = text.substr(30, size);
  for (const std::string_view word : {"zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata"}) {
    if (name == word || (name.ends_with(word) && name[name.size() - word.size() - 1] == '/')) return Sniff::certain;
  }
  return Sniff::no;
}

// A zip archive of a store; some archives hold the store's folder and not its content.
Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(auto folder, zip_folder(std::move(source), options.limits));
  if (!is_store(*folder)) {
    FERRY_ASSIGN_OR_RETURN(const auto names, folder->list());
    if (names.size() == 1 && names[0].ends_with('/'))
      folder = sub_folder(folder, std::string_view(names[0]).substr(0, names[0].size() - 1));
  }
  return open_folder(std::move(folder), options);
}

constexpr std::string_view kExtensions[] = {".zarr", ".zarr.zip"};

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "zarr",
    .summary = "Zarr 2 and 3 stores: arrays of compressed chunks, AnnData",
    .readers = "zarr-python, xarray, AnnData",
    .extensions = kExtensions,
    .capabilities = {.kinds = KindSet::all(), .dtypes = DTypeSet::all(), .names = true, .metadata = true, .many = true, .streams = false},
    .options = {},
    .sniff = sniff,
    .open = open,
    .write = nullptr,
    .sniff_folder = sniff_folder,
    .open_folder = open_folder,
};

}  // namespace ferry::zarr
