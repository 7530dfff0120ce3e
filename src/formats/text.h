// What the text formats (mtx, libsvm, csv) share: numbers of every dtype as text, errors that name the line, text cut at
// line ends for the thread pool, and the note in which a writer keeps what the format has no word for.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ferry/dtype.h"
#include "ferry/io.h"
#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/tensor_map.h"
#include "wire/number.h"

namespace ferry::text {

// ---- Places and lines

inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
inline const char* skip_blanks(const char* at, const char* end) {
  while (at != end && is_blank(*at)) ++at;
  return at;
}
// The next '\n', or end.
const char* line_end(const char* at, const char* end);
// data_loss at the byte `at` points to in `text`, the message starting with the line's number (counted here, in the cold).
Status error_at(std::string_view text, const char* at, std::string_view message);
// The word at `at` (up to a blank or line end), quoted, for messages; "the end of the file" where nothing is left.
std::string word_at(const char* at, const char* end);
// Pieces of about `size` bytes, each but the last ending just after a '\n'.
std::vector<std::string_view> split_lines(std::string_view text, size_t size);
// How often the bytes a and b occur.
std::pair<size_t, size_t> count_bytes(std::string_view text, char a, char b);

// ---- Numbers

// The dtype whose text carries `dtype`: float32 (and the smaller floats), float64, int64 (signed, bool, quantized), uint64,
// complex64, complex128. Reading makes that one and narrows it, writing widens to it; both are exact.
DType carrier(DType dtype);
Result<DenseTensor> widen(const DenseTensor& values);
// An error names the first value that `dtype` cannot hold. Floats round to nearest.
Result<DenseTensor> narrow(DenseTensor values, DType dtype);

// Calls f(TypeTag<T>) with T among float, double, int64_t, uint64_t, std::complex<float>, std::complex<double>.
template <class F>
decltype(auto) visit_carrier(DType dtype, F&& f) {
  switch (carrier(dtype)) {
    case DType::float32: return f(TypeTag<float>{});
    case DType::uint64: return f(TypeTag<uint64_t>{});
    case DType::int64: return f(TypeTag<int64_t>{});
    case DType::complex64: return f(TypeTag<std::complex<float>>{});
    case DType::complex128: return f(TypeTag<std::complex<double>>{});
    default: return f(TypeTag<double>{});
  }
}

// The option `name` as a dtype that has numbers as text, or `otherwise`.
Result<DType> dtype_option(std::string_view value, std::string_view name, DType otherwise);

// ---- Writing

// Collects text and hands it on in large blocks. The first failure is kept and given by finish().
class Writer {
 public:
  explicit Writer(ByteSink& sink);
  // Room for `size` more bytes at the place returned; done(at) says how far they were filled.
  char* room(size_t size) {
    if (capacity_ - used_ < size) [[unlikely]]
      make_room(size);
    return block_.get() + used_;
  }
  void done(const char* at) { used_ = static_cast<size_t>(at - block_.get()); }
  void put(char c) {
    char* at = room(1);
    *at = c;
    done(at + 1);
  }
  void put(std::string_view text);
  template <class T>
  void number(T value) {
    char* at = room(kNumberText);
    done(print_number(at, value));
  }
  Status finish();

 private:
  void make_room(size_t size);
  void flush();
  ByteSink& sink_;
  std::unique_ptr<char[]> block_;
  size_t capacity_ = 0, used_ = 0;
  Status status_;
};

// ---- Notes: "ferry: key=value key=value" in a comment, values percent-encoded

std::string note_text(const Metadata& note);
// The keys and values of a comment's text; empty where it is no note.
Metadata parse_note(std::string_view comment);

}  // namespace ferry::text
