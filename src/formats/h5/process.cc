#include "formats/h5/process.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

namespace ferry::h5 {
namespace {

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string folder_of(std::string path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

bool is_program(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

// FERRY_HDF5; beside the library or the program that it is linked into; in libexec next to its folder.
Result<std::string> find_program() {
  if (const char* named = ::secure_getenv("FERRY_HDF5"); named != nullptr && *named != '\0') {
    if (is_program(named)) return std::string(named);
    return unsupported(concat("FERRY_HDF5 names ", quoted(named), ", which is no program; HDF5 files are read by ferry-hdf5"));
  }
  std::vector<std::string> folders;
  Dl_info info;
  if (::dladdr(reinterpret_cast<const void*>(&now_ms), &info) != 0 && info.dli_fname != nullptr && std::strchr(info.dli_fname, '/')) {
    folders.push_back(folder_of(info.dli_fname));
  }
  char self[4096];
  if (const ssize_t size = ::readlink("/proc/self/exe", self, sizeof(self)); size > 0 && size < static_cast<ssize_t>(sizeof(self))) {
    folders.push_back(folder_of(std::string(self, static_cast<size_t>(size))));
  }
  for (const std::string& folder : folders) {
    for (const char* way : {"", "/../libexec/tensorferry", "/../bin", "/../../bin"}) {
      if (std::string path = concat(folder, way, "/ferry-hdf5"); is_program(path)) return path;
    }
  }
  if (std::string path = FERRY_LIBEXEC "/ferry-hdf5"; is_program(path)) return path;
  return unsupported(
      "HDF5 files are read by the program ferry-hdf5, which is not installed beside this library: build TensorFerry where libhdf5 is "
      "(Debian: libhdf5-dev), or name the program in FERRY_HDF5");
}

Status cannot_start(std::string_view what, int error) { return io_error(concat(what, " ferry-hdf5: ", std::strerror(error))); }

}  // namespace

Result<std::unique_ptr<Process>> Process::start() {
  FERRY_ASSIGN_OR_RETURN(const std::string program, find_program());
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return cannot_start("no socket for", errno);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(&actions, 0, 1);
  ::posix_spawn_file_actions_adddup2(&actions, 0, 2);  // libc's last words are not for the user
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], kSocketFd);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, kSocketFd + 1);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string name = "ferry-hdf5", verb = "serve", libraries;
  char* const arguments[] = {name.data(), verb.data(), nullptr};
  char* environment[] = {nullptr, nullptr};  // nothing that libhdf5 would listen to
  if (const char* path = ::secure_getenv("LD_LIBRARY_PATH"); path != nullptr) {
    libraries = concat("LD_LIBRARY_PATH=", path);
    environment[0] = libraries.data();
  }
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments, environment);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    return cannot_start("cannot start", error);
  }
  std::unique_ptr<Process> out(new Process());
  out->socket_ = ends[0];
  out->pid_ = pid;
  out->owner_ = ::getpid();
  return out;
}

Process::~Process() {
  if (socket_ >= 0) ::close(socket_);
  if (pid_ > 0 && owner_ == ::getpid()) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

bool Process::usable() const { return pid_ > 0 && owner_ == ::getpid(); }

// Ends it, and says what of.
Status Process::died(std::string_view what) {
  int status = 0;
  pid_t got = 0;
  // A process that closed its end is about to be gone by itself; one that talks nonsense is not.
  for (int i = 0; i < 100 && got == 0; ++i) {
    got = ::waitpid(pid_, &status, WNOHANG);
    if (got == 0) ::usleep(1000);
  }
  const bool killed = got == 0;
  if (killed) {
    ::kill(pid_, SIGKILL);
    while ((got = ::waitpid(pid_, &status, 0)) < 0 && errno == EINTR) {
    }
  }
  pid_ = -1;
  if (!killed && got > 0 && WIFSIGNALED(status)) {
    if (WTERMSIG(status) == SIGPROF) {
      return limit_exceeded("ferry-hdf5 took more processor time over it than a file of this size is given; it is most likely damaged");
    }
    return data_loss(concat("ferry-hdf5 crashed reading it (", ::strsignal(WTERMSIG(status)), "); it is damaged, or libhdf5 is"));
  }
  if (got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 9) return limit_exceeded("ferry-hdf5 ran out of the memory that it is given");
  if (got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127)
    return unsupported("ferry-hdf5 cannot start: a library that it needs is missing");
  return io_error(concat("ferry-hdf5 ended: ", what));
}

Status Process::not_answering(uint64_t milliseconds) {
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return limit_exceeded(concat("ferry-hdf5 gave no answer within ", milliseconds / 1000, " seconds"));
}

// All of `size` bytes, or an error after which the process is gone. `fd` gets a descriptor that comes along.
Status Process::receive(void* to, size_t size, int64_t deadline, int* fd) {
  char* at = static_cast<char*>(to);
  const int64_t start = now_ms();
  while (size > 0) {
    pollfd wait{socket_, POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::clamp<int64_t>(deadline - now_ms(), 0, 1 << 30)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return not_answering(static_cast<uint64_t>(deadline - start));
    iovec data{at, size};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (fd != nullptr) {
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
    }
    const ssize_t got = ::recvmsg(socket_, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return died("it hung up");
    if (fd != nullptr) {
      for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int))) continue;
        if (*fd >= 0) ::close(*fd);
        std::memcpy(fd, CMSG_DATA(head), sizeof(int));
      }
    }
    at += got;
    size -= static_cast<size_t>(got);
  }
  return {};
}

// Only a file that can neither shrink (SIGBUS) nor change after it was checked is mapped.
Result<Buffer> Process::map_reply(int fd, uint64_t size) {
  struct stat info;
  const int seals = ::fcntl(fd, F_GET_SEALS);
  constexpr int kNeeded = F_SEAL_SHRINK | F_SEAL_WRITE;
  if (seals < 0 || (seals & kNeeded) != kNeeded || ::fstat(fd, &info) != 0 || static_cast<uint64_t>(info.st_size) != size) {
    return died("its reply is no sealed file of the size that it said");
  }
  void* map = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  if (map == MAP_FAILED) return limit_exceeded(concat("no memory to map a reply of ", size, " bytes"));
  std::shared_ptr<const void> owner(map, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  return Buffer::adopt(map, size, std::move(owner));
}

Result<Buffer> Process::ask(const Request& request, int fd, uint64_t most) {
  iovec data{const_cast<Request*>(&request), sizeof(request)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(head), &fd, sizeof(fd));
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent != static_cast<ssize_t>(sizeof(request))) return died("it does not listen");
  // Its own clock counts processor time; this one is for a machine under load, and for a process that sleeps.
  const int64_t deadline = now_ms() + 10'000 + static_cast<int64_t>(5 * request.milliseconds);
  Reply reply;
  int got = -1;
  if (Status status = receive(&reply, sizeof(reply), deadline, &got); !status.ok()) {
    if (got >= 0) ::close(got);
    return status;
  }
  struct Closer {
    int fd;
    ~Closer() {
      if (fd >= 0) ::close(fd);
    }
  } closer{got};
  if (reply.magic != kMagic || (reply.in_memfd != 0) != (got >= 0)) return died("its reply makes no sense");
  if (reply.in_memfd != 0) {
    if (reply.size > most || reply.status != ReplyStatus::ok) return died("its reply is larger than what was asked for");
    return map_reply(got, reply.size);
  }
  if (reply.size > kInline) return died("its reply is larger than what was asked for");
  FERRY_ASSIGN_OR_RETURN(MutableBuffer bytes, MutableBuffer::allocate(reply.size));
  FERRY_RETURN_IF_ERROR(receive(bytes.data(), reply.size, deadline, nullptr));
  Buffer out = std::move(bytes).freeze();
  switch (reply.status) {
    case ReplyStatus::ok:
      if (reply.size > most) return died("its reply is larger than what was asked for");
      return out;
    case ReplyStatus::data_loss: return data_loss(std::string(out.text()));
    case ReplyStatus::unsupported: return unsupported(std::string(out.text()));
    case ReplyStatus::limit_exceeded: return limit_exceeded(std::string(out.text()));
  }
  return died("its reply makes no sense");
}

namespace {

constexpr size_t kIdle = 2;
std::mutex& idle_mutex() {
  static std::mutex* mutex = new std::mutex;  // outlives every static destructor that reads a file
  return *mutex;
}
std::vector<std::unique_ptr<Process>>& idle() {
  static auto* processes = new std::vector<std::unique_ptr<Process>>;
  return *processes;
}

}  // namespace

Result<std::unique_ptr<Process>> take_process(uint64_t preferred_file) {
  {
    const std::lock_guard lock(idle_mutex());
    auto& processes = idle();
    // Those that another process started are not ours: a fork has copied the list.
    std::erase_if(processes, [](const auto& process) { return !process->usable(); });
    auto best = std::ranges::find_if(processes, [&](const auto& process) { return process->file == preferred_file; });
    if (best == processes.end() && !processes.empty()) best = processes.begin();
    if (best != processes.end()) {
      auto out = std::move(*best);
      processes.erase(best);
      return out;
    }
  }
  return Process::start();
}

void give_back(std::unique_ptr<Process> process) {
  if (!process->usable()) return;
  const std::lock_guard lock(idle_mutex());
  if (idle().size() < kIdle) idle().push_back(std::move(process));
}

void end_idle_processes() {
  const std::lock_guard lock(idle_mutex());
  idle().clear();
}

}  // namespace ferry::h5
