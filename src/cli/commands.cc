// The table of commands, and the way from words to one of them.
#include <algorithm>
#include <iterator>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/text.h"

namespace ferry::cli {

#define FERRY_COMMAND(name) extern const Command name##_command;
#include "cli/commands.def"
#undef FERRY_COMMAND

namespace {

constexpr const Command* kCommands[] = {
#define FERRY_COMMAND(name) &name##_command,
#include "cli/commands.def"
#undef FERRY_COMMAND
};

constexpr Option kEverywhere[] = {
    {"threads", 'j', Takes::integer, "N", "threads to use; by default one for each core"},
    {"quiet", 'q', Takes::nothing, "", "no progress bar"},
    {"help", 'h', Takes::nothing, "", "this text"},
};

std::string_view first_word(std::string_view name) { return name.substr(0, name.find(' ')); }

// What to say where the first words name no command.
int unknown_command(Context& context, std::span<const std::string_view> words) {
  std::vector<std::string_view> names, seconds;
  for (const Command* command : all_commands()) {
    const std::string_view first = first_word(command->name);
    if (names.empty() || names.back() != first) names.push_back(first);
    if (first == words[0] && command->name.size() > first.size()) seconds.push_back(command->name.substr(first.size() + 1));
  }
  if (seconds.empty()) return context.usage(concat("unknown command ", quoted(words[0]), did_you_mean(words[0], names)));
  std::string list;
  for (std::string_view second : seconds) list += concat(list.empty() ? "" : ", ", second);
  if (words.size() < 2 || words[1].starts_with('-')) return context.usage(concat("ferry ", words[0], " needs a second word: ", list));
  return context.usage(concat("unknown command ", quoted(concat(words[0], " ", words[1])), did_you_mean(words[1], seconds), "; expected ",
                              words[0], " and one of: ", list));
}

}  // namespace

std::span<const Command* const> all_commands() { return kCommands; }

const Command* find_command(std::string_view name) {
  for (const Command* command : kCommands) {
    if (command->name == name) return command;
  }
  return nullptr;
}

std::vector<const Option*> options_of(const Command& command) {
  std::vector<const Option*> out;
  const auto add = [&](std::span<const Option> options) {
    for (const Option& option : options) out.push_back(&option);
  };
  add(command.options);
  if (command.reads) add(reading_options());
  if (command.writes) add(writing_options());
  if (command.reads && command.writes) {
    add(both_sides_options());
  } else if (command.reads || command.writes) {
    add(one_side_options());
  }
  add(kEverywhere);
  return out;
}

std::string_view group_name(Group group) {
  switch (group) {
    case Group::look: return "look";
    case Group::change: return "change";
    case Group::records: return "records";
    case Group::restore: return "restore";
    case Group::models: return "models";
    case Group::serve: return "serve";
    case Group::other: return "other";
  }
  __builtin_unreachable();
}

int run_command_line(Context& context, std::string_view program, std::span<const std::string_view> words) {
  const std::string_view called = program.substr(program.rfind('/') + 1);  // npos + 1 is 0
  if (called == "tensorflow_model_server") {
    if (const Command* serve = find_command("serve"); serve != nullptr && serve->raw != nullptr) return serve->raw(context, words);
    return context.fail(unsupported("tensorflow_model_server: serving is not in this build; the other commands are under the name ferry"));
  }
  if (words.empty()) {
    print_overview(context.err, context.colour_err);
    (void)context.err.flush();
    return kUsage;
  }
  if (words[0] == "--version" || words[0] == "-V") {
    const bool json = words.size() == 2 && words[1] == "--json";
    if (words.size() > 1 && !json) return context.usage(concat("unexpected word ", quoted(words[1]), " behind --version; expected --json"));
    return print_version(context, json);
  }
  if (words[0] == "--help" || words[0] == "-h") {
    print_overview(context.out, context.colour_out);
    return 0;
  }
  if (words[0].starts_with('-') && words[0].size() > 1) {
    return context.usage(concat("unknown option ", quoted(words[0]), "; the command comes first"));
  }
  const Command* command = nullptr;
  size_t used = 2;
  if (words.size() > 1) command = find_command(concat(words[0], " ", words[1]));
  if (command == nullptr) {
    used = 1;
    command = find_command(words[0]);
  }
  const bool is_group = std::ranges::any_of(kCommands, [&](const Command* c) { return c->name.starts_with(concat(words[0], " ")); });
  if (command == nullptr && is_group && words.size() == 2 && (words[1] == "--help" || words[1] == "-h")) {
    const std::string_view help[] = {"help", words[0]};
    return run_command_line(context, program, help);
  }
  if (command == nullptr) return unknown_command(context, words);
  context.command = command;
  if (command->raw != nullptr) return command->raw(context, words.subspan(used));
  const auto arguments = Arguments::parse(context, *command, words.subspan(used));
  if (!arguments) return context.exit_code();
  if (arguments->has("help")) {
    print_command_help(context.out, context.colour_out, *command);
    return 0;
  }
  const int64_t threads = arguments->integer("threads", 0);
  if (threads < 0 || threads > 1024) return context.usage(concat("--threads is ", threads, ", expected 0 (one for each core) to 1024"));
  context.threads = static_cast<int>(threads);
  context.quiet = arguments->has("quiet");
  return command->run(context, *arguments);
}

}  // namespace ferry::cli
