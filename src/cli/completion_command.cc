// ferry completion: a script for bash, zsh or fish, written from the command table.
#include "cli/command.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

std::string joined(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::string_view word : words) out += concat(out.empty() ? "" : " ", word);
  return out;
}

// First words, and for a first word of several commands its second ones.
std::vector<std::string_view> first_words() {
  std::vector<std::string_view> out;
  for (const Command* command : all_commands()) {
    const std::string_view first = command->name.substr(0, command->name.find(' '));
    if (out.empty() || out.back() != first) out.push_back(first);
  }
  return out;
}

std::vector<std::string_view> second_words(std::string_view first) {
  std::vector<std::string_view> out;
  for (const Command* command : all_commands()) {
    if (command->name.size() > first.size() && command->name.starts_with(first) && command->name[first.size()] == ' ') {
      out.push_back(command->name.substr(first.size() + 1));
    }
  }
  return out;
}

// What follows a command that is no file.
std::vector<std::string_view> words_of(const Command& command) {
  if (command.name == "help") {
    std::vector<std::string_view> out = first_words();
    for (std::string_view topic : {"formats", "dtypes", "exit-codes", "limits"}) out.push_back(topic);
    return out;
  }
  if (command.name == "completion") return {"bash", "zsh", "fish"};
  return {};
}

bool takes_files(const Command& command) { return command.reads || command.writes || command.group == Group::records; }

// One case statement serves bash and, through its bash mode, zsh: both then agree with this table.
void print_bash(Printer& out) {
  out.print("# bash completion for ferry:  source <(ferry completion bash)\n_ferry() {\n");
  out.print("  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n");
  out.print("  local command=\"${COMP_WORDS[1]}\" words=\"\" files=yes\n  COMPREPLY=()\n");
  out.print("  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"", joined(first_words()),
            " --version --help\" -- \"$current\"))\n");
  out.print("    return\n  fi\n");
  for (std::string_view first : first_words()) {
    const auto seconds = second_words(first);
    if (seconds.empty()) continue;
    out.print("  if [ \"$command\" = ", first, " ]; then\n    if [ \"$COMP_CWORD\" -eq 2 ]; then\n");
    out.print("      COMPREPLY=($(compgen -W \"", joined(seconds), "\" -- \"$current\"))\n      return\n    fi\n");
    out.print("    command=\"$command ${COMP_WORDS[2]}\"\n  fi\n");
  }
  out.print("  case \"$command\" in\n");
  for (const Command* command : all_commands()) {
    out.print("    '", command->name, "')\n      case \"$previous\" in\n");
    std::vector<std::string> names;
    std::string all;
    for (const Option* option : options_of(*command)) {
      all += concat(all.empty() ? "" : " ", "--", option->name);
      if (option->takes == Takes::nothing) continue;
      out.print("        --", option->name);
      if (option->letter != 0) out.print("|-", option->letter);
      const auto choices = choices_of(option->takes);
      if (!choices.empty()) {
        out.print(") COMPREPLY=($(compgen -W \"", joined(choices), "\" -- \"$current\")); return ;;\n");
      } else if (option->takes == Takes::path) {
        out.print(") COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n");
      } else {
        out.print(") return ;;\n");
      }
    }
    out.print("      esac\n      words=\"", all, "\"\n");
    if (!takes_files(*command)) out.print("      files=\"", joined(words_of(*command)), "\"\n");
    out.print("      ;;\n");
  }
  out.print("  esac\n  case \"$current\" in\n    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n");
  out.print("    *)\n      if [ \"$files\" = yes ]; then\n        COMPREPLY=($(compgen -f -- \"$current\"))\n");
  out.print("        compopt -o filenames 2>/dev/null\n");
  out.print("      else\n        COMPREPLY=($(compgen -W \"$files\" -- \"$current\"))\n      fi ;;\n  esac\n}\n");
  out.print("complete -F _ferry ferry tensorferry\n");
}

// Inside '…' of zsh's _arguments and of fish.
std::string escaped(std::string_view text, std::string_view special) {
  std::string out;
  for (char c : text) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out;
}

void print_zsh(Printer& out) {
  out.print("#compdef ferry tensorferry\n# zsh completion for ferry:  ferry completion zsh > \"${fpath[1]}/_ferry\"\n_ferry() {\n");
  out.print("  local -a commands\n  commands=(\n");
  for (const Command* command : all_commands()) {
    if (command->name.find(' ') == std::string_view::npos) {
      out.print("    '", command->name, ":", escaped(command->summary, ":"), "'\n");
    }
  }
  for (std::string_view first : first_words()) {
    const auto seconds = second_words(first);
    if (!seconds.empty()) out.print("    '", first, ":", joined(seconds), "'\n");
  }
  out.print("  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n  local command=$words[2]\n");
  for (std::string_view first : first_words()) {
    const auto seconds = second_words(first);
    if (seconds.empty()) continue;
    out.print("  if [[ $command == ", first, " ]]; then\n    if (( CURRENT == 3 )); then\n      compadd -- ", joined(seconds),
              "\n      return\n    fi\n    command=\"$command $words[3]\"\n  fi\n");
  }
  out.print("  case $command in\n");
  for (const Command* command : all_commands()) {
    out.print("    '", command->name, "')\n      _arguments -s");
    for (const Option* option : options_of(*command)) {
      const std::string help = escaped(option->help, "[]:");
      std::string value;
      if (option->takes != Takes::nothing) {
        const auto choices = choices_of(option->takes);
        value = concat(":", option->value, ":",
                       option->takes == Takes::path ? "_files"
                       : choices.empty()            ? std::string(" ")
                                                    : concat("(", joined(choices), ")"));
        value = escaped(value, "");
      }
      const std::string_view star = option->repeatable ? "*" : "";
      out.print(" \\\n        '", star, "--", option->name, value.empty() ? "" : "=", "[", help, "]", value, "'");
      if (option->letter != 0) out.print(" \\\n        '", star, "-", option->letter, "[", help, "]", value, "'");
    }
    const auto words = words_of(*command);
    if (takes_files(*command)) {
      out.print(" \\\n        '*:file:_files'");
    } else if (!words.empty()) {
      out.print(" \\\n        '*:word:(", joined(words), ")'");
    }
    out.print(" ;;\n");
  }
  out.print("  esac\n}\n_ferry \"$@\"\n");
}

void print_fish(Printer& out) {
  out.print("# fish completion for ferry:  ferry completion fish > ~/.config/fish/completions/ferry.fish\n");
  out.print("complete -c ferry -n __fish_use_subcommand -f -l version -d 'the version'\n");
  for (std::string_view first : first_words()) {
    const Command* command = find_command(first);
    const auto seconds = second_words(first);
    const std::string help = command != nullptr ? std::string(command->summary) : joined(seconds);
    out.print("complete -c ferry -n __fish_use_subcommand -f -a ", first, " -d '", escaped(help, ""), "'\n");
    for (std::string_view second : seconds) {
      out.print("complete -c ferry -n '__fish_seen_subcommand_from ", first, "; and not __fish_seen_subcommand_from ", joined(seconds),
                "' -f -a ", second, " -d '", escaped(find_command(concat(first, " ", second))->summary, ""), "'\n");
    }
  }
  for (const Command* command : all_commands()) {
    std::string condition;
    for (std::string_view word : split(command->name, ' ')) {
      condition += concat(condition.empty() ? "" : "; and ", "__fish_seen_subcommand_from ", word);
    }
    const auto words = words_of(*command);
    if (!words.empty()) out.print("complete -c ferry -n '", condition, "' -f -a '", joined(words), "'\n");
    for (const Option* option : options_of(*command)) {
      out.print("complete -c ferry -n '", condition, "' -l ", option->name);
      if (option->letter != 0) out.print(" -s ", option->letter);
      if (option->takes != Takes::nothing) {
        const auto choices = choices_of(option->takes);
        out.print(option->takes == Takes::path ? " -r" : " -x");
        if (!choices.empty()) out.print(" -a '", joined(choices), "'");
      }
      out.print(" -d '", escaped(option->help, ""), "'\n");
    }
  }
  out.print("complete -c tensorferry -w ferry\n");
}

int run(Context& context, const Arguments& arguments) {
  const std::string_view shell = arguments.words()[0];
  if (shell == "bash") {
    print_bash(context.out);
  } else if (shell == "zsh") {
    print_zsh(context.out);
  } else if (shell == "fish") {
    print_fish(context.out);
  } else {
    constexpr std::string_view kShells[] = {"bash", "zsh", "fish"};
    return context.usage(concat("no completion for ", quoted(shell), did_you_mean(shell, kShells), "; expected bash, zsh or fish"));
  }
  return 0;
}

}  // namespace

extern const Command completion_command = {
    .group = Group::other,
    .name = "completion",
    .summary = "a completion script for a shell",
    .usage = "bash|zsh|fish",
    .options = {},
    .reads = false,
    .writes = false,
    .least = 1,
    .most = 1,
    .details = "",
    .example = "source <(ferry completion bash)",
    .run = run,
};

}  // namespace ferry::cli
