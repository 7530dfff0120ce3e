// Context: what main() owns and hands down to a command: where words go, threads, what the terminal can do.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/printer.h"
#include "ferry/limits.h"
#include "ferry/status.h"
#include "ferry/thread_pool.h"

namespace ferry::cli {

struct Command;

// A negative answer of diff, verify and plan; the other codes come from status_codes.def.
inline constexpr int kNegative = 1;
inline constexpr int kUsage = 2;

enum class Style : uint8_t { plain, bold, red, green, yellow };

class Context {
 public:
  Context(Printer& out_printer, Printer& err_printer) : out(out_printer), err(err_printer) {}

  Printer& out;  // data
  Printer& err;  // words
  bool colour_out = false, colour_err = false;
  bool err_is_terminal = false;  // a progress bar is welcome
  bool quiet = false;
  int threads = 0;  // 0: one for each core
  Limits limits;
  const Command* command = nullptr;

  // Made when first asked for: most commands finish before a thread would have started.
  ThreadPool* pool();

  // Prints "ferry: FILE:OFFSET: message" and gives the exit code, which is also kept for callers further up.
  int fail(std::string_view file, const Status& status);
  int fail(const Status& status) { return fail({}, status); }
  // A mistake on the command line: the message, and where help is.
  int usage(std::string_view message);
  void warn(std::string_view file, std::string_view message);
  int exit_code() const { return exit_code_; }
  const Status& failure() const { return failure_; }  // the last one that fail() was given

 private:
  void error_line(std::string_view file, std::optional<uint64_t> offset, std::string_view message, Style style);
  std::unique_ptr<ThreadPool> pool_;
  int exit_code_ = 0;
  Status failure_;
};

// `text` in a colour where there is one to show.
std::string styled(bool colour, Style style, std::string_view text);

}  // namespace ferry::cli
