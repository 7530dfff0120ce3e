#include "cli/context.h"

#include "cli/command.h"
#include "cli/text.h"

namespace ferry::cli {

std::string styled(bool colour, Style style, std::string_view text) {
  if (!colour) return std::string(text);
  std::string_view code;
  switch (style) {
    case Style::plain: return std::string(text);
    case Style::bold: code = "\x1b[1m"; break;
    case Style::red: code = "\x1b[1;31m"; break;
    case Style::green: code = "\x1b[32m"; break;
    case Style::yellow: code = "\x1b[33m"; break;
  }
  return concat(code, text, "\x1b[0m");
}

ThreadPool* Context::pool() {
  if (pool_ == nullptr) pool_ = std::make_unique<ThreadPool>(threads);
  return pool_.get();
}

void Context::error_line(std::string_view file, std::optional<uint64_t> offset, std::string_view message, Style style) {
  (void)out.flush();  // what was printed before the error comes before it on a terminal too
  err.print(styled(colour_err, style, "ferry:"), " ");
  if (!file.empty()) {
    err.print(printable(file), ":");
    if (offset) err.print(*offset, ":");
    err.print(" ");
  } else if (offset) {
    err.print("at byte ", *offset, ": ");
  }
  err.print(printable(message), "\n");  // it may quote bytes that are no text
  (void)err.flush();
}

int Context::fail(std::string_view file, const Status& status) {
  error_line(file, status.offset(), status.message(), Style::red);
  failure_ = status;
  return exit_code_ = ferry::exit_code(status.code());
}

int Context::usage(std::string_view message) {
  error_line({}, std::nullopt, message, Style::red);
  if (command != nullptr) {
    err.print("try: ferry ", command->name, " --help\n");
  } else {
    err.print("try: ferry help\n");
  }
  (void)err.flush();
  return exit_code_ = kUsage;
}

void Context::warn(std::string_view file, std::string_view message) {
  error_line(file, std::nullopt, concat("warning: ", message), Style::yellow);
}

}  // namespace ferry::cli
