// From what the pickle says would be called to descriptions of tensors.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "ferry/format.h"
#include "formats/pt/description.h"
#include "wire/pickle.h"

namespace ferry::pt {

// What a persistent id stands for.
struct Persistent {
  const ElementType* element = nullptr;
  size_t storage = 0;
  uint64_t begin = 0, bytes = 0;  // of the storage
  std::string location;           // "cpu", "cuda:0"
  DescriptionPtr tensor;          // in tar files, a whole tensor
};

// Thread-safe: changes nothing.
class Interpreter {
 public:
  // All three outlive it.
  Interpreter(const pickle::Document& document, const std::unordered_map<pickle::Id, Persistent>& persistents, const Limits& limits)
      : document_(document), persistents_(persistents), limits_(limits) {}

  // Null where the value is no tensor.
  Result<DescriptionPtr> describe(pickle::Id id, int depth = 0) const;

  // ---- Also for those that walk the document

  std::optional<What> called(pickle::Id id) const;   // what an object's callable means
  Result<std::string> text_of(pickle::Id id) const;  // text, or bytes as Python 2 wrote it

 private:
  Result<DescriptionPtr> call(pickle::Id id, std::span<const pickle::Id> args, const Meaning& callable, int depth) const;
  Result<DescriptionPtr> strided(pickle::Id id, std::span<const pickle::Id> args, int version, int depth) const;
  Result<DescriptionPtr> quantized(pickle::Id id, std::span<const pickle::Id> args, int depth) const;
  Result<DescriptionPtr> sparse(pickle::Id id, std::span<const pickle::Id> args, int depth) const;
  Result<DescriptionPtr> nested(pickle::Id id, std::span<const pickle::Id> args, int depth) const;
  Result<DescriptionPtr> jagged(pickle::Id id, std::span<const pickle::Id> args, int depth) const;
  Result<DescriptionPtr> on_device(pickle::Id id, std::span<const pickle::Id> args, int depth) const;
  Result<DescriptionPtr> numpy_array(pickle::Id id, const pickle::Object& object) const;
  Result<DescriptionPtr> numpy_scalar(pickle::Id id, std::span<const pickle::Id> args) const;
  Result<DescriptionPtr> numpy_frombuffer(pickle::Id id, std::span<const pickle::Id> args) const;
  Result<std::string> numpy_descr(pickle::Id id) const;
  Result<DescriptionPtr> inline_array(pickle::Id id, std::string_view descr, const Shape& shape, bool fortran, pickle::Id elements) const;

  Result<DescriptionPtr> tensor(pickle::Id id, std::string_view what, int depth) const;  // describe(), and none is an error
  Result<int64_t> integer(pickle::Id id, std::string_view what) const;
  Result<std::vector<int64_t>> integers(pickle::Id id, std::string_view what) const;
  Result<Shape> shape(pickle::Id id, std::string_view what) const;
  std::optional<std::span<const pickle::Id>> sequence(pickle::Id id) const;
  const Meaning* global(pickle::Id id) const;
  Status bad(pickle::Id id, std::string message) const;

  const pickle::Document& document_;
  const std::unordered_map<pickle::Id, Persistent>& persistents_;
  const Limits& limits_;
};

}  // namespace ferry::pt
