// What every command that reads or writes tensors does alike: the shared options, opening, detection, errors with the
// file's name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/arguments.h"
#include "cli/context.h"
#include "ferry/format.h"

namespace ferry::cli {

std::span<const Option> reading_options();     // --from --parts --no-parts --max
std::span<const Option> writing_options();     // --to
std::span<const Option> one_side_options();    // --set, for the one side there is
std::span<const Option> both_sides_options();  // --set, with in. and out.

// What --max can change.
struct LimitRow {
  std::string_view name;
  uint64_t Limits::*member;
  std::string_view help;
};
std::span<const LimitRow> limit_rows();

// An opened file.
struct Input {
  std::string path;
  const Format* format = nullptr;
  Place place;
  std::unique_ptr<TensorReader> reader;

  std::span<const TensorInfo> tensors() const { return reader->tensors(); }
  uint64_t file_bytes() const { return place.source == nullptr ? 0 : place.source->size(); }
  // Position by name; "(root)" is the nameless tensor too, and a checkpoint's variables have paths and names of their own. Prints what is
  // wrong, near misses included.
  std::optional<size_t> find(Context& context, std::string_view name) const;
};

// Each prints the error and gives nullopt; the exit code is then in the context. Options are held against the format's
// own list, and `out` is the format of the other side where there is one. `from`: the option that names this file's format first.
// `as_arrays`: no array is a part of another tensor, whatever the options say.
std::optional<Input> open_input(Context& context, const Arguments& arguments, std::string_view path, const Format* out = nullptr,
                                std::string_view from = "from", bool as_arrays = false);
// The format of OUT: --to, else by extension.
const Format* output_format(Context& context, const Arguments& arguments, std::string_view path);
std::optional<FormatOptions> output_options(Context& context, const Arguments& arguments, const Format& format, const Format* in = nullptr);

}  // namespace ferry::cli
