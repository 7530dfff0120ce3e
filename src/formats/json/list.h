// Nested JSON lists into one flat typed buffer and its structure: a dense tensor where the lists are rectangular, a ragged one
// where they are not.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ferry/limits.h"
#include "ferry/tensor.h"
#include "formats/json/growing.h"
#include "wire/json.h"

namespace ferry::json {

// What numbers become where no dtype is named.
struct NumberDTypes {
  DType integers = DType::int64;
  DType floats = DType::float32;
};

class ListBuilder {
 public:
  // With a target, values are read as that dtype; without one the values decide (see docs/formats/json.md).
  explicit ListBuilder(NumberDTypes defaults = {}, std::optional<DType> target = std::nullopt);

  // A list, string, number or bool; {"b64": …} as a string. What it holds is added inside the list that is open.
  void read(Reader& in);
  void open_list(Reader& in);
  void close_list();
  void add_string(Reader& in, std::string_view text);

  bool empty() const { return count() == 0; }
  bool is_scalar() const { return leaf_depth_ == 0; }
  DType dtype() const;
  std::optional<std::string_view> scalar_string() const;
  bool was_base64() const { return base64_; }
  // Whether finish(dtype) gives exactly what reading with that target would.
  bool suits(DType dtype) const { return dtype == this->dtype() || empty(); }

  // `dtype` as read, or any where there are no values; with `shape`, the values in order whatever the nesting.
  Result<Tensor> finish(std::optional<DType> dtype = std::nullopt, std::optional<Shape> shape = std::nullopt) &&;

 private:
  enum class Mode : uint8_t { none, signed_, unsigned_, single, double_, boolean, text };
  struct Level {
    int64_t lists = 0, current = 0, expected = -1;
    bool ragged = false;
    std::vector<int64_t> splits;
  };

  size_t count() const;
  void read_numbers(Reader& in);  // numbers with commas between, up to what is none
  template <class T, class Stored>
  bool read_run(Reader& in, Growing<Stored>& values);
  bool add_number(Reader& in);  // one, with care
  template <class T>
  bool push(Reader& in, Growing<T>& values, T value, const char* after);
  bool add_float(Reader& in, const char* after);
  bool add_integer(Reader& in, const char* after);
  Status floats_from_integers();
  bool scalar(Reader& in, int64_t count = 1);
  bool set_mode(Reader& in, Mode mode, std::string_view what);
  Result<DenseTensor> flat(DType dtype, Shape shape);

  NumberDTypes defaults_;
  std::optional<DType> target_;
  Mode mode_ = Mode::none;
  bool base64_ = false;
  int depth_ = 0, leaf_depth_ = -1, deepest_ = 0;
  std::vector<Level> levels_;
  const char* first_ = nullptr;  // number in the text, by which the number of all is guessed
  Growing<uint64_t> integers_;   // or int64
  Growing<float> singles_;
  Growing<double> doubles_;
  std::vector<uint8_t> bools_;
  std::vector<int64_t> offsets_{0};
  std::string text_;
};

}  // namespace ferry::json
