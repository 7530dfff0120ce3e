// The loop: a request, a reply, until the other side hangs up. One file at a time.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "hdf5/confine.h"
#include "hdf5/file.h"

namespace {

using namespace ferry;
using h5::Reply;
using h5::ReplyStatus;
using h5::Request;

// False at the end.
bool receive(Request& request, int& fd) {
  fd = -1;
  iovec data{&request, sizeof(request)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got;
  do {
    got = ::recvmsg(h5::kSocketFd, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof(request)) || request.magic != h5::kMagic) return false;
  const cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (head != nullptr && head->cmsg_type == SCM_RIGHTS) std::memcpy(&fd, CMSG_DATA(head), sizeof(fd));
  return true;
}

bool send_all(const void* bytes, size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t sent = ::send(h5::kSocketFd, at, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

bool send_with(const Reply& reply, int fd) {
  iovec data{const_cast<Reply*>(&reply), sizeof(reply)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(head), &fd, sizeof(fd));
  return ::sendmsg(h5::kSocketFd, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof(reply));
}

// Small results in a string, large ones in a memfd that the other side maps: no second copy.
class Result : public hdf5::Destination {
 public:
  explicit Result(uint64_t most) : most_(most) {}
  ~Result() override {
    if (map_ != nullptr) ::munmap(map_, size_);
    if (fd_ >= 0) ::close(fd_);
  }
  std::byte* take(uint64_t size) override {
    if (size > most_) return nullptr;
    size_ = size;
    if (size <= h5::kInline) {
      small_.reset(new (std::nothrow) std::byte[size + 1]);
      return small_.get();
    }
    fd_ = static_cast<int>(::syscall(SYS_memfd_create, "ferry-hdf5", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (fd_ < 0 || ::ftruncate(fd_, static_cast<off_t>(size)) != 0) return nullptr;
    void* map = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (map == MAP_FAILED) return nullptr;
    map_ = map;
    return static_cast<std::byte*>(map);
  }
  bool send() {
    if (fd_ < 0) return send_all_of({h5::kMagic, ReplyStatus::ok, size_, 0}, small_.get());
    ::munmap(map_, size_);
    map_ = nullptr;
    // The other side maps it only when nobody can change it any more.
    if (::fcntl(fd_, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) return false;
    return send_with({h5::kMagic, ReplyStatus::ok, size_, 1}, fd_);
  }

 private:
  static bool send_all_of(const Reply& reply, const std::byte* bytes) {
    return send_all(&reply, sizeof(reply)) && send_all(bytes, reply.size);
  }
  uint64_t most_, size_ = 0;
  std::unique_ptr<std::byte[]> small_;
  int fd_ = -1;
  void* map_ = nullptr;
};

bool send_problem(const hdf5::Problem& problem) {
  const std::string text = problem.message.substr(0, 4096);
  const Reply reply{h5::kMagic, problem.status, text.size(), 0};
  return send_all(&reply, sizeof(reply)) && send_all(text.data(), text.size());
}

class Mapping {
 public:
  ~Mapping() { reset(); }
  bool map(int fd, uint64_t offset, uint64_t size) {
    reset();
    const uint64_t page = offset % 4096;
    void* map = ::mmap(nullptr, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, static_cast<off_t>(offset - page));
    if (map == MAP_FAILED) return false;
    map_ = map;
    mapped_ = size + page;
    data_ = static_cast<std::byte*>(map) + page;
    return true;
  }
  void reset() {
    if (map_ != nullptr) ::munmap(map_, mapped_);
    map_ = nullptr;
  }
  const std::byte* data() const { return data_; }

 private:
  void* map_ = nullptr;
  size_t mapped_ = 0;
  std::byte* data_ = nullptr;
};

struct Session {
  Mapping image;
  std::unique_ptr<hdf5::File> file;
  uint64_t size = 0;
};

hdf5::Problem open(const Request& request, int fd, Session& session, std::string& listing) {
  session.file.reset();
  session.image.reset();
  session.size = request.size;
  hdf5::limit(request.size + request.memory, request.milliseconds);
  if (fd < 0 || !session.image.map(fd, request.offset, request.size)) {
    return {ReplyStatus::limit_exceeded, std::string("the file cannot be mapped: ") + std::strerror(errno)};
  }
  session.file = std::make_unique<hdf5::File>();
  if (auto problem = session.file->open(session.image.data(), request.size); !problem.ok()) return problem;
  hdf5::Output out;
  if (auto problem = session.file->list(request.max_objects, out); !problem.ok()) return problem;
  listing = std::move(out.bytes());
  return {};
}

bool serve_open(const Request& request, int fd, Session& session) {
  std::string listing;
  const hdf5::Problem problem = open(request, fd, session, listing);
  if (fd >= 0) ::close(fd);
  if (!problem.ok()) {
    session.file.reset();
    return send_problem(problem);
  }
  Result result(UINT64_MAX);
  std::byte* to = result.take(listing.size());
  if (to == nullptr) return send_problem({ReplyStatus::limit_exceeded, "its listing is larger than memory"});
  std::memcpy(to, listing.data(), listing.size());
  return result.send();
}

bool serve_read(const Request& request, Session& session) {
  if (session.file == nullptr) return false;
  hdf5::limit(session.size + request.memory, request.milliseconds);
  Result result(request.size);
  const hdf5::Problem problem = session.file->read(request.offset, result);
  return problem.ok() ? result.send() : send_problem(problem);
}

}  // namespace

int main(int argc, char**) {
  if (argc != 2 || ::fcntl(h5::kSocketFd, F_GETFD) < 0) {
    constexpr char kText[] = "ferry-hdf5 reads HDF5 files for the TensorFerry library, which starts it; it is not for the command line.\n";
    return ::write(2, kText, sizeof(kText) - 1) < 0 ? 3 : 2;
  }
  // A lost allocation ends in the handler below, which is a clean end of this process.
  std::set_new_handler([] { ::_exit(9); });
  H5open();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  H5PLset_loading_state(0);  // no plugins from disk
  hdf5::register_filters();
  hdf5::confine();
  Session session;
  for (;;) {
    Request request;
    int fd;
    if (!receive(request, fd)) break;
    const bool going = request.verb == h5::Verb::open ? serve_open(request, fd, session) : serve_read(request, session);
    if (!going) break;
    hdf5::unlimit();
  }
  ::_exit(0);  // nothing to flush, and no library's last word
}
