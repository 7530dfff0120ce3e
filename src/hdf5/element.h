// What an HDF5 datatype is to us, and the memory type that data of it is read as.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/h5/protocol.h"
#include "hdf5/handle.h"

namespace ferry::hdf5 {

inline constexpr uint8_t kBoolNumber = 10;

struct Element {
  h5::ElementKind kind = h5::ElementKind::fixed;
  uint8_t dtype = 0;           // TensorFlow's number
  size_t size = 0;             // bytes of one dtype element in memory; strings: of one in HDF5's memory
  std::vector<uint64_t> axes;  // of an array type: further axes of the dataset
  Handle memory;               // what to read it as
  bool exact = false;          // the file's bytes are the memory's bytes
  bool variable = false;       // strings: variable length
  int padding = 0;             // strings of fixed length: H5T_str_t
  std::string obstacle;        // why it cannot be read, else empty
};

Element classify(hid_t type);
// Compound types but complex numbers are read member by member.
bool is_record(hid_t type);

}  // namespace ferry::hdf5
