#include "formats/ckpt/bundle.h"

#include <algorithm>
#include <cstring>

#include "ferry/checked.h"
#include "ferry/crc32c.h"
#include "formats/ckpt/slices.h"
#include "formats/elements.h"
#include "wire/protobuf.h"

namespace ferry::ckpt {
namespace {

constexpr int64_t kMostShards = 100'000;  // five digits in their names
constexpr int32_t kVersion = 1;           // what TensorFlow has written so far

// varint length of each string, masked crc32c of those lengths, the strings. The crc of the entry is taken of the lengths as fixed
// numbers, the stored crc, and the strings.
Result<DenseTensor> read_strings(const Buffer& bytes, const Shape& shape, uint32_t stored, bool check) {
  const auto count = static_cast<size_t>(*shape.num_elements());
  const std::byte *at = bytes.data(), *const end = at + bytes.size();
  if (count > bytes.size()) return data_loss(concat(count, " strings in ", bytes.size(), " bytes"));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(count + 1));
  const std::span<int64_t> ends = offsets.as<int64_t>();
  ends[0] = 0;
  uint32_t crc = 0;
  for (size_t i = 0; i < count; ++i) {
    uint64_t length;
    at = proto::read_varint(at, end, length);
    if (at == nullptr) return data_loss(concat("the length of string ", i, " is cut off"));
    if (length > bytes.size()) return data_loss(concat("string ", i, " has ", length, " bytes, all of them together ", bytes.size()));
    ends[i + 1] = ends[i] + static_cast<int64_t>(length);
    if (ends[i + 1] > static_cast<int64_t>(bytes.size()))
      return data_loss(concat("strings longer than the ", bytes.size(), " bytes they are kept in"));
    if (length <= UINT32_MAX) {
      const auto narrow = static_cast<uint32_t>(length);
      crc = crc32c(std::as_bytes(std::span(&narrow, 1)), crc);
    } else {
      crc = crc32c(std::as_bytes(std::span(&length, 1)), crc);
    }
  }
  if (end - at < 4) return data_loss("the checksum of the strings' lengths is cut off");
  uint32_t lengths_crc;
  std::memcpy(&lengths_crc, at, 4);
  if (check && lengths_crc != mask_crc(crc)) return data_loss("the checksum of the strings' lengths does not fit them");
  const std::span<const std::byte> sum(at, 4), text(at + 4, end);
  if (static_cast<int64_t>(text.size()) != ends[count]) {
    return data_loss(concat("strings of ", ends[count], " bytes, kept in ", text.size()));
  }
  if (check && mask_crc(crc32c(text, crc32c(sum, crc))) != stored) return data_loss("the checksum does not fit the bytes");
  return DenseTensor::make_strings(shape, std::move(offsets).freeze(),
                                   bytes.slice(static_cast<size_t>(text.data() - bytes.data()), text.size()));
}

// The same without keeping a large mapped file's pages: who reads on finds them in the file again.
uint32_t crc_behind(const Buffer& bytes, ThreadPool* pool) {
  constexpr size_t kPiece = size_t{4} << 20;
  if (!bytes.is_mapped() || bytes.size() <= kPiece) return crc32c(bytes.bytes(), pool);
  const size_t pieces = (bytes.size() + kPiece - 1) / kPiece;
  const auto piece = [&](size_t i) { return bytes.slice(i * kPiece, std::min(kPiece, bytes.size() - i * kPiece)); };
  std::vector<uint32_t> crcs(pieces);
  parallel_for(pool, static_cast<int64_t>(pieces), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      crcs[i] = crc32c(piece(i).bytes());
      piece(i).drop_pages();
    }
  });
  uint32_t crc = crcs[0];
  for (size_t i = 1; i < pieces; ++i) crc = crc32c_joined(crc, crcs[i], piece(i).size());
  return crc;
}

}  // namespace

std::string shard_numbers(int64_t shard, int64_t shards) {
  char numbers[48];
  const int size =
      std::snprintf(numbers, sizeof numbers, "-%05lld-of-%05lld", static_cast<long long>(shard), static_cast<long long>(shards));
  return std::string(numbers, static_cast<size_t>(size));
}

std::string shard_name(std::string_view prefix, int64_t shard, int64_t shards) {
  return concat(prefix, ".data", shard_numbers(shard, shards));
}

Shards::Shards(const ByteSource& index, int64_t count) : folder_(index.folder()), files_(static_cast<size_t>(count)) {
  prefix_ = last_part(index.name());
  if (prefix_.ends_with(kIndexSuffix)) prefix_.resize(prefix_.size() - kIndexSuffix.size());
}

std::string Shards::name(int64_t shard) const { return shard_name(prefix_, shard, static_cast<int64_t>(files_.size())); }

Result<std::shared_ptr<const ByteSource>> Shards::open(int64_t shard) const {
  const std::scoped_lock lock(mutex_);
  auto& file = files_[static_cast<size_t>(shard)];
  if (file != nullptr) return file;
  if (folder_ == nullptr) return unsupported("a checkpoint read from a pipe or from memory has no data files beside it; give its path");
  const std::string wanted = name(shard);
  auto opened = folder_->open(wanted);
  if (opened.status().code() == StatusCode::not_found)
    return not_found(concat("the data file ", quoted(wanted), " is not beside the index"));
  FERRY_ASSIGN_OR_RETURN(file, std::move(opened));
  return file;
}

Result<Buffer> Shards::bytes(const ByteSource& file, uint64_t offset, uint64_t size) const {
  constexpr uint64_t kSmall = 16 << 10;
  constexpr int kFew = 4;
  if (size > kSmall || small_.load(std::memory_order_relaxed) >= kFew) return file.view(offset, size);
  small_.fetch_add(1, std::memory_order_relaxed);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(size));
  FERRY_RETURN_IF_ERROR(file.read_at(offset, {out.data(), out.size()}));
  return std::move(out).freeze();
}

Result<std::shared_ptr<const Bundle>> Bundle::open(std::shared_ptr<const ByteSource> index, SortedTable table,
                                                   std::span<const std::byte> header, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const Header found, read_header(header));
  if (found.big_endian)
    return unsupported("the checkpoint was written by a big-endian machine; restore and save it on a little-endian one");
  if (found.min_consumer > kVersion) {
    return unsupported(concat("the checkpoint asks for a reader of version ", found.min_consumer, ", this is one of ", kVersion));
  }
  if (found.shards < 0 || found.shards > kMostShards) return data_loss(concat("the header announces ", found.shards, " data files"));
  return std::shared_ptr<const Bundle>(new Bundle(*index, std::move(table), found.shards, options));
}

Result<std::optional<Entry>> Bundle::find(std::string_view name) const {
  FERRY_ASSIGN_OR_RETURN(const auto value, table_.find(name));
  if (!value) return std::optional<Entry>();
  FERRY_ASSIGN_OR_RETURN(Entry entry, read_entry(name, value->bytes(), limits_));
  return std::optional(std::move(entry));
}

Result<DType> Bundle::dtype_of(const Entry& entry) {
  const auto dtype = dtype_from_number(entry.dtype_number);
  if (!dtype) return data_loss(concat("its dtype is ", entry.dtype_number, ", which TensorFlow does not have"));
  return *dtype;
}

Status Bundle::check(const Entry& entry, DType dtype) const {
  const auto bytes =
      checked_mul<uint64_t>(static_cast<uint64_t>(*entry.shape.num_elements()), dtype == DType::string ? 8 : dtype_size(dtype));
  if (!bytes) return data_loss(concat("shape ", entry.shape.to_string(), " needs more than 2^64 bytes"));
  return entry.slices.empty() ? check_bytes(entry, dtype) : check_slices(entry.slices, entry.shape);
}

Status Bundle::check_bytes(const Entry& entry, DType dtype) const {
  if (entry.shard < 0 || entry.shard >= shards_.count()) {
    return data_loss(concat("it lies in data file ", entry.shard, ", and there are ", shards_.count()));
  }
  if (entry.offset < 0 || entry.size < 0) return data_loss(concat("it has ", entry.size, " bytes at ", entry.offset));
  const auto count = static_cast<uint64_t>(*entry.shape.num_elements());
  if (dtype == DType::string) {
    if (static_cast<uint64_t>(entry.size) < 4 || static_cast<uint64_t>(entry.size) - 4 < count) {
      return data_loss(concat(count, " strings need at least ", count + 4, " bytes, the entry says ", entry.size));
    }
    return {};
  }
  const auto wanted = checked_mul<uint64_t>(count, dtype_size(dtype));
  if (!wanted || *wanted != static_cast<uint64_t>(entry.size)) {
    return data_loss(concat("shape ", entry.shape.to_string(), " of ", dtype_name(dtype), " needs ",
                            wanted ? concat(*wanted) : std::string("more than 2^64"), " bytes, the entry says ", entry.size));
  }
  return {};
}

Result<DenseTensor> Bundle::read_whole(const Entry& entry, DType dtype, bool check) const {
  FERRY_ASSIGN_OR_RETURN(const auto file, shards_.open(entry.shard));
  const auto offset = static_cast<uint64_t>(entry.offset), size = static_cast<uint64_t>(entry.size);
  const auto place = [&] { return concat(quoted(shards_.name(entry.shard)), " at byte ", offset); };
  if (offset > file->size() || size > file->size() - offset) {
    return data_loss(concat(quoted(shards_.name(entry.shard)), " has ", file->size(), " bytes, and this needs ", size, " at ", offset));
  }
  if (size > limits_.max_tensor_bytes) return limit_exceeded(concat("a tensor of ", size, " bytes (max_tensor_bytes)"));
  FERRY_ASSIGN_OR_RETURN(const Buffer bytes, shards_.bytes(*file, offset, size));
  if (dtype == DType::string) {
    auto strings = read_strings(bytes, entry.shape, entry.crc, check);
    if (!strings.ok()) return strings.status().with_context(place());
    return strings;
  }
  if (check && mask_crc(streaming_ ? crc_behind(bytes, pool_) : crc32c(bytes.bytes(), pool_)) != entry.crc)
    return data_loss(concat(place(), ": the checksum does not fit the bytes"));
  if (dtype == DType::bool_) {
    if (const Status status = check_bools(bytes.bytes()); !status.ok()) return status.shifted(offset).nested(place());
  }
  return DenseTensor::make(dtype, entry.shape, bytes);
}

Result<Entry> Bundle::piece(std::string_view name, const Entry& entry, const Slice& slice, const Shape& shape) const {
  FERRY_ASSIGN_OR_RETURN(const auto value, table_.find(slice_key(name, slice)));
  if (!value) return data_loss(concat("the slice ", slice_text(slice), " is not in the index"));
  FERRY_ASSIGN_OR_RETURN(Entry out, read_entry(name, value->bytes(), limits_));
  const auto dtype = dtype_from_number(entry.dtype_number);
  if (out.dtype_number != entry.dtype_number || !(out.shape == shape) || !out.slices.empty()) {
    return data_loss(concat("the slice ", slice_text(slice), " has shape ", out.shape.to_string(), ", expected ", shape.to_string(), " of ",
                            dtype_name(*dtype)));
  }
  if (const Status status = check_bytes(out, *dtype); !status.ok()) return status.with_context(concat("slice ", slice_text(slice)));
  return out;
}

Result<DenseTensor> Bundle::read_pieces(std::string_view name, const Entry& entry, DType dtype, bool check) const {
  return join_slices(entry.slices, dtype, entry.shape, limits_, [&](size_t i, const Shape& shape) -> Result<DenseTensor> {
    FERRY_ASSIGN_OR_RETURN(const Entry part, piece(name, entry, entry.slices[i], shape));
    return read_whole(part, dtype, check);
  });
}

Result<DenseTensor> Bundle::read(std::string_view name, const Entry& entry, DType dtype, bool check) const {
  auto tensor = entry.slices.empty() ? read_whole(entry, dtype, check) : read_pieces(name, entry, dtype, check);
  if (!tensor.ok()) return tensor.status().with_context(concat("tensor ", quoted(name)));
  return tensor;
}

}  // namespace ferry::ckpt
