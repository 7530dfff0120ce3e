// The package's thread pool. It is made at first use and forgotten in the child of a fork, where its threads do not exist.
#include <pthread.h>

#include <thread>

#include "bind.h"

namespace ferry::py {
namespace {

int wanted = 0;  // 0: one for each core. Guarded, as `shared` is, by the interpreter lock.
std::shared_ptr<ThreadPool>& shared() {
  static auto* pool = new std::shared_ptr<ThreadPool>;  // never destroyed: threads may not be joined while the interpreter ends
  return *pool;
}

void forget_in_child() { new std::shared_ptr<ThreadPool>(std::exchange(shared(), nullptr)); }

int cores() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

}  // namespace

std::shared_ptr<ThreadPool> pool() {
  if (wanted == 1) return nullptr;
  if (!shared()) shared() = std::make_shared<ThreadPool>(wanted);
  return shared();
}

void add_threads(nb::module_& m) {
  shared();
  pthread_atfork(nullptr, nullptr, forget_in_child);
  m.def(
      "set_threads",
      [](int count) {
        if (count < 0) throw StatusError(invalid_argument(concat("a thread count of ", count, " was asked for, expected 0 or more")));
        if (count == wanted) return;
        wanted = count;
        std::shared_ptr<ThreadPool> old = std::exchange(shared(), nullptr);
        nb::gil_scoped_release release;
        old.reset();
      },
      nb::arg("count"), "Sets how many threads one call may use; 0 (the start value) is one for each core. Results never depend on it.");
  m.def(
      "get_threads", [] { return wanted == 0 ? cores() : wanted; }, "How many threads one call may use.");
}

}  // namespace ferry::py
