#include "formats/arrow/array.h"

#include <bit>

namespace ferry::arrow {

Result<Buffer> LazyBuffer::load() const {
  if (!body_ || size_ == 0) return ready_;
  FERRY_ASSIGN_OR_RETURN(Buffer stored, body_->source->view(body_->offset + offset_, size_));
  if (!body_->codec) return stored;
  const uint64_t at = body_->offset + offset_;
  if (size_ < 8) return data_loss_at(at, concat("a compressed buffer has ", size_, " bytes, expected at least 8 for its length"));
  int64_t expanded;
  std::memcpy(&expanded, stored.data(), 8);
  Buffer rest = stored.slice(8, stored.size() - 8);
  if (expanded == -1) return rest;  // kept as it was, since it did not shrink
  if (expanded < 0) return data_loss_at(at, concat("a compressed buffer announces ", expanded, " bytes"));
  auto out = decompress_block(*body_->codec, rest.bytes(), static_cast<uint64_t>(expanded), body_->limits);
  if (!out.ok()) return Status(out.status().code(), std::string(out.status().message()), at);
  return out;
}

size_t buffer_count(TypeId id, bool version4) {
  switch (id) {
    case TypeId::null:
    case TypeId::run_end_encoded: return 0;
    case TypeId::fixed_size_list:
    case TypeId::structure: return 1;
    case TypeId::boolean:
    case TypeId::int8:
    case TypeId::int16:
    case TypeId::int32:
    case TypeId::int64:
    case TypeId::uint8:
    case TypeId::uint16:
    case TypeId::uint32:
    case TypeId::uint64:
    case TypeId::float16:
    case TypeId::float32:
    case TypeId::float64:
    case TypeId::fixed_size_binary:
    case TypeId::decimal:
    case TypeId::interval:
    case TypeId::list:
    case TypeId::large_list:
    case TypeId::map:
    case TypeId::utf8_view:  // and as many as its variadic count says
    case TypeId::binary_view: return 2;
    case TypeId::utf8:
    case TypeId::binary:
    case TypeId::large_utf8:
    case TypeId::large_binary:
    case TypeId::list_view:
    case TypeId::large_list_view: return 3;
    case TypeId::sparse_union: return version4 ? 2 : 1;
    case TypeId::dense_union: return version4 ? 3 : 2;
  }
  __builtin_unreachable();
}

Result<int64_t> count_nulls(const ArrayData& array, int64_t begin, int64_t end, int64_t* first) {
  if (array.nulls == 0 || begin == end) return int64_t{0};
  if (array.buffers.empty()) return int64_t{0};
  if (!array.buffers[0].present()) {
    if (array.nulls > 0) return data_loss(concat("an array announces ", array.nulls, " nulls and has no validity bitmap"));
    return int64_t{0};
  }
  FERRY_ASSIGN_OR_RETURN(const Buffer bitmap, array.buffers[0].load());
  if (bitmap.size() < static_cast<uint64_t>(end / 8 + (end % 8 != 0))) {
    return data_loss(concat("a validity bitmap has ", bitmap.size(), " bytes, too few for ", end, " elements"));
  }
  const auto* bits = reinterpret_cast<const uint8_t*>(bitmap.data());
  int64_t nulls = 0, at = begin;
  const auto one = [&](int64_t i) {
    if ((bits[i / 8] >> (i % 8) & 1) == 0) {
      if (nulls == 0 && first != nullptr) *first = i - begin;
      ++nulls;
    }
  };
  while (at < end && at % 8 != 0) one(at++);
  for (; at + 64 <= end; at += 64) {
    uint64_t word;
    std::memcpy(&word, bits + at / 8, 8);
    if (word == ~uint64_t{0}) continue;
    if (nulls == 0 && first != nullptr) *first = at - begin + std::countr_one(word);
    nulls += 64 - std::popcount(word);
  }
  while (at < end) one(at++);
  return nulls;
}

}  // namespace ferry::arrow
