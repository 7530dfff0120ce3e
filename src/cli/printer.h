// Printer: text out, gathered and written in large pieces. To a file descriptor, or kept (tests).
#pragma once

#include <string>
#include <string_view>

#include "ferry/status.h"

namespace ferry::cli {

// Not thread-safe. The first failure to write stays and silences what follows; flush() reports it.
class Printer {
 public:
  Printer() = default;  // keeps all text
  explicit Printer(int fd) : fd_(fd) {}
  Printer(const Printer&) = delete;
  Printer& operator=(const Printer&) = delete;

  template <class... Pieces>
  void print(const Pieces&... pieces) {
    (detail::append_piece(text_, pieces), ...);
    if (text_.size() >= kBlock && fd_ >= 0) send();
  }
  void pad(size_t spaces) { text_.append(spaces, ' '); }
  Status flush();
  bool failed() const { return !failure_.ok(); }     // loops over much data stop here
  const std::string& kept() const { return text_; }  // what a printer without a descriptor was given
  void clear() { text_.clear(); }

 private:
  static constexpr size_t kBlock = size_t{64} << 10;
  void send();
  int fd_ = -1;
  std::string text_;
  Status failure_;
};

}  // namespace ferry::cli
