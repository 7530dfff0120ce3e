#include "ferry/status.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace ferry {
namespace {

struct Code {
  std::string_view name;
  int exit_code;
  int http;
  int grpc;
};

constexpr Code kCodes[] = {
#define FERRY_STATUS(name, exit_code, http, grpc, python, meaning) {#name, exit_code, http, grpc},
#include "ferry/status_codes.def"
#undef FERRY_STATUS
};

const Code& row(StatusCode code) { return kCodes[static_cast<size_t>(code)]; }

}  // namespace

std::string_view status_name(StatusCode code) { return row(code).name; }
int exit_code(StatusCode code) { return row(code).exit_code; }
int http_status(StatusCode code) { return row(code).http; }
int grpc_code(StatusCode code) { return row(code).grpc; }

Status::Status(StatusCode code, std::string message, std::optional<uint64_t> offset) {
  if (code != StatusCode::ok) {
    state_ = std::make_shared<const State>(State{code, std::move(message), offset});
  }
}

Status Status::with_context(std::string_view prefix) const {
  if (ok()) return *this;
  return Status(code(), concat(prefix, ": ", message()), offset());
}

Status Status::shifted(uint64_t base) const {
  if (ok() || !offset()) return *this;
  return Status(code(), std::string(message()), *offset() + base);
}

Status Status::nested(std::string_view prefix) const {
  if (ok()) return *this;
  if (!offset()) return with_context(prefix);
  return Status(code(), concat(prefix, ": at byte ", *offset(), ": ", message()));
}

std::string Status::to_string() const {
  if (ok()) return "ok";
  std::string out(status_name(code()));
  if (offset()) out += concat(": at byte ", *offset());
  return concat(out, ": ", message());
}

Status invalid_argument(std::string message) { return Status(StatusCode::invalid_argument, std::move(message)); }
Status data_loss(std::string message) { return Status(StatusCode::data_loss, std::move(message)); }
Status data_loss_at(uint64_t offset, std::string message) { return Status(StatusCode::data_loss, std::move(message), offset); }
Status unsupported(std::string message) { return Status(StatusCode::unsupported, std::move(message)); }
Status not_found(std::string message) { return Status(StatusCode::not_found, std::move(message)); }
Status io_error(std::string message) { return Status(StatusCode::io, std::move(message)); }
Status limit_exceeded(std::string message) { return Status(StatusCode::limit_exceeded, std::move(message)); }
Status internal_error(std::string message) { return Status(StatusCode::internal, std::move(message)); }

std::string quoted(std::string_view text) {
  constexpr size_t kMost = 120;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "'";
  for (char c : text.substr(0, kMost)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += text.size() > kMost ? "…'" : "'";
  return out;
}

namespace detail {

void append_piece(std::string& out, std::string_view piece) { out += piece; }
void append_piece(std::string& out, char piece) { out += piece; }

template <class T>
static void append_chars(std::string& out, T piece) {
  std::array<char, 40> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), piece).ptr;
  out.append(text.data(), end);
}

void append_piece(std::string& out, double piece) { append_chars(out, piece); }
void append_number(std::string& out, int64_t piece) { append_chars(out, piece); }
void append_number(std::string& out, uint64_t piece) { append_chars(out, piece); }

void assert_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "ferry: bug: %s is false at %s:%d; please report it\n", condition, file, line);
  std::abort();
}

}  // namespace detail
}  // namespace ferry
