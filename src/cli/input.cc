#include "cli/input.h"

#include <algorithm>

#include "cli/progress.h"
#include "cli/text.h"
#include "ferry/checkpoint.h"

namespace ferry::cli {
namespace {

constexpr Option kReading[] = {
    {"from", 'f', Takes::format, "FORMAT", "the input's format, where bytes and name do not tell"},
    {"parts", 0, Takes::text, "NAME=A,B,C", "arrays A, B, C make up the tensor NAME", true},
    {"no-parts", 0, Takes::nothing, "", "leave x/indices, x/values, … as separate arrays"},
    {"max", 0, Takes::text, "LIMIT=SIZE", "raise or lower a limit: expanded_bytes=8G (see: ferry help limits)", true},
};
constexpr Option kWriting[] = {
    {"to", 't', Takes::format, "FORMAT", "the output's format, where its name does not tell"},
};
constexpr Option kOneSide[] = {
    {"set", 's', Takes::text, "KEY=VALUE", "an option of the format (see: ferry help formats)", true},
};
constexpr Option kBothSides[] = {
    {"set", 's', Takes::text, "KEY=VALUE", "an option of each format that has it; in.KEY and out.KEY name one side", true},
};

constexpr LimitRow kLimits[] = {
    {"tensor_bytes", &Limits::max_tensor_bytes, "one tensor in memory"},
    {"tensors", &Limits::max_tensors, "tensors in one file"},
    {"rank", &Limits::max_rank, "axes of one tensor"},
    {"name_bytes", &Limits::max_name_bytes, "one tensor's name"},
    {"nesting", &Limits::max_nesting, "lists in lists, messages in messages, ragged levels"},
    {"expanded_bytes", &Limits::max_expanded_bytes, "what one compressed stream or member grows to, and the length of a pipe"},
    {"expansion_ratio", &Limits::max_expansion_ratio, "how many times its size a large compressed stream grows"},
    {"densified_bytes", &Limits::max_densified_bytes, "a dense tensor made from a sparse one"},
};

bool apply_limits(Context& context, const Arguments& arguments) {
  for (std::string_view text : arguments.all("max")) {
    const auto assignment = split_assignment(text);
    if (!assignment) return context.usage(concat("--max is ", quoted(text), ", expected LIMIT=SIZE")), false;
    auto [name, value] = *assignment;
    if (name.starts_with("max_")) name.remove_prefix(4);
    const auto row = std::ranges::find(kLimits, name, &LimitRow::name);
    if (row == std::end(kLimits)) {
      std::vector<std::string_view> names;
      for (const LimitRow& known : kLimits) names.push_back(known.name);
      return context.usage(concat("--max names no limit ", quoted(name), did_you_mean(name, names))), false;
    }
    const auto size = parse_size(value);
    if (!size) return context.usage(concat("--max ", name, " is ", quoted(value), ", expected a size like 4096, 64K or 1.5G")), false;
    context.limits.*(row->member) = *size;
    // Whoever says how large a stream may grow has not a bomb in mind.
    if (row->member == &Limits::max_expanded_bytes) context.limits.free_expanded_bytes = *size;
  }
  return true;
}

const OptionSpec* find_spec(const Format* format, std::string_view key) {
  if (format == nullptr) return nullptr;
  for (const OptionSpec& spec : format->options) {
    if (spec.name == key) return &spec;
  }
  return nullptr;
}

// Holds a value against "auto|0|1" or "N"; anything else in the table is free text.
std::string value_complaint(const OptionSpec& spec, std::string_view value) {
  if (spec.values == "N" && !parse_integer(value)) return "a whole number";
  const auto words = split(spec.values, '|');
  if (words.size() < 2) return {};
  for (std::string_view word : words) {
    if (word == "...") return {};  // more than the table can list
    const bool placeholder = !word.empty() && std::ranges::all_of(word, [](char c) { return c >= 'A' && c <= 'Z'; });
    if (placeholder && (word != "N" || parse_integer(value))) return {};
    if (word == value) return {};
  }
  // Whoever may say true may say it as FormatOptions::get_bool reads it.
  const bool boolean = std::ranges::find(words, "true") != words.end();
  for (std::string_view word : {"true", "false", "1", "0", "yes", "no", "on", "off", "True", "False"}) {
    if (boolean && word == value) return {};
  }
  return concat("one of ", spec.values);
}

enum class Side : uint8_t { in, out };

// --set KEY=VALUE goes to each side whose format declares KEY; in.KEY and out.KEY name one side.
std::optional<FormatOptions> options_for(Context& context, const Arguments& arguments, Side side, const Format* in, const Format* out) {
  FormatOptions options;
  const Format* mine = side == Side::in ? in : out;
  for (std::string_view text : arguments.all("set")) {
    const auto assignment = split_assignment(text);
    if (!assignment) {
      context.usage(concat("--set is ", quoted(text), ", expected KEY=VALUE"));
      return std::nullopt;
    }
    auto [key, value] = *assignment;
    const bool only_in = key.starts_with("in.");
    const bool only_out = key.starts_with("out.");
    key.remove_prefix(only_in ? 3 : only_out ? 4 : 0);
    const OptionSpec* in_spec = only_out ? nullptr : find_spec(in, key);
    const OptionSpec* out_spec = only_in ? nullptr : find_spec(out, key);
    if (in_spec == nullptr && out_spec == nullptr) {
      std::vector<std::string_view> known;
      std::string ids;
      for (const Format* format : {only_out ? nullptr : in, only_in ? nullptr : out}) {
        if (format == nullptr) continue;
        for (const OptionSpec& spec : format->options) known.push_back(spec.name);
        if (!ids.ends_with(format->id)) ids += concat(ids.empty() ? "" : " or ", format->id);
      }
      std::string list;
      for (std::string_view name : known) list += concat(list.empty() ? "; it has: " : ", ", name);
      context.usage(concat(ids.empty() ? "no format here" : ids, " has no option ", quoted(key), did_you_mean(key, known),
                           list.empty() ? "; it has none" : list));
      return std::nullopt;
    }
    for (const OptionSpec* spec : {in_spec, out_spec}) {
      if (spec == nullptr) continue;
      if (const std::string expected = value_complaint(*spec, value); !expected.empty()) {
        context.usage(concat("option ", key, " is ", quoted(value), ", expected ", expected));
        return std::nullopt;
      }
    }
    if ((side == Side::in ? in_spec : out_spec) != nullptr && mine != nullptr) options.set(std::string(key), std::string(value));
  }
  return options;
}

}  // namespace

namespace {

// Of a checkpoint: by the path of the object that held it, or by the program's name for it where one alone is called so.
std::optional<size_t> find_variable(const TensorReader& reader, const Limits& limits, std::string_view name) {
  const auto objects = read_object_graph(reader, limits);
  const auto variables = describe_variables(reader.tensors(), objects.ok() && objects->has_value() ? &**objects : nullptr);
  if (!variables.ok()) return std::nullopt;
  for (const Variable& at : *variables) {
    if (at.path == name && !name.empty()) return at.tensor;
  }
  const auto is_called = [&](const Variable& at) { return at.name == name; };
  const auto it = std::ranges::find_if(*variables, is_called);
  if (it == variables->end() || std::find_if(it + 1, variables->end(), is_called) != variables->end()) return std::nullopt;
  return it->tensor;
}

}  // namespace

std::span<const LimitRow> limit_rows() { return kLimits; }
std::span<const Option> reading_options() { return kReading; }
std::span<const Option> writing_options() { return kWriting; }
std::span<const Option> one_side_options() { return kOneSide; }
std::span<const Option> both_sides_options() { return kBothSides; }

std::optional<size_t> Input::find(Context& context, std::string_view name) const {
  const auto infos = tensors();
  for (size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].name == name) return i;
  }
  for (size_t i = 0; i < infos.size(); ++i) {
    if (name == "(root)" && infos[i].name.empty()) return i;
  }
  if (const auto at = find_variable(*reader, context.limits, name)) return at;
  std::vector<std::string_view> names;
  for (const TensorInfo& info : infos) names.push_back(info.name.empty() ? "(root)" : std::string_view(info.name));
  std::string hint = did_you_mean(name, names);
  if (hint.empty() && !names.empty()) {
    constexpr size_t kShown = 8;
    hint = "; it has: ";
    for (size_t i = 0; i < std::min(names.size(), kShown); ++i) hint += concat(i == 0 ? "" : ", ", printable(names[i]));
    if (names.size() > kShown) hint += ", …";
  }
  context.fail(path, not_found(concat("no tensor is named ", quoted(name), hint)));
  return std::nullopt;
}

std::optional<Input> open_input(Context& context, const Arguments& arguments, std::string_view path, const Format* out,
                                std::string_view from, bool as_arrays) {
  Input input;
  input.path = path;
  const auto failed = [&](const Status& status) {
    context.fail(path, status);
    return std::nullopt;
  };
  if (!apply_limits(context, arguments)) return std::nullopt;
  auto named = arguments.get(from);
  if (!named) named = arguments.get("from");
  if (named) input.format = find_format(*named);
  ReadOptions options;
  options.limits = context.limits;
  options.streaming = true;
  options.parts.enabled = !as_arrays && !arguments.has("no-parts");
  for (std::string_view text : arguments.all("parts")) {
    const auto assignment = split_assignment(text);
    if (!assignment) {
      context.usage(concat("--parts is ", quoted(text), ", expected NAME=A,B,C"));
      return std::nullopt;
    }
    std::vector<std::string> arrays;
    for (std::string_view array : split(assignment->second, ',')) arrays.emplace_back(array);
    options.parts.explicit_groups.emplace_back(std::string(assignment->first == "(root)" ? "" : assignment->first), std::move(arrays));
  }
  Progress progress(context, "reading");
  auto place = find_place(input.path, context.limits);
  if (!place.ok()) return failed(place.status());
  input.place = *std::move(place);
  if (input.format == nullptr) {
    auto format = detect_format(input.place);
    if (!format.ok()) return failed(format.status());
    input.format = *format;
  }
  auto format_options = options_for(context, arguments, Side::in, input.format, out);
  if (!format_options) return std::nullopt;
  options.format = *std::move(format_options);
  // A reader that is strict about duplicates or order must let pass what the command is about to put right.
  const auto let_pass = [&](std::string_view key, std::string_view value) {
    if (find_spec(input.format, key) != nullptr && options.format.get(key).empty())
      options.format.set(std::string(key), std::string(value));
  };
  if (const auto rule = arguments.get("coalesce")) let_pass("duplicates", *rule);
  if (arguments.has("sort") || arguments.has("coalesce")) let_pass("order", "any");
  constexpr uint64_t kWorthThreads = uint64_t{1} << 20;
  // Of what is several files, this one is the small one.
  if (input.place.folder != nullptr || input.file_bytes() >= kWorthThreads || input.format->locate != nullptr)
    options.pool = context.pool();
  auto reader = open_tensors(input.place, input.format, options);
  if (!reader.ok()) return failed(reader.status());
  input.reader = *std::move(reader);
  return input;
}

const Format* output_format(Context& context, const Arguments& arguments, std::string_view path) {
  if (const auto to = arguments.get("to")) {
    const Format* format = find_format(*to);
    if (format->can_write()) return format;
    context.fail(path, unsupported(concat(format->id, " is read only; choose another format with --to")));
    return nullptr;
  }
  if (path == "-") {
    context.usage("writing to stdout needs --to FORMAT (ferry help formats lists them)");
    return nullptr;
  }
  const auto format = format_for_output(path);
  if (!format.ok()) {
    context.fail(path, format.status());
    return nullptr;
  }
  return *format;
}

std::optional<FormatOptions> output_options(Context& context, const Arguments& arguments, const Format& format, const Format* in) {
  return options_for(context, arguments, Side::out, in, &format);
}

}  // namespace ferry::cli
