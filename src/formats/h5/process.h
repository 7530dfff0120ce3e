// A running `ferry-hdf5` and the conversation with it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "ferry/buffer.h"
#include "ferry/status.h"
#include "formats/h5/protocol.h"

namespace ferry::h5 {

// Used by one thread at a time.
class Process {
 public:
  static Result<std::unique_ptr<Process>> start();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();  // ends it

  // Sends `request` (and fd, unless -1) and waits for the reply, which may have `most` bytes. Where the process has crashed, hung or
  // talked nonsense it is ended, usable() is false and the error says what it died of.
  Result<Buffer> ask(const Request& request, int fd, uint64_t most);
  // False also in a process that was forked off the one that started it.
  bool usable() const;

  uint64_t file = 0;  // which RemoteFile it has open; 0: none

 private:
  Process() = default;
  Status receive(void* to, size_t size, int64_t deadline, int* fd);
  Status died(std::string_view what);
  Status not_answering(uint64_t seconds);
  Result<Buffer> map_reply(int fd, uint64_t size);

  int socket_ = -1;
  pid_t pid_ = -1;
  pid_t owner_ = -1;
};

// Processes that idle, for the next file: starting one costs milliseconds. Process-wide because processes are; at most two are kept.
Result<std::unique_ptr<Process>> take_process(uint64_t preferred_file);
void give_back(std::unique_ptr<Process> process);
void end_idle_processes();

}  // namespace ferry::h5
