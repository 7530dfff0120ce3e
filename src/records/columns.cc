// Records to columns: finds the entries of the maps, and each entry's column.
#include "records/columns.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "wire/protobuf.h"
#include "wire/utf8.h"

namespace ferry::records {
namespace {

using proto::bytes_tag;

uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Of every byte, and of a seed that no file can know: names are what others choose.
uint64_t hash_of(std::string_view name, uint64_t seed) {
  const auto word = [&](size_t at) {
    uint64_t out;
    std::memcpy(&out, name.data() + at, 8);
    return out;
  };
  uint64_t state = seed ^ name.size();
  size_t at = 0;
  for (; name.size() - at > 16; at += 16) state = mix(word(at) ^ state, word(at + 8) ^ 0x9e3779b97f4a7c15u);
  uint64_t first = 0, last = 0;
  if (name.size() >= 8) {
    first = word(std::min(at, name.size() - 8));
    last = word(name.size() - 8);
  } else {
    for (char c : name) last = last << 8 | static_cast<unsigned char>(c);
  }
  return mix(first ^ state, last ^ 0xc2b2ae3d27d4eb4fu);
}

// A field of bytes whose length is one byte and fits; the common case everywhere here.
bool short_field(std::span<const std::byte> bytes, std::byte tag, size_t& size) {
  if (bytes.size() < 2 || bytes[0] != tag || bytes[1] >= std::byte{0x80}) return false;
  size = static_cast<size_t>(bytes[1]);
  return size <= bytes.size() - 2;
}

}  // namespace

RecordKind record_kind(std::span<const std::byte> record) {
  const auto is_map = [](std::span<const std::byte> message, bool lists) {
    proto::Reader in(message);
    while (in.next()) {
      if (in.tag() != bytes_tag(1)) return false;
      proto::Reader entry = in.message();
      while (entry.next()) {
        if (entry.tag() == bytes_tag(1)) {
          if (!is_utf8(entry.text())) return false;
        } else if (entry.tag() == bytes_tag(2)) {
          proto::Reader value = entry.message();
          while (value.next()) {
            const bool known = lists ? value.tag() == bytes_tag(1) : (value.tag() & 7) == 2 && value.field() <= 3;
            if (!known) return false;
            value.skip();
          }
          if (!value.ok()) return false;
        } else {
          return false;
        }
      }
      if (!entry.ok()) return false;
    }
    return in.ok();
  };
  bool lists = false;
  proto::Reader in(record);
  while (in.next()) {
    if (in.tag() == bytes_tag(1)) {
      if (!is_map(in.bytes(), false)) return RecordKind::other;
    } else if (in.tag() == bytes_tag(2)) {
      lists = true;
      if (!is_map(in.bytes(), true)) return RecordKind::other;
    } else {
      return RecordKind::other;
    }
  }
  if (!in.ok()) return RecordKind::other;
  return lists ? RecordKind::sequence_example : RecordKind::example;
}

bool starts_like_example(std::span<const std::byte> head) {
  const std::byte* at = head.data();
  const std::byte* const end = at + head.size();
  const auto open = [&](uint32_t tag, uint64_t& size) {
    if (at == end || *at != std::byte(tag)) return false;
    const std::byte* after = proto::read_varint(at + 1, end, size);
    if (after == nullptr || size == 0 || size > 0x7fffffff) return false;
    at = after;
    return true;
  };
  uint64_t outer, entry, key, value, list;
  const bool lists = at != end && *at == std::byte{bytes_tag(2)};
  if (!open(bytes_tag(lists ? 2 : 1), outer) || !open(bytes_tag(1), entry) || entry >= outer || !open(bytes_tag(1), key)) return false;
  if (key >= entry || key >= static_cast<uint64_t>(end - at) || !is_utf8({reinterpret_cast<const char*>(at), key})) return false;
  at += key;
  if (!open(bytes_tag(2), value) || value >= entry || (lists && !open(bytes_tag(1), value))) return false;
  return open(bytes_tag(1), list) || open(bytes_tag(2), list) || open(bytes_tag(3), list);
}

uint32_t ColumnBuilder::Index::find(std::string_view name, const std::vector<NamedColumn>& columns) const {
  if (slots_.empty()) return kNone;
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash_of(name, seed_) & mask;; at = (at + 1) & mask) {
    if (slots_[at] == 0) return kNone;
    if (columns[slots_[at] - 1].name == name) return slots_[at] - 1;
  }
}

void ColumnBuilder::Index::insert(const std::vector<NamedColumn>& columns, uint32_t column) {
  const auto place = [&](uint32_t slot) {
    const size_t mask = slots_.size() - 1;
    size_t at = hash_of(columns[slot - 1].name, seed_) & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = slot;
  };
  if (4 * ++used_ > slots_.size()) {
    const std::vector<uint32_t> old = std::exchange(slots_, std::vector<uint32_t>(std::bit_ceil(8 * used_ + 64)));
    for (uint32_t slot : old) {
      if (slot != 0) place(slot);
    }
  }
  place(column + 1);
}

Result<NamedColumn*> ColumnBuilder::column(std::string_view key, uint64_t key_at, bool list) {
  Index& index = list ? list_index_ : index_;
  const uint32_t found = index.find(key, columns_);
  if (found != Index::kNone) [[likely]]
    return &columns_[found];
  if (key.size() > limits_.max_name_bytes) {
    return limit_exceeded(
        concat("the name of a feature has ", key.size(), " bytes, the limit is ", limits_.max_name_bytes, " (max_name_bytes)"));
  }
  if (const size_t bad = find_invalid_utf8(key); bad != key.size()) {
    return data_loss_at(key_at + bad, concat("the name of a feature is not UTF-8: ", quoted(key)));
  }
  if (columns_.size() >= limits_.max_tensors) return limit_exceeded(concat("more than ", limits_.max_tensors, " features (max_tensors)"));
  NamedColumn fresh;
  fresh.name = key;
  fresh.is_list = list;
  columns_.push_back(std::move(fresh));
  index.insert(columns_, static_cast<uint32_t>(columns_.size() - 1));
  FERRY_RETURN_IF_ERROR(check_cells());
  return &columns_.back();
}

// Many features that are each in few records ask for rows times columns of memory: the rule of compressed streams.
Status ColumnBuilder::check_cells() const {
  const uint64_t cells = static_cast<uint64_t>(records_ + 1) * columns_.size();
  if (cells > limits_.free_expanded_bytes / 8 && 8 * cells / limits_.max_expansion_ratio > bytes_) {
    return limit_exceeded(concat(columns_.size(), " features over ", records_ + 1, " records need ", 8 * cells,
                                 " bytes of row lengths, more than ", limits_.max_expansion_ratio, " times the ", bytes_,
                                 " bytes they come from (max_expansion_ratio)"));
  }
  return {};
}

Status ColumnBuilder::add_value(std::string_view key, uint64_t key_at, std::span<const std::byte> value, uint64_t base, bool list) {
  FERRY_ASSIGN_OR_RETURN(NamedColumn* const to, column(key, key_at, list));
  Status status;
  if (list) {
    status = add_steps(*to, value, base);
  } else {
    Column& values = to->values;
    if (values.rows() != records_) [[unlikely]] {
      if (values.rows() > records_) {
        values.truncate(records_);  // the key comes again: the last one counts
        if (values.num_values() == 0) values = Column();
      }
      FERRY_RETURN_IF_ERROR(values.add_missing(records_ - values.rows()));
    }
    status = values.add(value, base);
  }
  if (!status.ok()) [[unlikely]]
    return status.with_context(concat("feature ", quoted(key)));
  return {};
}

Status ColumnBuilder::add_steps(NamedColumn& column, std::span<const std::byte> list, uint64_t base) {
  // steps[r]: before record r; one more at the end once this record is in.
  const auto record = static_cast<size_t>(records_);
  if (column.steps.size() > record + 1) {
    column.steps.truncate(record + 1);
    column.values.truncate(column.steps.data()[record]);
    if (column.values.num_values() == 0 && record == 0) column.values = Column();
  }
  FERRY_RETURN_IF_ERROR(column.steps.append_many(column.values.rows(), record + 1 - column.steps.size()));
  proto::Reader in(list, base);
  while (in.next()) {
    if (in.tag() == bytes_tag(1)) {
      const auto feature = in.bytes();
      FERRY_RETURN_IF_ERROR(column.values.add(feature, in.offset() - feature.size()));
    } else {
      in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return column.steps.append(column.values.rows());
}

// An entry in any shape: fields in any order, several times (the last key counts, messages add up as their bytes would).
namespace {

Status check_whole(std::span<const std::byte> message, uint64_t base) {
  proto::Reader in(message, base);
  while (in.next()) in.skip();
  return in.status();
}

}  // namespace

Status ColumnBuilder::add_entry_general(std::span<const std::byte> entry, uint64_t base, bool list) {
  std::string_view key;
  uint64_t key_at = base, value_at = base;
  std::span<const std::byte> value;
  size_t values = 0;
  std::string merged;
  proto::Reader in(entry, base);
  while (in.next()) {
    if (in.tag() == bytes_tag(1)) {
      key = in.text();
      key_at = in.offset() - key.size();
      if (!is_utf8(key)) return data_loss_at(key_at, concat("the name of a feature is not UTF-8: ", quoted(key)));
    } else if (in.tag() == bytes_tag(2)) {
      const auto more = in.bytes();
      if (++values == 1) {
        value = more;
        value_at = in.offset() - more.size();
      } else {
        // Messages that are merged add up as their bytes do, where each is whole by itself.
        if (values == 2) FERRY_RETURN_IF_ERROR(check_whole(value, value_at));
        FERRY_RETURN_IF_ERROR(check_whole(more, in.offset() - more.size()));
        if (values == 2) merged.assign(reinterpret_cast<const char*>(value.data()), value.size());
        merged.append(reinterpret_cast<const char*>(more.data()), more.size());
      }
    } else {
      in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  if (values > 1) value = std::as_bytes(std::span(merged));
  return add_value(key, key_at, value, value_at, list);
}

Status ColumnBuilder::add_entry(std::span<const std::byte> entry, uint64_t base, bool list) {
  size_t key_size, value_size;
  if (short_field(entry, std::byte{bytes_tag(1)}, key_size)) [[likely]] {
    const std::string_view key(reinterpret_cast<const char*>(entry.data()) + 2, key_size);
    const auto rest = entry.subspan(2 + key_size);
    if (short_field(rest, std::byte{bytes_tag(2)}, value_size) && rest.size() == 2 + value_size) [[likely]] {
      return add_value(key, base + 2, rest.subspan(2), base + 4 + key_size, list);
    }
  }
  return add_entry_general(entry, base, list);
}

Status ColumnBuilder::add(std::span<const std::byte> record, uint64_t base) {
  bytes_ += record.size();
  proto::Reader in(record, base);
  while (in.next()) {
    const bool list = in.tag() == bytes_tag(2);
    if (in.tag() != bytes_tag(1) && !(list && lists_)) {
      in.skip();
      continue;
    }
    proto::Reader map = in.message();
    while (map.next()) {
      if (map.tag() == bytes_tag(1)) [[likely]] {
        const auto entry = map.bytes();
        FERRY_RETURN_IF_ERROR(add_entry(entry, map.offset() - entry.size(), list));
      } else {
        map.skip();
      }
    }
    FERRY_RETURN_IF_ERROR(map.status());
  }
  FERRY_RETURN_IF_ERROR(in.status());
  FERRY_RETURN_IF_ERROR(check_cells());
  ++records_;
  return {};
}

Result<std::vector<NamedColumn>> ColumnBuilder::finish() && {
  for (NamedColumn& column : columns_) {
    if (column.is_list) {
      FERRY_RETURN_IF_ERROR(column.steps.append_many(column.values.rows(), static_cast<size_t>(records_) + 1 - column.steps.size()));
    } else {
      FERRY_RETURN_IF_ERROR(column.values.add_missing(records_ - column.values.rows()));
    }
  }
  return std::move(columns_);
}

}  // namespace ferry::records
