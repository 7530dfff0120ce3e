// Columns to Examples and SequenceExamples, a message a row, byte for byte what libprotobuf writes for entries in this order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ferry/tensor.h"
#include "records/columns.h"

namespace ferry::records {

// One feature of every row. Row r has the values [r * width, (r + 1) * width), or [splits[r], splits[r + 1]). Of a list, row r
// has the steps [steps[r], steps[r + 1]), and splits or width cut the values into steps.
struct FeatureColumn {
  std::string name;
  DenseTensor values;  // string, float32 or int64; as many as the rows need, whatever the shape
  int64_t width = -1;
  DenseTensor splits;  // int64, where width is -1
  bool same = false;   // every row has the first `width` values
  bool is_list = false;
  DenseTensor steps;  // int64 [rows + 1]

  FeatureKind kind() const;
};

// measure(row), then put() into as many bytes and kSlack more, which may be scribbled on. Not thread-safe; allocates nothing
// a row. Features of one number are copied from a template and patched.
class RowEncoder {
 public:
  static constexpr size_t kSlack = 64;
  explicit RowEncoder(std::vector<FeatureColumn> columns);

  size_t measure(int64_t row);
  char* put(char* at);  // the row measured last
  void append(std::string& out, int64_t row);

 private:
  struct Plan {
    std::string head;  // tag, length and bytes of the key
    FeatureKind kind;
    const float* floats = nullptr;
    const int64_t* ints = nullptr;  // values, or offsets of strings
    const char* bytes = nullptr;
    const int64_t* splits = nullptr;
    const int64_t* steps = nullptr;
    int64_t width, stride;
    enum class Scalar : uint8_t { no, number, integer } scalar = Scalar::no;
    size_t fixed_size = 0;  // of the template: the whole entry up to the value
    std::array<char, kSlack> fixed{};
    // Of the row measured:
    int64_t begin = 0, end = 0;                         // values, or steps
    size_t packed = 0, list = 0, value = 0, entry = 0;  // bytes of the packed values, the list, the Feature(List), the map entry
  };
  struct Sizes {
    size_t packed, list;
  };
  static Sizes measure_list(const Plan& plan, int64_t begin, int64_t end);
  static char* put_list(char* at, const Plan& plan, int64_t begin, int64_t end, size_t packed, size_t list);
  static void make_template(Plan& plan);
  static char* put_scalar(char* at, const Plan& plan, int64_t row);
  void measure_steps(Plan& plan, int64_t row);
  char* put_entry(char* at, const Plan& plan, const size_t*& step_sizes) const;

  std::vector<FeatureColumn> columns_;
  std::vector<Plan> context_, lists_;
  std::vector<size_t> step_sizes_;  // packed and list of each step measured, in the order they are written
  size_t context_bytes_ = 0, lists_bytes_ = 0;
  size_t template_bytes_ = 0;  // of all scalars, without the varints of integers
  int64_t row_ = 0;            // measured last
};

}  // namespace ferry::records
