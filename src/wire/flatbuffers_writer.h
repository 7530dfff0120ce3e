// Flatbuffers, written without generated code: describe tables as values, then lay them out front to back.
// The same description gives the same bytes. Alignment is what verifiers of other libraries demand.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace ferry::flatbuffers {

class TableWriter {
 public:
  TableWriter() = default;
  TableWriter(TableWriter&&) = default;
  TableWriter& operator=(TableWriter&&) = default;

  // A scalar is written even where it equals its default: Arrow's own writers differ, and readers take both.
  template <class T>
  requires std::is_arithmetic_v<T> TableWriter& scalar(int slot, T value) {
    return structure(slot, {reinterpret_cast<const char*>(&value), sizeof(T)}, sizeof(T));
  }
  TableWriter& text(int slot, std::string_view value);
  TableWriter& table(int slot, TableWriter value);
  TableWriter& tables(int slot, std::vector<TableWriter> values);
  // Packed scalars or structs of `element` bytes, each aligned to `alignment`.
  TableWriter& vector(int slot, std::string_view bytes, size_t element, size_t alignment);
  TableWriter& structure(int slot, std::string_view bytes, size_t alignment);

  // The whole flatbuffer with this table as root; its length is a multiple of 8.
  std::string finish() const;

 private:
  enum class Kind : uint8_t { inline_bytes, text, vector, table, tables };
  struct Field {
    int slot;
    Kind kind;
    size_t alignment;
    size_t element = 1;
    std::string bytes;
    std::vector<TableWriter> tables;
  };
  Field& add(int slot, Kind kind, size_t alignment);
  size_t write(std::string& out) const;  // the position of the table

  std::vector<Field> fields_;
};

}  // namespace ferry::flatbuffers
