// Progress: a line on a terminal's stderr for work that takes over a second; silent and free elsewhere.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "cli/context.h"
#include "ferry/io.h"

namespace ferry::cli {

// One phase of work. A thread of its own draws, so that work inside one long call is seen too; it is only started where
// there is a terminal. advance() is thread-safe.
class Progress {
 public:
  // `total` 0: not known, the time that passes is shown.
  Progress(Context& context, std::string_view what, uint64_t total = 0);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  // wipes the line

  void advance(uint64_t bytes) { done_.fetch_add(bytes, std::memory_order_relaxed); }

 private:
  void draw_until_stopped();
  std::string line(std::chrono::steady_clock::duration passed) const;
  std::string what_;
  uint64_t total_;
  std::atomic<uint64_t> done_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;  // under mutex_
  std::thread drawer_;
};

// A sink that reports what goes through it. Both outlive it.
class CountingSink : public ByteSink {
 public:
  CountingSink(ByteSink& inner, Progress& progress) : inner_(inner), progress_(progress) {}
  Status write(std::span<const std::byte> bytes) override {
    // Large blocks in pieces, so that the bar moves (a compressor takes its time over each).
    constexpr size_t kPiece = size_t{1} << 20;
    while (!bytes.empty()) {
      const auto piece = bytes.first(bytes.size() < kPiece ? bytes.size() : kPiece);
      FERRY_RETURN_IF_ERROR(inner_.write(piece));
      progress_.advance(piece.size());
      bytes = bytes.subspan(piece.size());
    }
    return {};
  }
  Status close() override { return inner_.close(); }

 private:
  ByteSink& inner_;
  Progress& progress_;
};

}  // namespace ferry::cli
