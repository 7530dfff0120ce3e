#include "ferry/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace ferry {
namespace {

// Set while a thread works on a piece: a nested parallel_for then runs inline instead of waiting for itself.
thread_local bool in_piece = false;

struct Job {
  const std::function<void(int64_t, int64_t)>* body;
  int64_t count, piece, pieces;
  std::atomic<int64_t> next{0};
  int64_t done = 0;  // under the pool's mutex
  int helpers = 0;   // threads inside the job, under the pool's mutex

  // Works until no piece is left; returns how many it did.
  int64_t work() {
    int64_t mine = 0;
    in_piece = true;
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < pieces; ++mine) {
      (*body)(i * piece, std::min(count, (i + 1) * piece));
    }
    in_piece = false;
    return mine;
  }
};

}  // namespace

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable wake, finished;
  std::vector<Job*> jobs;
  std::vector<std::thread> threads;
  bool stop = false;

  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return stop || !jobs.empty(); });
      if (stop) return;
      Job* job = jobs.front();
      ++job->helpers;
      lock.unlock();
      const int64_t mine = job->work();
      lock.lock();
      std::erase(jobs, job);  // nothing is left to take
      job->done += mine;
      --job->helpers;
      if (job->done == job->pieces && job->helpers == 0) finished.notify_all();
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  for (int i = 1; i < threads; ++i) state_->threads.emplace_back([state = state_.get()] { state->run(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

int ThreadPool::size() const { return static_cast<int>(state_->threads.size()) + 1; }

void ThreadPool::parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(1, grain);
  if (in_piece || state_->threads.empty() || count <= grain) return body(0, count);
  // A few pieces a thread, so that one slow piece does not hold up the rest.
  const int64_t most = int64_t{4} * size();
  const int64_t piece = std::max(grain, (count + most - 1) / most);
  Job job{&body, count, piece, (count + piece - 1) / piece};
  {
    std::lock_guard lock(state_->mutex);
    state_->jobs.push_back(&job);
  }
  state_->wake.notify_all();
  const int64_t mine = job.work();
  std::unique_lock lock(state_->mutex);
  std::erase(state_->jobs, &job);
  job.done += mine;
  state_->finished.wait(lock, [&] { return job.done == job.pieces && job.helpers == 0; });
}

}  // namespace ferry
