// Records of the plain shape, which is what TensorFlow, libprotobuf and we write: whole lengths, a key and a value an entry, one
// list a Feature, numbers packed, no key twice. Anything else is left to example_general.cc, which begins the record again.
#include "records/example_rows.h"

#include <bit>
#include <cstring>

namespace ferry::records {
namespace {

constexpr uint8_t kOne = 0x0a, kTwo = 0x12;

// The length at `at`; past it afterwards. SIZE_MAX where it is no length of at most four bytes.
inline size_t length_at(const uint8_t*& at, const uint8_t* end) {
  if (at == end) return SIZE_MAX;
  size_t out = *at++;
  if (out < 0x80) [[likely]]
    return out;
  out &= 0x7f;
  for (int shift = 7; shift < 28; shift += 7) {
    if (at == end) return SIZE_MAX;
    const uint8_t byte = *at++;
    out |= static_cast<size_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return out;
  }
  return SIZE_MAX;
}

using One = ColumnRows::One;

One one_of(const ExampleColumn& column) {
  if (column.store == ExampleColumn::Store::sequence ? column.width != 1 : column.is_fixed() && column.width != 1) return One::none;
  switch (column.kind) {
    case FeatureKind::floats: return column.is_fixed() ? One::fixed_float : One::float_value;
    case FeatureKind::ints: return column.is_fixed() ? One::fixed_int : One::int_value;
    case FeatureKind::bytes: return column.is_fixed() ? One::fixed_string : One::string;
    case FeatureKind::none: break;
  }
  return One::none;
}

// Tag, length, tag, length: a Feature of `size` bytes, below 128, with one list of one field.
inline uint32_t head_of(uint32_t tag, size_t size) {
  return tag | static_cast<uint32_t>(size - 2) << 8 | uint32_t{kOne} << 16 | static_cast<uint32_t>(size - 4) << 24;
}

// The varint that fills `size` bytes, at most 8; false where they are several or none. 8 bytes can be read.
inline bool one_varint(const uint8_t* at, size_t size, int64_t& out) {
  const uint64_t bytes = load64(at);
  const uint64_t ends = ~bytes & 0x8080808080808080u;
  if (size - 1 > 7 || ends == 0 || static_cast<size_t>(std::countr_zero(ends)) != 8 * size - 1) return false;
  out = static_cast<int64_t>(join_groups(bytes << (64 - 8 * size) >> (64 - 8 * size) & 0x7f7f7f7f7f7f7f7fu));
  return true;
}

size_t element_size(const ExampleColumn& column) { return column.dtype == DType::float32 ? 4 : 8; }

// How many varints end in the bytes.
size_t count_varints(const uint8_t* at, const uint8_t* end) {
  size_t out = 0;
  for (; end - at >= 8; at += 8) out += static_cast<size_t>(std::popcount(~load64(at) & 0x8080808080808080u));
  for (; at < end; ++at) out += *at < 0x80;
  return out;
}

}  // namespace

Status ExampleRows::begin(const ExamplePlan& plan, bool single, int64_t rows, std::span<std::byte* const> fixed, BufferPool& pool) {
  const bool known = plan_ == &plan && row_ > 0;
  const auto before = static_cast<size_t>(row_), wanted = static_cast<size_t>(rows);
  plan_ = &plan;
  pool_ = &pool;
  single_ = single;
  row_ = 0;
  failure_ = Status();
  columns_.resize(plan.columns.size());
  seen_.assign((plan.columns.size() + 63) / 64, 0);
  for (size_t i = 0; i < columns_.size(); ++i) {
    const ExampleColumn& column = plan.columns[i];
    ColumnRows& out = columns_[i];
    // As much as the rows before needed, and an eighth more.
    const size_t values = known ? out.count * wanted / before : 0, heap = known ? out.heap_size * wanted / before : 0;
    out.splits = nullptr;
    out.one = one_of(column);
    if (column.is_fixed() && !column.is_string()) {
      out.count = 0;
      out.values = fixed[i];
      continue;
    }
    size_t room = values + values / 8 + 8;
    if (column.is_fixed()) {
      size_t all;
      if (__builtin_mul_overflow(wanted, static_cast<size_t>(column.width), &all) || all > SIZE_MAX / 16) {
        return limit_exceeded(concat("key ", quoted(column.key), ": ", rows, " rows of shape ", column.shape.to_string()));
      }
      room = all;
    } else {
      FERRY_ASSIGN_OR_RETURN(out.split_block, pool.allocate((wanted + 1) * 8));
      out.splits = out.split_block.as<int64_t>().data();
      out.splits[0] = 0;
    }
    FERRY_RETURN_IF_ERROR(out.restart(column, room, heap + heap / 8 + 64, pool));
  }
  return {};
}

Status ColumnRows::grow(const ExampleColumn& column, size_t more, BufferPool& pool) {
  const size_t size = element_size(column), lead = column.is_string() ? 1 : 0;
  const size_t wanted = std::max(count + more, count + count / 2);
  if (wanted < more || wanted > SIZE_MAX / 32) return limit_exceeded("a column larger than the address space");
  if (values == nullptr) {
    FERRY_ASSIGN_OR_RETURN(value_block, pool.allocate((wanted + lead) * size));
    if (lead != 0) value_block.as<int64_t>()[0] = 0;
  } else {
    FERRY_RETURN_IF_ERROR(value_block.resize((wanted + lead) * size));
  }
  values = value_block.data() + lead * size;  // the ends of strings follow a 0
  capacity = wanted;
  return {};
}

Status ColumnRows::grow_heap(size_t more, BufferPool& pool) {
  const size_t wanted = std::max(heap_size + more, heap_size + heap_size / 2);
  if (heap == nullptr) {
    FERRY_ASSIGN_OR_RETURN(heap_block, pool.allocate(wanted));
  } else {
    FERRY_RETURN_IF_ERROR(heap_block.resize(wanted));
  }
  heap = reinterpret_cast<char*>(heap_block.data());
  heap_capacity = wanted;
  return {};
}

Status ColumnRows::restart(const ExampleColumn& column, size_t value_count, size_t bytes, BufferPool& pool) {
  count = heap_size = capacity = heap_capacity = 0;
  values = nullptr;
  heap = nullptr;
  FERRY_RETURN_IF_ERROR(grow(column, value_count, pool));
  return column.is_string() ? grow_heap(bytes, pool) : Status();
}

// The values of the list that fills [at, end).
bool ExampleRows::add_list(const ExampleColumn& column, ColumnRows& rows, const uint8_t* at, const uint8_t* end,
                           const uint8_t* record_end) {
  const size_t before = column.is_fixed() ? static_cast<size_t>(row_ * column.width) : rows.count;
  size_t added = 0;
  if (at < end) {
    if (column.kind == FeatureKind::bytes) {
      if (static_cast<size_t>(end - at) > rows.heap_capacity - rows.heap_size && !reserve_heap(rows, static_cast<size_t>(end - at)))
        return false;
      while (at < end) {
        if (*at++ != kOne) return false;
        const size_t size = length_at(at, end);
        if (size > static_cast<size_t>(end - at)) return false;
        if (column.is_fixed()) {
          if (added == static_cast<size_t>(column.width)) return false;
        } else if (!reserve(rows, column, 1)) {
          return false;
        }
        if (size > 0) std::memcpy(rows.heap + rows.heap_size, at, size);
        rows.heap_size += size;
        rows.ints()[before + added] = static_cast<int64_t>(rows.heap_size);
        ++added;
        if (!column.is_fixed()) rows.count = before + added;
        at += size;
      }
    } else {
      if (*at++ != kOne) return false;  // numbers one by one
      const size_t size = length_at(at, end);
      if (size != static_cast<size_t>(end - at)) return false;
      if (column.kind == FeatureKind::floats) {
        if (size % 4 != 0) return false;
        added = size / 4;
        if (column.is_fixed() ? added != static_cast<size_t>(column.width) : !reserve(rows, column, added)) return false;
        if (size > 0) std::memcpy(rows.floats() + before, at, size);
      } else {
        if (column.is_fixed()) {
          if (count_varints(at, end) != static_cast<size_t>(column.width)) return false;
        } else if (!reserve(rows, column, size)) {
          return false;
        }
        const int64_t* const last = decode_varints(at, end, record_end, rows.ints() + before);
        if (last == nullptr) return false;
        added = static_cast<size_t>(last - rows.ints()) - before;
      }
    }
  }
  if (column.is_fixed()) {
    if (added != static_cast<size_t>(column.width)) return false;
    rows.count = before + added;
    return true;
  }
  if (column.store == ExampleColumn::Store::sequence && added % static_cast<size_t>(column.width) != 0) return false;
  rows.count = before + added;
  rows.splits[row_ + 1] = static_cast<int64_t>(rows.count);
  return true;
}

// One value in a Feature of less than 128 bytes, which is what most features of most records are; false where it is not that,
// and nothing was done. Up to `readable` may be read.
inline bool ExampleRows::add_one(ColumnRows& rows, const uint8_t* at, size_t size, const uint8_t* readable) {
  if (static_cast<size_t>(readable - at) < 24) return false;
  const auto row = static_cast<size_t>(row_);
  switch (rows.one) {
    case One::fixed_float:
      if (size != 8 || load32(at) != head_of(0x12, 8)) return false;
      std::memcpy(rows.values + 4 * row, at + 4, 4);
      return true;
    case One::fixed_int: return load32(at) == head_of(0x1a, size) && one_varint(at + 4, size - 4, rows.ints()[row]);
    case One::float_value:
      if (size != 8 || load32(at) != head_of(0x12, 8) || rows.count == rows.capacity) return false;
      std::memcpy(rows.values + 4 * rows.count, at + 4, 4);
      break;
    case One::int_value:
      if (load32(at) != head_of(0x1a, size) || rows.count == rows.capacity) return false;
      if (!one_varint(at + 4, size - 4, rows.ints()[rows.count])) return false;
      break;
    case One::fixed_string:
    case One::string: {
      const size_t bytes = size - 4;
      if (load32(at) != head_of(0x0a, size) || rows.heap_capacity - rows.heap_size < 16 + bytes) return false;
      char* const to = rows.heap + rows.heap_size;
      if (bytes <= 16) {
        std::memcpy(to, at + 4, 16);
      } else {
        std::memcpy(to, at + 4, bytes);
      }
      if (rows.one == One::fixed_string) {
        rows.heap_size += bytes;
        rows.ints()[row] = static_cast<int64_t>(rows.heap_size);
        rows.count = row + 1;
        return true;
      }
      if (rows.count == rows.capacity) return false;
      rows.heap_size += bytes;
      rows.ints()[rows.count] = static_cast<int64_t>(rows.heap_size);
      break;
    }
    case One::none: return false;
  }
  rows.splits[row + 1] = static_cast<int64_t>(++rows.count);
  return true;
}

bool ExampleRows::add_plain(const uint8_t* at, const uint8_t* const end) {
  const uint8_t* const begin = at;
  if (at < end) {
    if (*at++ != kOne || length_at(at, end) != static_cast<size_t>(end - at)) return false;
  }
  const KeyTable& table = plan_->table;
  ColumnRows* const all = columns_.data();
  while (at < end) {
    const uint8_t* entry_end;
    const uint8_t* key;
    size_t key_size, size;
    // An entry, its key and its value with lengths of one byte.
    if (end - at >= 8 && (load32(at) & 0x80ff80ff) == 0x000a000a) [[likely]] {
      const size_t entry = at[1];
      key_size = at[3];
      key = at + 4;
      entry_end = at + 2 + entry;
      if (entry > static_cast<size_t>(end - at) - 2 || key_size + 4 > entry) return false;
      at = key + key_size;
      size = entry - key_size - 4;
      if (at[0] != kTwo || at[1] != size) return false;
      at += 2;
    } else {
      if (*at++ != kOne) return false;
      const size_t entry = length_at(at, end);
      if (entry > static_cast<size_t>(end - at)) return false;
      entry_end = at + entry;
      if (at == entry_end || *at++ != kOne) return false;
      key_size = length_at(at, entry_end);
      if (key_size >= static_cast<size_t>(entry_end - at)) return false;
      key = at;
      at += key_size;
      if (*at++ != kTwo) return false;
      size = length_at(at, entry_end);
      if (size != static_cast<size_t>(entry_end - at)) return false;
    }
    const uint32_t which = table.find(key, key_size, static_cast<size_t>(key - begin));
    if (which != KeyTable::kNone) {
      ColumnRows& rows = all[which];
      const uint64_t bit = uint64_t{1} << (which % 64);
      uint64_t& seen = seen_[which / 64];
      if ((seen & bit) != 0) return false;
      if (size - 5 < 0x80 - 5 && add_one(rows, at, size, end)) [[likely]] {
        seen |= bit;
        at = entry_end;
        continue;
      }
      const ExampleColumn& column = plan_->columns[which];
      if (size == 0) {
        // A Feature that says nothing: none for dense columns, an empty one for the others.
        if (!single_ && (column.store == ExampleColumn::Store::sparse || column.store == ExampleColumn::Store::ragged)) {
          seen |= bit;
          rows.splits[row_ + 1] = static_cast<int64_t>(rows.count);
        }
        continue;
      }
      if (*at++ != column.tag) return false;
      seen |= bit;
      if (length_at(at, entry_end) != static_cast<size_t>(entry_end - at)) return false;
      if (!add_list(column, rows, at, entry_end, end)) return false;
    }
    at = entry_end;
  }
  return finish_row();
}

void ExampleRows::fill_missing(uint32_t which) {
  const ExampleColumn& column = plan_->columns[which];
  ColumnRows& rows = columns_[which];
  if (!column.is_fixed()) {
    rows.splits[row_ + 1] = static_cast<int64_t>(rows.count);
    return;
  }
  const auto width = static_cast<size_t>(column.width), at = static_cast<size_t>(row_) * width;
  if (column.is_string()) {
    const StringsView from = column.default_value.strings();
    const auto bytes = static_cast<size_t>(from.total_bytes());
    if (!reserve_heap(rows, bytes)) return;
    const char* const source = from.bytes() + from.offsets()[0];
    if (bytes > 0) std::memcpy(rows.heap + rows.heap_size, source, bytes);
    for (size_t i = 0; i < width; ++i) {
      rows.ints()[at + i] = static_cast<int64_t>(rows.heap_size) + from.offsets()[i + 1] - from.offsets()[0];
    }
    rows.heap_size += bytes;
  } else {
    const size_t bytes = width * element_size(column);
    std::memcpy(rows.values + static_cast<size_t>(row_) * bytes, column.default_value.raw(), bytes);
  }
  rows.count = at + width;
}

// Fills in what the record does not have; false where it must have it.
bool ExampleRows::finish_row() {
  const size_t count = plan_->columns.size();
  for (size_t word = 0; word < seen_.size(); ++word) {
    const size_t bits = std::min<size_t>(64, count - 64 * word);
    uint64_t missing = ~seen_[word] & (bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1);
    for (; missing != 0; missing &= missing - 1) {
      const auto which = static_cast<uint32_t>(64 * word + static_cast<size_t>(std::countr_zero(missing)));
      if (plan_->columns[which].is_fixed() && !plan_->columns[which].allow_missing) return false;
      fill_missing(which);
    }
    seen_[word] = 0;
  }
  return failure_.ok();
}

void ExampleRows::roll_back() {
  for (uint64_t& word : seen_) word = 0;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const ExampleColumn& column = plan_->columns[i];
    ColumnRows& rows = columns_[i];
    rows.count = column.is_fixed() ? static_cast<size_t>(row_ * column.width) : static_cast<size_t>(rows.splits[row_]);
    if (column.is_string()) rows.heap_size = rows.count == 0 ? 0 : static_cast<size_t>(rows.ints()[rows.count - 1]);
  }
}

Status ExampleRows::add(RecordBytes record, std::string_view name, int64_t index) {
  const auto* const at = reinterpret_cast<const uint8_t*>(record.data());
  if (!add_plain(at, at + record.size())) [[unlikely]] {
    FERRY_RETURN_IF_ERROR(failure_);
    roll_back();
    FERRY_RETURN_IF_ERROR(add_general(record, {name, index}));
  }
  ++row_;
  return {};
}

}  // namespace ferry::records
