// The front of a Matrix Market file: banner, comments, size line.
#pragma once

#include <cstdint>
#include <string_view>

#include "ferry/dtype.h"
#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/tensor_map.h"

namespace ferry::mtx {

enum class Field : uint8_t { real, integer, unsigned_integer, complex, pattern };
enum class Symmetry : uint8_t { general, symmetric, skew_symmetric, hermitian };

struct Header {
  bool vector = false;  // the object: a vector has one axis
  bool array = false;   // dense, column by column; else coordinates
  Field field = Field::real;
  Symmetry symmetry = Symmetry::general;
  int64_t rows = 0, columns = 1;
  int64_t count = 0;  // of the lines that follow: entries stored, or elements of the (lower triangle of the) array
  size_t body = 0;    // byte after the size line
  Metadata note;      // ours, from a comment
};

std::string_view field_name(Field field);
std::string_view symmetry_name(Symmetry symmetry);
DType default_dtype(Field field);

Result<Header> parse_header(std::string_view text);

}  // namespace ferry::mtx
