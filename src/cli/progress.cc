#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>

#include "cli/text.h"

namespace ferry::cli {
namespace {

using Clock = std::chrono::steady_clock;

void show(std::string_view text) { (void)!::write(STDERR_FILENO, text.data(), text.size()); }

}  // namespace

Progress::Progress(Context& context, std::string_view what, uint64_t total) : what_(what), total_(total) {
  if (context.err_is_terminal && !context.quiet) drawer_ = std::thread([this] { draw_until_stopped(); });
}

Progress::~Progress() {
  if (!drawer_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  drawer_.join();
}

void Progress::draw_until_stopped() {
  const auto start = Clock::now();
  bool drawn = false;
  std::unique_lock lock(mutex_);
  auto pause = std::chrono::milliseconds(1000);  // shorter work shows nothing
  while (!wake_.wait_for(lock, pause, [this] { return stop_; })) {
    show(concat("\r\x1b[K", line(Clock::now() - start)));
    drawn = true;
    pause = std::chrono::milliseconds(100);
  }
  if (drawn) show("\r\x1b[K");
}

std::string Progress::line(Clock::duration passed) const {
  const uint64_t done = done_.load(std::memory_order_relaxed);
  const auto tenths = std::chrono::duration_cast<std::chrono::milliseconds>(passed).count() / 100;
  const std::string time = concat(tenths / 10, ".", tenths % 10, " s");
  if (done == 0) return concat(what_, " … ", time);
  const auto rate = static_cast<uint64_t>(static_cast<double>(done) * 10 / static_cast<double>(std::max<int64_t>(tenths, 1)));
  if (total_ == 0) return concat(what_, " ", human_bytes(done), ", ", human_bytes(rate), "/s, ", time);
  constexpr size_t kWidth = 30;
  const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
  const auto filled = static_cast<size_t>(part * kWidth);
  return concat(what_, " [", std::string(filled, '='), std::string(kWidth - filled, ' '), "] ", static_cast<int>(part * 100), " %, ",
                human_bytes(rate), "/s, ", time);
}

}  // namespace ferry::cli
