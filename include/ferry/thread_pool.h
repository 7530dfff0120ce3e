// A fixed set of threads and one verb on them. Built by main() or the embedder and passed down; kernels take a pointer
// and run in the calling thread where it is null.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace ferry {

// Thread-safe: several threads may call parallel_for at once; nested calls run in the calling thread.
class ThreadPool {
 public:
  explicit ThreadPool(int threads = 0);  // 0: one for each core; 1: no threads at all
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  int size() const;  // the calling thread included
  // Calls body(begin, end) over pieces of [0, count) of at least `grain` each, the calling thread taking part, and
  // returns when all are done. Which piece runs where never changes what is computed.
  void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// With a null pool: body(0, count) in the calling thread.
inline void parallel_for(ThreadPool* pool, int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (count <= 0) return;
  if (pool == nullptr || count <= grain) return body(0, count);
  pool->parallel_for(count, grain, body);
}

}  // namespace ferry
