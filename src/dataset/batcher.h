// Rows → batches, in one order: in the calling thread, or some batches ahead by threads that take turns at gathering rows and
// decode side by side.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dataset/plan.h"

namespace ferry::dataset {

// Batches of rows of similar length.
struct Buckets {
  size_t feature = 0;               // of the decoder's spec
  std::vector<int64_t> boundaries;  // rising; bucket i has lengths up to boundaries[i], the last one the rest
  std::vector<size_t> sizes;        // of a batch of each
};

class Batcher : public BatchStage {
 public:
  Batcher(RowStagePtr rows, std::shared_ptr<const RowDecoder> decoder, std::vector<ElementSpec> spec, int64_t size, BatchOptions options,
          BatchContext& context, std::optional<Buckets> buckets = std::nullopt);
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
    bool give = false;    // there are as many as a batch takes, or as the last may have
    bool last = false;    // no rows come after these
    bool spoilt = false;  // a row turned out damaged when it was decoded
    bool done = false;
  };

  void stop();
  void run();
  static void begin(Job& job);
  void gather(Job& job);
  void gather_rows(Job& job);
  void gather_bucket(Job& job);
  void decode(Job& job);
  void find_damage(Job& job);
  Status deliver(Job& job, Element& element);
  void regather();
  Status restore_buckets(std::span<const uint64_t> position);
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

  const std::optional<Buckets> buckets_;

  // Of whoever gathers.
  std::vector<RowBlock> waiting_;  // of each bucket
  uint64_t pulled_ = 0;            // rows that the stage has given
  bool ended_ = false;
  Status source_status_;
  RowBlock again_;  // rows gathered once already
  size_t again_used_ = 0;

  uint64_t pass_ = 0, left_out_ = 0, given_ = 0;
  std::vector<Job> jobs_;
  uint64_t head_ = 0, tail_ = 0;  // jobs [head, tail) are on their way; job i is jobs_[i % jobs_.size()]
  bool over_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool gathering_ = false, paused_ = false, stop_ = false, all_gathered_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ferry::dataset
