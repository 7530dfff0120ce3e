// One HDF5 file in memory: its listing, and the data of its datasets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "formats/h5/protocol.h"
#include "hdf5/element.h"
#include "hdf5/handle.h"

namespace ferry::hdf5 {

// The listing as it grows.
class Output {
 public:
  void byte(uint8_t value) { bytes_ += static_cast<char>(value); }
  void number(uint64_t value) { bytes_.append(reinterpret_cast<const char*>(&value), 8); }
  void count(uint32_t value) { bytes_.append(reinterpret_cast<const char*>(&value), 4); }
  void text(std::string_view value) {
    count(static_cast<uint32_t>(value.size()));
    bytes_ += value;
  }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
};

struct Problem {
  h5::ReplyStatus status = h5::ReplyStatus::ok;
  std::string message;
  bool ok() const { return status == h5::ReplyStatus::ok; }
};

// Where the elements of a read go: a file in memory that can be handed over, or a small buffer.
class Destination {
 public:
  virtual ~Destination() = default;
  // `size` writable bytes, or null where that is more than the reader asked for or than there is. Called once.
  virtual std::byte* take(uint64_t size) = 0;
};

class File {
 public:
  // `image` outlives the File. Names of at most max_objects objects.
  Problem open(const std::byte* image, size_t size);
  Problem list(uint64_t max_objects, Output& out);
  Problem read(uint64_t object, Destination& to);

 private:
  struct Object {
    haddr_t address = HADDR_UNDEF;
    std::string field;  // of a record
  };
  void walk(hid_t group, const std::string& path, int depth);
  void visit(const std::string& path, haddr_t address, int depth);
  void list_dataset(const std::string& path, haddr_t address, hid_t dataset);
  void list_elements(const std::string& path, const Object& object, const Element& element, hid_t dataset, bool attributes);
  void skip(const std::string& path, std::string_view why);
  std::string obstacle_of(hid_t dataset, uint64_t bytes, bool exact, uint64_t& offset) const;

  Handle file_;
  std::vector<Object> objects_;
  std::unordered_set<haddr_t> groups_;
  uint64_t max_objects_ = 0;
  Output* out_ = nullptr;
  Problem problem_;
};

// Text of fixed length without its padding (an H5T_str_t).
std::string_view trimmed(std::string_view text, int padding);
void list_attributes(hid_t object, Output& out);
Problem read_elements(hid_t dataset, const Element& element, hid_t memory, Destination& to);
// What read_elements needs to know of a dataset of rows beforehand: how many values there are in all.
bool count_row_values(hid_t dataset, const Element& element, uint64_t& values);
void register_filters();

}  // namespace ferry::hdf5
