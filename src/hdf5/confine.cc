#include "hdf5/confine.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <vector>

namespace ferry::hdf5 {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArch = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArch = 0;  // no filter
#endif

// Those that libc, libhdf5 on memory and our loop need. A refused call returns EPERM and ends nothing, so that another libc
// that would like one more still works.
constexpr int kAllowed[] = {
    SYS_read,         SYS_write,       SYS_readv,       SYS_writev,          SYS_close,           SYS_fstat,        SYS_lseek,
    SYS_mmap,         SYS_munmap,      SYS_mremap,      SYS_mprotect,        SYS_madvise,         SYS_brk,          SYS_futex,
    SYS_recvmsg,      SYS_sendmsg,     SYS_recvfrom,    SYS_sendto,          SYS_memfd_create,    SYS_ftruncate,    SYS_fcntl,
    SYS_exit,         SYS_exit_group,  SYS_getpid,      SYS_gettid,          SYS_tgkill,          SYS_rt_sigaction, SYS_rt_sigprocmask,
    SYS_rt_sigreturn, SYS_sigaltstack, SYS_setitimer,   SYS_prlimit64,       SYS_setrlimit,       SYS_getrlimit,    SYS_clock_gettime,
    SYS_gettimeofday, SYS_getrandom,   SYS_sched_yield, SYS_clock_nanosleep, SYS_restart_syscall, SYS_getrusage,
};

}  // namespace

void confine() {
  const rlimit none{0, 0};
  (void)::setrlimit(RLIMIT_CORE, &none);
  (void)::prctl(PR_SET_DUMPABLE, 0);
  if (kArch == 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return;
  std::vector<sock_filter> program;
  const auto add = [&](uint16_t code, uint32_t k, uint8_t yes = 0, uint8_t no = 0) { program.push_back({code, yes, no, k}); };
  add(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch));
  add(BPF_JMP | BPF_JEQ | BPF_K, kArch, 1, 0);
  add(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  add(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
  for (int call : kAllowed) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 1);
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  (void)::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

void limit(uint64_t address_space, uint64_t milliseconds) {
#if !defined(__SANITIZE_ADDRESS__)
  rlimit space{};
  if (::getrlimit(RLIMIT_AS, &space) == 0) {
    space.rlim_cur = std::min<rlim_t>(address_space, space.rlim_max);
    (void)::setrlimit(RLIMIT_AS, &space);
  }
#else
  (void)address_space;
#endif
  const auto ms = static_cast<time_t>(std::max<uint64_t>(1, milliseconds));
  const itimerval timer{{0, 0}, {ms / 1000, static_cast<suseconds_t>(ms % 1000 * 1000)}};
  (void)::setitimer(ITIMER_PROF, &timer, nullptr);  // SIGPROF ends the process
}

void unlimit() {
  const itimerval off{};
  (void)::setitimer(ITIMER_PROF, &off, nullptr);
}

}  // namespace ferry::hdf5
