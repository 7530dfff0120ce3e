#include "cli/printer.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ferry::cli {

void Printer::send() {
  std::string_view rest = text_;
  while (!rest.empty() && failure_.ok()) {
    const ssize_t put = ::write(fd_, rest.data(), rest.size());
    if (put >= 0) {
      rest.remove_prefix(static_cast<size_t>(put));
    } else if (errno != EINTR) {
      failure_ = io_error(concat("cannot write: ", std::strerror(errno)));
    }
  }
  text_.clear();
}

Status Printer::flush() {
  if (fd_ >= 0) send();
  return failure_;
}

}  // namespace ferry::cli
