// Command: one verb of the command line as a const struct, listed once in commands.def. Help, completion, parsing and
// did-you-mean are all read from it.
#pragma once

#include <span>
#include <string_view>

#include "cli/arguments.h"
#include "cli/context.h"

namespace ferry::cli {

enum class Group : uint8_t { look, change, records, restore, models, serve, other };

struct Command {
  Group group;
  std::string_view name;     // one word, or two: "record head"
  std::string_view summary;  // one line
  std::string_view usage;    // "IN OUT"
  std::span<const Option> options;
  bool reads;                // takes the options that say how tensors are read (--from, --set, --parts …)
  bool writes;               // takes --to
  size_t least, most;        // how many words besides options
  std::string_view details;  // paragraphs for --help
  std::string_view example;  // works as it stands, given the files it names
  int (*run)(Context&, const Arguments&);
  int (*raw)(Context&, std::span<const std::string_view>) = nullptr;  // instead of run: parses by itself (tensorflow_model_server's flags)
};

inline constexpr size_t kAnyNumber = SIZE_MAX;

std::span<const Command* const> all_commands();
const Command* find_command(std::string_view name);
// The options of a command: its own, then the shared ones it takes.
std::vector<const Option*> options_of(const Command& command);
std::string_view group_name(Group group);

// Everything after the program's name; gives the exit code. `program` is argv[0].
int run_command_line(Context& context, std::string_view program, std::span<const std::string_view> words);

void print_command_help(Printer& out, bool colour, const Command& command);
void print_overview(Printer& out, bool colour);
int print_version(Context& context, bool json);

}  // namespace ferry::cli
