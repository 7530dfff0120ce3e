// Rows → batches, in one order: in the calling thread, or some batches ahead by threads that take turns at gathering rows and
// decode side by side.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dataset/plan.h"

namespace ferry::dataset {

class Batcher : public BatchStage {
 public:
  Batcher(RowStagePtr rows, std::shared_ptr<const RowDecoder> decoder, std::vector<ElementSpec> spec, int64_t size, BatchOptions options,
          BatchContext& context);
  ~Batcher() override;

  Status start(uint64_t pass) override;
  Status restore(std::span<const uint64_t> position) override;
  Result<bool> next(Element& element) override;

 private:
  // A batch on its way. Its rows stay until it is given out: damaged ones among them may have to be replaced.
  struct Job {
    RowBlock rows;
    std::vector<uint32_t> good;  // of rows: those that are not damaged
    TensorMap out;
    std::unique_ptr<DecoderScratch> scratch;
    Status status;
    bool last = false;    // no rows come after these
    bool spoilt = false;  // a row turned out damaged when it was decoded
    bool done = false;
  };

  void stop();
  void run();
  void gather(Job& job);
  void decode(Job& job);
  void find_damage(Job& job);
  Status deliver(Job& job, Element& element);
  void regather();
  bool pull(Row& row, uint64_t& position, Status& status);

  RowStagePtr rows_;
  std::shared_ptr<const RowDecoder> decoder_;
  std::vector<ElementSpec> spec_;
  const size_t size_;
  const BatchOptions options_;
  const OnError on_error_;
  const std::shared_ptr<Places> places_;
  const std::shared_ptr<std::atomic<bool>> stopped_;
  const std::function<void(std::string_view)> log_;
  const size_t position_;  // of our three numbers: pass, rows, left out
  const size_t threads_wanted_;
  BufferPool pool_;

  // Of whoever gathers.
  uint64_t pulled_ = 0;  // rows that the stage has given
  bool ended_ = false;
  Status source_status_;
  RowBlock again_;  // rows gathered once already
  size_t again_used_ = 0;

  uint64_t pass_ = 0, left_out_ = 0;
  std::vector<Job> jobs_;
  uint64_t head_ = 0, tail_ = 0;  // jobs [head, tail) are on their way; job i is jobs_[i % jobs_.size()]
  bool over_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool gathering_ = false, paused_ = false, stop_ = false, all_gathered_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ferry::dataset
