// Errors are values: Status for "did it work", Result<T> for "the value, or why not".
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace ferry {

enum class StatusCode : uint8_t {
#define FERRY_STATUS(name, ...) name,
#include "ferry/status_codes.def"
#undef FERRY_STATUS
};

std::string_view status_name(StatusCode code);
int exit_code(StatusCode code);
int http_status(StatusCode code);
int grpc_code(StatusCode code);

// One pointer wide; null means ok, so the good path costs a test and no allocation.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message, std::optional<uint64_t> offset = std::nullopt);

  bool ok() const { return !state_; }
  StatusCode code() const { return state_ ? state_->code : StatusCode::ok; }
  // What was found, what was expected, what to do. Never contains the file name or the offset.
  std::string_view message() const { return state_ ? std::string_view(state_->message) : std::string_view(); }
  // Byte position in the source that was being read, where there is one.
  std::optional<uint64_t> offset() const { return state_ ? state_->offset : std::nullopt; }

  // "prefix: message"; the offset stays, because it still counts from the start of the same source.
  Status with_context(std::string_view prefix) const;
  // The same, for bytes that lay `base` bytes into a larger source.
  Status shifted(uint64_t base) const;
  // For bytes with no place of their own in the outer source (a compressed member): the offset moves into the words.
  Status nested(std::string_view prefix) const;

  // "data_loss: at byte 8: message".
  std::string to_string() const;

 private:
  struct State {
    StatusCode code;
    std::string message;
    std::optional<uint64_t> offset;
  };
  std::shared_ptr<const State> state_;
};

Status invalid_argument(std::string message);
Status data_loss(std::string message);
Status data_loss_at(uint64_t offset, std::string message);
Status unsupported(std::string message);
Status not_found(std::string message);
Status io_error(std::string message);
Status limit_exceeded(std::string message);
Status internal_error(std::string message);

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<1>, std::move(value)) {}
  Result(Status status) : state_(std::in_place_index<0>, std::move(status)) {}
  template <class U>
  requires(std::is_constructible_v<T, U&&> && !std::is_same_v<std::decay_t<U>, Result> && !std::is_same_v<std::decay_t<U>, Status> &&
           !std::is_same_v<std::decay_t<U>, T>) Result(U&& value)
      : state_(std::in_place_index<1>, std::forward<U>(value)) {}

  bool ok() const { return state_.index() == 1; }
  Status status() const { return ok() ? Status() : std::get<0>(state_); }

  T& value() & { return *std::get_if<1>(&state_); }
  const T& value() const& { return *std::get_if<1>(&state_); }
  T&& value() && { return std::move(*std::get_if<1>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return std::get_if<1>(&state_); }
  const T* operator->() const { return std::get_if<1>(&state_); }

 private:
  std::variant<Status, T> state_;
};

// Puts several pieces into one message without iostreams: concat("row ", 3, " of ", name).
namespace detail {
void append_piece(std::string& out, std::string_view piece);
void append_piece(std::string& out, char piece);
template <std::same_as<bool> T>
void append_piece(std::string& out, T piece) {
  append_piece(out, std::string_view(piece ? "true" : "false"));
}
void append_piece(std::string& out, double piece);
void append_number(std::string& out, int64_t piece);
void append_number(std::string& out, uint64_t piece);
template <class T>
requires(std::is_integral_v<T> && !std::is_same_v<T, char> && !std::is_same_v<T, bool>) void append_piece(std::string& out, T piece) {
  if constexpr (std::is_signed_v<T>) {
    append_number(out, static_cast<int64_t>(piece));
  } else {
    append_number(out, static_cast<uint64_t>(piece));
  }
}
template <class T>
concept Piece = requires(std::string& out, const T& piece) {
  append_piece(out, piece);
};
}  // namespace detail

// Constrained, so that it stands aside for the concat() of sparse tensors.
template <detail::Piece... Pieces>
std::string concat(const Pieces&... pieces) {
  std::string out;
  (detail::append_piece(out, pieces), ...);
  return out;
}

// A name or text from a file made safe to print: quoted, control bytes escaped, long ones cut.
std::string quoted(std::string_view text);

}  // namespace ferry

#define FERRY_CONCAT_(a, b) a##b
#define FERRY_CONCAT(a, b) FERRY_CONCAT_(a, b)

#define FERRY_RETURN_IF_ERROR(expr)                                    \
  do {                                                                 \
    if (::ferry::Status ferry_status_ = (expr); !ferry_status_.ok()) { \
      return ferry_status_;                                            \
    }                                                                  \
  } while (0)

#define FERRY_ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                            \
  if (!tmp.ok()) {                              \
    return tmp.status();                        \
  }                                             \
  lhs = std::move(tmp).value()
#define FERRY_ASSIGN_OR_RETURN(lhs, expr) FERRY_ASSIGN_OR_RETURN_(FERRY_CONCAT(ferry_result_, __LINE__), lhs, expr)

// For our own bugs; never reachable from bytes that a user gave.
#define FERRY_ASSERT(condition)                                       \
  do {                                                                \
    if (!(condition)) [[unlikely]] {                                  \
      ::ferry::detail::assert_failed(#condition, __FILE__, __LINE__); \
    }                                                                 \
  } while (0)

namespace ferry::detail {
[[noreturn]] void assert_failed(const char* condition, const char* file, int line);
}
