// A record of any shape, by the letter of TensorFlow's parser: its entries are collected first and then looked at from the last
// to the first, so that of two with one key the last counts; of each only the first list counts, and of that only the first
// block of packed numbers.
#include <cstring>

#include "records/example_rows.h"

namespace ferry::records {
namespace {

Status error_at(std::string_view name, int64_t index, std::string_view key, std::string_view what) {
  return invalid_argument(concat("record ", index, name.empty() ? std::string() : concat(" (", quoted(name), ")"),
                                 key.data() == nullptr ? std::string() : concat(": feature ", quoted(key)), ": ", what));
}

std::string_view list_name(uint8_t tag) { return kind_name(static_cast<FeatureKind>(tag >> 3)); }

}  // namespace

// The entries of an Example.
Status ExampleRows::scan(RecordBytes record) {
  entries_.clear();
  CodedInput in({reinterpret_cast<const char*>(record.data()), record.size()});
  const auto broken = [&](std::string_view what) {
    const auto at = static_cast<uint64_t>(in.at() - reinterpret_cast<const uint8_t*>(record.data()));
    return invalid_argument(concat("no tf.train.Example: ", what, " at byte ", at, " of its ", record.size()));
  };
  while (!in.at_end()) {
    if (!in.expect(0x0a)) {
      if (!in.skip_unknown()) return broken("a field that cannot be skipped");
      continue;
    }
    uint32_t size;
    if (!in.varint32(size)) return broken("a length that is cut off");
    const uint8_t* const whole = in.push(size);
    while (!in.at_end()) {
      if (!in.expect(0x0a)) return broken("a field that is no entry of the features");
      if (!in.varint32(size)) return broken("a length that is cut off");
      const uint8_t* const features = in.push(size);
      Entry entry{std::string_view("", 0), std::string_view("", 0)};
      for (int i = 0; i < 2; ++i) {
        const uint32_t tag = in.tag();
        if (tag != 0x0a && tag != 0x12) return broken("an entry that is not one key and one value");
        if (!in.string(tag == 0x0a ? entry.key : entry.feature)) return broken("a key or value longer than its entry");
      }
      if (!in.at_end()) return broken("an entry that is more than one key and one value");
      in.pop(features);
      entries_.push_back(entry);
    }
    in.pop(whole);
  }
  return {};
}

// The values of a list, appended; false where it is malformed, and with a status where memory or counts stand against it.
bool ExampleRows::coded_list(const ExampleColumn& column, ColumnRows& rows, std::string_view list, Status& status) {
  CodedInput in(list);
  uint32_t size;
  if (!in.varint32(size)) return false;
  in.push(size);
  const bool fixed = column.is_fixed();
  const auto width = static_cast<size_t>(column.width);
  size_t added = 0;
  // Counts on past the width of a fixed column, for the message.
  const auto room = [&] {
    if (fixed) return added < width;
    if (reserve(rows, column, 1)) return true;
    status = failure_;
    return false;
  };
  const size_t before = rows.count;
  switch (column.kind) {
    case FeatureKind::bytes:
      while (!in.at_end()) {
        std::string_view text;
        if (!in.expect(0x0a) || !in.string(text)) return false;
        if (room()) {
          if (!reserve_heap(rows, text.size())) {
            status = failure_;
            return false;
          }
          if (!text.empty()) std::memcpy(rows.heap + rows.heap_size, text.data(), text.size());
          rows.heap_size += text.size();
          rows.ints()[before + added] = static_cast<int64_t>(rows.heap_size);
          if (!fixed) rows.count = before + added + 1;
        }
        if (!status.ok()) return false;
        if (fixed && added == width) return false;  // TensorFlow gives up on the first string too many
        ++added;
      }
      break;
    case FeatureKind::floats: {
      if (in.at_end()) break;
      const bool packed = in.peek() == 0x0a;
      if (!packed && in.peek() != 0x0d) return false;
      size_t count;
      if (packed) {
        in.expect(0x0a);
        if (!in.varint32(size)) return false;
        count = size / 4;
        in.push(size);
        // A length past the end is an error where there are too few bytes for the whole numbers in it.
        const size_t taken = fixed ? std::min(count, width) : count;
        if (taken > in.left() / 4) return false;
        if (!fixed && !reserve(rows, column, count)) {
          status = failure_;
          return false;
        }
        if (taken > 0) std::memcpy(rows.floats() + before, in.at(), taken * 4);
      } else {
        if (in.left() % 5 != 0) return false;
        count = in.left() / 5;
        if (!fixed && !reserve(rows, column, count)) {
          status = failure_;
          return false;
        }
        for (size_t i = 0; i < count; ++i) {
          uint32_t bits;
          if (!in.expect(0x0d) || !in.fixed32(bits)) return false;
          if (!fixed || i < width) std::memcpy(rows.floats() + before + i, &bits, 4);
        }
      }
      added = count;
      break;
    }
    case FeatureKind::ints: {
      if (in.at_end()) break;
      const bool packed = in.peek() == 0x0a;
      if (!packed && in.peek() != 0x08) return false;
      if (packed) {
        in.expect(0x0a);
        if (!in.varint32(size)) return false;
        in.push(size);
      }
      while (!in.at_end()) {
        uint64_t value;
        if ((!packed && !in.expect(0x08)) || !in.varint64(value)) return false;
        if (room()) rows.ints()[before + added] = static_cast<int64_t>(value);
        if (!status.ok()) return false;
        ++added;
        if (!fixed) rows.count = before + added;
      }
      break;
    }
    case FeatureKind::none: break;
  }
  if (fixed && added != width) {
    status = invalid_argument(concat("found ", added, " values, expected ", column.width, " for shape ", column.shape.to_string()));
    return false;
  }
  if (column.store == ExampleColumn::Store::sequence && added % width != 0) {
    status = invalid_argument(
        concat("found ", added, " values, expected a multiple of ", column.width, " for steps of shape ", column.shape.to_string()));
    return false;
  }
  rows.count = before + added;
  return true;
}

Status ExampleRows::add_general(RecordBytes record, const Where& where) {
  if (Status status = scan(record); !status.ok()) return error_at(where.name, where.index, {}, status.message());
  for (size_t i = entries_.size(); i-- > 0;) {
    const Entry& entry = entries_[i];
    const uint32_t which = plan_->table.find(entry.key);
    if (which == KeyTable::kNone) continue;
    const ExampleColumn& column = plan_->columns[which];
    ColumnRows& rows = columns_[which];
    const bool dense = column.is_fixed() || column.store == ExampleColumn::Store::sequence;
    uint8_t tag = 0;
    if (!entry.feature.empty()) {
      tag = static_cast<uint8_t>(entry.feature[0]);
      if (tag != 0x0a && tag != 0x12 && tag != 0x1a) {
        return error_at(where.name, where.index, entry.key,
                        concat("its first field has tag ", tag, ", expected bytes_list, float_list or int64_list"));
      }
    }
    if (tag == 0 && (dense || single_)) continue;
    const uint64_t bit = uint64_t{1} << (which % 64);
    if ((seen_[which / 64] & bit) != 0) continue;
    seen_[which / 64] |= bit;
    if (tag != 0) {
      if (tag != column.tag) {
        return error_at(where.name, where.index, entry.key,
                        concat("data types don't match: found ", list_name(tag), ", expected ", kind_name(column.kind), " (",
                               dtype_name(column.dtype), ")"));
      }
      Status status;
      if (!coded_list(column, rows, entry.feature.substr(1), status)) {
        if (status.ok()) status = invalid_argument(concat("its ", kind_name(column.kind), " is malformed"));
        if (status.code() != StatusCode::invalid_argument) return status;
        return error_at(where.name, where.index, entry.key, status.message());
      }
    }
    if (!column.is_fixed()) rows.splits[row_ + 1] = static_cast<int64_t>(rows.count);
  }
  for (size_t i = 0; i < plan_->columns.size(); ++i) {
    const ExampleColumn& column = plan_->columns[i];
    if ((seen_[i / 64] >> (i % 64) & 1) != 0 || !column.is_fixed() || column.allow_missing) continue;
    return error_at(where.name, where.index, column.key,
                    concat("is missing; it is required, being ", dtype_name(column.dtype), " of shape ", column.shape.to_string(),
                           " without a default"));
  }
  (void)finish_row();
  return failure_;
}

}  // namespace ferry::records
