// ferry help: the overview, one command, and the tables that other parts of the program are built from.
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_text.h"
#include "cli/text.h"
#include "ferry/format.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"json", 0, Takes::nothing, "", "for help formats: a list of objects"},
};

std::vector<std::string_view> kinds_of(const Format& format) {
  std::vector<std::string_view> out;
  for (TensorKind kind : {TensorKind::dense, TensorKind::coo, TensorKind::csr, TensorKind::csc, TensorKind::ragged}) {
    if (format.capabilities.kinds.has(kind)) out.push_back(kind_name(kind));
  }
  return out;
}

void print_formats_json(Printer& out) {
  JsonText json(out);
  json.begin_list();
  for (const Format* format : all_formats()) {
    const Capabilities& can = format->capabilities;
    json.begin_object().member("id", format->id).member("summary", format->summary).key("extensions").begin_list();
    for (std::string_view extension : format->extensions) json.text(extension);
    json.end_list().member("read", format->open != nullptr).member("write", format->can_write()).key("kinds").begin_list();
    for (std::string_view kind : kinds_of(*format)) json.text(kind);
    json.end_list().key("dtypes").begin_list();
    for (DType dtype : kAllDTypes) {
      if (can.dtypes.has(dtype)) json.text(dtype_name(dtype));
    }
    json.end_list()
        .member("read_by", format->readers)
        .member("streams", can.streams)
        .member("names", can.names)
        .member("metadata", can.metadata)
        .member("many", can.many);
    json.key("options").begin_list();
    for (const OptionSpec& spec : format->options) {
      json.begin_object().member("name", spec.name).member("values", spec.values).member("help", spec.help).end_object();
    }
    json.end_list().end_object();
  }
  json.end_list();
  out.print("\n");
}

void print_formats(Context& context) {
  Printer& out = context.out;
  Table table({"FORMAT", "EXTENSIONS", "READ", "WRITE", "HOLDS", "WHAT"});
  for (const Format* format : all_formats()) {
    std::string extensions, kinds;
    for (std::string_view extension : format->extensions) extensions += concat(extensions.empty() ? "" : " ", extension);
    for (std::string_view kind : kinds_of(*format)) kinds += concat(kinds.empty() ? "" : " ", kind);
    table.add({std::string(format->id), extensions, format->open != nullptr ? "yes" : "-", format->can_write() ? "yes" : "-", kinds,
               std::string(format->summary)});
  }
  table.print(out, context.colour_out);
  for (const Format* format : all_formats()) {
    if (format->options.empty()) continue;
    out.print("\nOptions of ", format->id, ", given as --set KEY=VALUE:\n");
    Table options({"", "", ""});
    for (const OptionSpec& spec : format->options) {
      out.print("  ", spec.name, "=", spec.values);
      out.pad(spec.name.size() + spec.values.size() < 26 ? 26 - spec.name.size() - spec.values.size() : 1);
      out.print("  ", spec.help, "\n");
    }
  }
  out.print("\nAny of them may be compressed as a whole: .gz and .zst are looked through when reading, and written by suffix.\n");
}

void print_dtypes(Context& context) {
  Table table({"DTYPE", ">BYTES", ">TENSORFLOW"});
  for (DType dtype : kAllDTypes) {
    if (dtype_class(dtype) == DTypeClass::kOpaque) continue;
    table.add({std::string(dtype_name(dtype)), is_fixed_size(dtype) ? concat(dtype_size(dtype)) : "-", concat(static_cast<int>(dtype))});
  }
  table.print(context.out, context.colour_out);
}

void print_exit_codes(Context& context) {
  Table table({">EXIT", "ERROR", "MEANING"});
  table.add({"0", "", "done; for diff, verify and plan: yes"});
  table.add({"1", "", "a negative answer: diff found a difference, verify a broken file"});
  table.add({"2", "", "a mistake on the command line"});
#define FERRY_STATUS(name, code, http, grpc, python, meaning) \
  if (code != 0) table.add({#code, #name, meaning});
#include "ferry/status_codes.def"
#undef FERRY_STATUS
  table.print(context.out, context.colour_out);
}

void print_limits(Context& context) {
  context.out.print("Limits on what input may cost, changed with --max LIMIT=SIZE:\n\n");
  Table table({"LIMIT", ">DEFAULT", "WHAT"});
  for (const LimitRow& row : limit_rows()) table.add({std::string(row.name), concat(Limits().*(row.member)), std::string(row.help)});
  table.print(context.out, context.colour_out);
}

struct Topic {
  std::string_view name, summary;
  void (*print)(Context&);
};
constexpr Topic kTopics[] = {
    {"formats", "what each format holds, and its options [--json]", print_formats},
    {"dtypes", "element types by name", print_dtypes},
    {"exit-codes", "what a script can learn from the exit code", print_exit_codes},
    {"limits", "what input may cost, and how to allow more", print_limits},
};

int run(Context& context, const Arguments& arguments) {
  const auto words = arguments.words();
  if (arguments.has("json") && (words.empty() || words[0] != "formats")) return context.usage("--json goes with help formats");
  if (words.empty()) {
    print_overview(context.out, context.colour_out);
    return 0;
  }
  for (const Topic& topic : kTopics) {
    if (words[0] != topic.name) continue;
    if (words.size() > 1) return context.usage(concat("unexpected word ", quoted(words[1]), " behind ", topic.name));
    arguments.has("json") ? print_formats_json(context.out) : topic.print(context);
    return 0;
  }
  const Command* command = find_command(words.size() > 1 ? concat(words[0], " ", words[1]) : std::string(words[0]));
  if (command != nullptr) {
    print_command_help(context.out, context.colour_out, *command);
    return 0;
  }
  // "record" alone: its commands.
  bool any = false;
  for (const Command* other : all_commands()) {
    if (words.size() > 1 || !other->name.starts_with(concat(words[0], " "))) continue;
    context.out.print("ferry ", other->name, "  ", other->summary, "\n");
    any = true;
  }
  if (any) return 0;
  std::vector<std::string_view> names;
  for (const Command* other : all_commands()) names.push_back(other->name);
  for (const Topic& topic : kTopics) names.push_back(topic.name);
  const std::string wanted = words.size() > 1 ? concat(words[0], " ", words[1]) : std::string(words[0]);
  return context.usage(concat("no command or topic is named ", quoted(wanted), did_you_mean(wanted, names)));
}

}  // namespace

void print_overview(Printer& out, bool colour) {
  out.print("ferry looks at tensors in files, checks them and moves them between formats; sparse stays sparse.\n\n");
  out.print(styled(colour, Style::bold, "Usage:"), " ferry COMMAND [OPTIONS] ...      '-' is stdin or stdout\n");
  size_t width = 0;
  for (const Command* command : all_commands()) width = std::max(width, command->name.size() + 1 + command->usage.size());
  width = std::min<size_t>(width, 28);
  for (Group group : {Group::look, Group::change, Group::records, Group::restore, Group::models, Group::serve, Group::other}) {
    bool first = true;
    for (const Command* command : all_commands()) {
      if (command->group != group) continue;
      if (first) out.print("\n", styled(colour, Style::bold, group_name(group)), "\n");
      first = false;
      const size_t length = command->name.size() + 1 + command->usage.size();
      out.print("  ", command->name, " ", command->usage);
      out.pad(length < width ? width - length : 0);
      out.print("  ", command->summary, "\n");
    }
  }
  out.print("\nferry COMMAND --help says more, with an example. ");
  out.print("Topics: ");
  for (const Topic& topic : kTopics) out.print(&topic == kTopics ? "" : ", ", "ferry help ", topic.name);
  out.print(".\n");
}

void print_command_help(Printer& out, bool colour, const Command& command) {
  out.print("ferry ", command.name, ": ", command.summary, "\n\n");
  out.print(styled(colour, Style::bold, "Usage:"), " ferry ", command.name, command.raw == nullptr ? " [OPTIONS] " : " ", command.usage,
            "\n");
  if (!command.details.empty()) out.print("\n", command.details, "\n");
  out.print("\n", styled(colour, Style::bold, "Options:"), "\n");
  for (const Option* option : options_of(command)) {
    std::string left = option->letter != 0 ? concat("  -", option->letter, ", --", option->name) : concat("      --", option->name);
    if (option->takes != Takes::nothing) left += concat(" ", option->value);
    constexpr size_t kColumn = 30;
    out.print(left);
    if (left.size() + 2 > kColumn) {
      out.print("\n");
      left.clear();
    }
    out.pad(kColumn - left.size());
    out.print(option->help, option->repeatable ? "; repeatable" : "", "\n");
  }
  out.print("\n", styled(colour, Style::bold, "Example:"), "\n  ", command.example, "\n");
}

int print_version(Context& context, bool json) {
  if (!json) {
    context.out.print("ferry ", FERRY_VERSION, "\n");
    return 0;
  }
  JsonText text(context.out);
  text.begin_object().member("schema", 1).member("name", "ferry").member("version", FERRY_VERSION).key("formats").begin_list();
  for (const Format* format : all_formats()) text.text(format->id);
  text.end_list().key("commands").begin_list();
  for (const Command* command : all_commands()) text.text(command->name);
  text.end_list().end_object();
  context.out.print("\n");
  return 0;
}

extern const Command help_command = {
    .group = Group::other,
    .name = "help",
    .summary = "this list; a command; formats, dtypes, exit-codes, limits",
    .usage = "[COMMAND|TOPIC]",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 0,
    .most = 2,
    .details = "",
    .example = "ferry help formats",
    .run = run,
};

}  // namespace ferry::cli
