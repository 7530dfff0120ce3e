// What the process owns, made once and handed down.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/context.h"

namespace {

bool wants_colour(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  if (no_colour != nullptr && *no_colour != '\0') return false;
  const char* term = std::getenv("TERM");
  return ::isatty(fd) != 0 && term != nullptr && std::string_view(term) != "dumb";
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that has seen enough (`| head`) ends us without a word, also where our parent ignores the signal.
  std::signal(SIGPIPE, SIG_DFL);
  ferry::cli::Printer out(STDOUT_FILENO), err(STDERR_FILENO);
  ferry::cli::Context context(out, err);
  context.colour_out = wants_colour(STDOUT_FILENO);
  context.colour_err = wants_colour(STDERR_FILENO);
  context.err_is_terminal = ::isatty(STDERR_FILENO) != 0;
  const std::vector<std::string_view> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const int code = ferry::cli::run_command_line(context, argc > 0 ? argv[0] : "ferry", words);
  const ferry::Status flushed = out.flush();
  (void)err.flush();
  if (!flushed.ok()) return context.fail("-", flushed);  // data that was asked for is not there
  return code;
}
