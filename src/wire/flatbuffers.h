// Flatbuffers, read without generated code: tables by slot number, every step held against the bytes.
// A slot is a field's place in its table's declaration, counted from 0 (a union takes two: its type, then its value).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "ferry/status.h"

namespace ferry::flatbuffers {

// The bytes of one flatbuffer. Offsets only ever point forward, so nothing is cyclic; but many offsets may share one
// target, and a chain of such shares takes exponential time to walk. So each step costs, and the total is bounded by the
// size of the bytes. One thread at a time; outlives the tables that are read from it.
class Bytes {
 public:
  // `base`: where the bytes lie in the source, for messages.
  explicit Bytes(std::span<const std::byte> bytes, uint64_t base = 0);

 private:
  friend class Table;
  friend class Vector;
  Status fail(uint64_t at, std::string message) const { return data_loss_at(base_ + at, std::move(message)); }
  Status spend(uint64_t at, uint64_t cost);
  template <class T>
  T get(uint64_t at) const {  // the caller has checked
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }
  // Follows the offset at `at` (within the bytes) to at least `size` bytes.
  Result<uint64_t> follow(uint64_t at, uint64_t size, std::string_view what) const;

  std::span<const std::byte> bytes_;
  uint64_t base_;
  uint64_t budget_;
};

class Table;

class Vector {
 public:
  Vector() = default;
  size_t size() const { return count_; }
  std::span<const std::byte> bytes() const;
  template <class T>
  T get(size_t i) const {  // i < size(); T is what the vector was asked for
    return bytes_->get<T>(at_ + i * sizeof(T));
  }
  Result<Table> table(size_t i) const;

 private:
  friend class Table;
  Bytes* bytes_ = nullptr;
  uint64_t at_ = 0;
  size_t count_ = 0;
  size_t element_ = 0;
  int depth_ = 0;
};

// A view; good while its Bytes live.
class Table {
 public:
  static Result<Table> root(Bytes& bytes);

  bool has(int slot) const { return find(slot) != 0; }
  // `otherwise` is the schema's default, for an absent field.
  template <class T>
  requires std::is_arithmetic_v<T> Result<T> scalar(int slot, T otherwise)
  const {
    const uint16_t field = find(slot);
    if (field == 0) return otherwise;
    if (field + sizeof(T) > size_) return outside(slot);
    return bytes_->get<T>(at_ + field);
  }
  // A struct, inline in the table.
  Result<std::optional<std::span<const std::byte>>> structure(int slot, size_t size) const;
  Result<std::optional<Table>> table(int slot) const;
  Result<std::string_view> text(int slot) const;                     // "" where absent
  Result<Vector> vector(int slot, size_t element_size) const;        // of scalars or structs; empty where absent
  Result<Vector> tables(int slot) const { return vector(slot, 4); }  // of tables
  uint64_t offset() const;                                           // in the source

 private:
  friend class Vector;
  static constexpr int kMaxDepth = 128;
  Table(Bytes* bytes, uint64_t at, int depth) : bytes_(bytes), at_(at), depth_(depth) {}
  static Result<Table> at(Bytes& bytes, uint64_t position, int depth);
  uint16_t find(int slot) const;
  Status outside(int slot) const;

  Bytes* bytes_;
  uint64_t at_;
  uint64_t vtable_ = 0;
  uint16_t vtable_size_ = 0;
  uint16_t size_ = 0;
  int depth_;
};

}  // namespace ferry::flatbuffers
