#include "wire/flatbuffers_writer.h"

#include <algorithm>

namespace ferry::flatbuffers {
namespace {

void pad(std::string& out, size_t alignment, size_t before = 0) {
  while ((out.size() + before) % alignment != 0) out += '\0';
}

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <class T>
void patch(std::string& out, size_t at, T value) {
  std::memcpy(out.data() + at, &value, sizeof(T));
}

}  // namespace

TableWriter::Field& TableWriter::add(int slot, Kind kind, size_t alignment) {
  fields_.push_back({slot, kind, alignment, 1, {}, {}});
  return fields_.back();
}

TableWriter& TableWriter::text(int slot, std::string_view value) {
  add(slot, Kind::text, 4).bytes = value;
  return *this;
}

TableWriter& TableWriter::table(int slot, TableWriter value) {
  add(slot, Kind::table, 4).tables.push_back(std::move(value));
  return *this;
}

TableWriter& TableWriter::tables(int slot, std::vector<TableWriter> values) {
  add(slot, Kind::tables, 4).tables = std::move(values);
  return *this;
}

TableWriter& TableWriter::vector(int slot, std::string_view bytes, size_t element, size_t alignment) {
  Field& field = add(slot, Kind::vector, alignment);
  field.bytes = bytes;
  field.element = element;
  return *this;
}

TableWriter& TableWriter::structure(int slot, std::string_view bytes, size_t alignment) {
  add(slot, Kind::inline_bytes, alignment).bytes = bytes;
  return *this;
}

// vtable, table with empty offsets, then what they point to, depth first: offsets only point forward.
size_t TableWriter::write(std::string& out) const {
  int slots = 0;
  for (const Field& field : fields_) slots = std::max(slots, field.slot + 1);
  const size_t vtable_size = 4 + 2 * static_cast<size_t>(slots);
  pad(out, 8, vtable_size);  // so that the table itself starts at a multiple of 8
  const size_t vtable = out.size();
  out.append(vtable_size, '\0');
  const size_t table = out.size();
  append(out, static_cast<int32_t>(table - vtable));
  std::vector<size_t> at(fields_.size());
  for (size_t i = 0; i < fields_.size(); ++i) {
    const Field& field = fields_[i];
    const bool inline_bytes = field.kind == Kind::inline_bytes;
    pad(out, inline_bytes ? field.alignment : 4);
    at[i] = out.size();
    if (inline_bytes) {
      out += field.bytes;
    } else {
      out.append(4, '\0');
    }
    patch(out, vtable + 4 + 2 * static_cast<size_t>(field.slot), static_cast<uint16_t>(at[i] - table));
  }
  patch(out, vtable, static_cast<uint16_t>(vtable_size));
  patch(out, vtable + 2, static_cast<uint16_t>(out.size() - table));
  for (size_t i = 0; i < fields_.size(); ++i) {
    const Field& field = fields_[i];
    size_t target = 0;
    switch (field.kind) {
      case Kind::inline_bytes: continue;
      case Kind::text:
      case Kind::vector:
        pad(out, std::max<size_t>(4, field.alignment), 4);  // the elements are aligned, the length stands before them
        target = out.size();
        append(out, static_cast<uint32_t>(field.bytes.size() / field.element));
        out += field.bytes;
        if (field.kind == Kind::text) out += '\0';
        break;
      case Kind::table: target = field.tables.front().write(out); break;
      case Kind::tables: {
        pad(out, 4);
        target = out.size();
        append(out, static_cast<uint32_t>(field.tables.size()));
        const size_t offsets = out.size();
        out.append(4 * field.tables.size(), '\0');
        for (size_t t = 0; t < field.tables.size(); ++t) {
          const size_t position = field.tables[t].write(out);
          patch(out, offsets + 4 * t, static_cast<uint32_t>(position - offsets - 4 * t));
        }
        break;
      }
    }
    patch(out, at[i], static_cast<uint32_t>(target - at[i]));
  }
  return table;
}

std::string TableWriter::finish() const {
  std::string out(4, '\0');
  const size_t root = write(out);
  patch(out, 0, static_cast<uint32_t>(root));
  pad(out, 8);
  return out;
}

}  // namespace ferry::flatbuffers
