#include "dataset/batcher.h"

#include <algorithm>

namespace ferry::dataset {

Batcher::Batcher(RowStagePtr rows, std::shared_ptr<const RowDecoder> decoder, std::vector<ElementSpec> spec, int64_t size,
                 BatchOptions options, BatchContext& context, std::optional<Buckets> buckets)
    : rows_(std::move(rows)),
      decoder_(std::move(decoder)),
      spec_(std::move(spec)),
      size_(static_cast<size_t>(size)),
      options_(std::move(options)),
      on_error_(context.on_error),
      places_(context.places),
      stopped_(context.stopped),
      log_(context.log),
      position_(context.positions),
      threads_wanted_(context.ahead == 0 ? 0 : static_cast<size_t>(std::max(1, context.threads))),
      buckets_(std::move(buckets)) {
  context.positions += 3;
  jobs_ = std::vector<Job>(std::max<size_t>({1, context.ahead, threads_wanted_}));
  for (Job& job : jobs_) job.scratch = decoder_->new_scratch();
}

Batcher::~Batcher() { stop(); }

void Batcher::stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

Status Batcher::start(uint64_t pass) {
  stop();
  stop_ = gathering_ = paused_ = all_gathered_ = over_ = ended_ = false;
  pulled_ = head_ = tail_ = 0;
  pass_ = pass;
  source_status_ = {};
  again_.clear();
  again_used_ = 0;
  given_ = 0;
  waiting_ = std::vector<RowBlock>(buckets_ ? buckets_->sizes.size() : 0);
  for (Job& job : jobs_) job.done = false;
  return rows_->start(pass);
}

Status Batcher::restore(std::span<const uint64_t> position) {
  FERRY_RETURN_IF_ERROR(start(position[position_]));
  const uint64_t rows = position[position_ + 1];
  if (buckets_) return restore_buckets(position);
  left_out_ = position[position_ + 2];
  FERRY_ASSIGN_OR_RETURN(pulled_, rows_->skip(rows));
  if (pulled_ != rows) {
    return data_loss(concat("the state stands at row ", rows, " and the data now ends after ", pulled_, "; it is not the data it was"));
  }
  return {};
}

// Which rows wait in which bucket depends on the lengths of all before: batches are gathered again and not decoded, but where
// decoding tells which rows there are.
Status Batcher::restore_buckets(std::span<const uint64_t> position) {
  Job& job = jobs_[0];
  for (const uint64_t wanted = position[position_ + 1]; given_ < wanted;) {
    begin(job);
    gather(job);
    if (on_error_ == OnError::skip) decode(job);
    if (job.spoilt) {
      tail_ = head_ + 1;
      regather();
      continue;
    }
    FERRY_RETURN_IF_ERROR(job.status);
    if (!job.give) return data_loss(concat("the state stands behind batch ", wanted, " and there are only ", given_, " now"));
    ++given_;
  }
  left_out_ = position[position_ + 2];
  return {};
}

// False at the end and at an error, which is kept for when all rows before it are given.
bool Batcher::pull(Row& row, uint64_t& position, Status& status) {
  if (again_used_ < again_.size()) {
    position = again_.entry(again_used_).position;
    row = again_.row(again_used_++);
    return true;
  }
  if (ended_) {
    status = source_status_;
    return false;
  }
  auto more = rows_->next(row);
  if (more.ok() && *more) {
    position = ++pulled_;
    return true;
  }
  ended_ = true;
  source_status_ = status = more.status();
  return false;
}

void Batcher::begin(Job& job) {
  job.rows.clear();
  job.good.clear();
  job.status = {};
  job.give = job.last = job.done = job.spoilt = false;
}

void Batcher::gather(Job& job) {
  if (buckets_) {
    gather_bucket(job);
  } else {
    gather_rows(job);
  }
  if (stopped_->load(std::memory_order_relaxed)) job.status = Status(StatusCode::cancelled, "the iterator was stopped");
  if (!job.status.ok()) job.last = true;
}

// Adds rows until there are enough good ones.
void Batcher::gather_rows(Job& job) {
  Row row;
  uint64_t position = 0;
  while (job.good.size() < size_ && !stopped_->load(std::memory_order_relaxed)) {
    if (!pull(row, position, job.status)) {
      job.last = true;
      break;
    }
    if (!row.damaged) job.good.push_back(static_cast<uint32_t>(job.rows.size()));
    job.rows.append(row, position);
  }
  job.give = job.good.size() == size_ || (!job.good.empty() && !options_.drop_remainder);
}

void Batcher::gather_bucket(Job& job) {
  const auto take = [&](size_t bucket) {
    RowBlock& rows = waiting_[bucket];
    for (size_t i = 0; i < rows.size(); ++i) {
      job.good.push_back(static_cast<uint32_t>(job.rows.size()));
      job.rows.append(rows.row(i), rows.entry(i).position);
    }
    rows.clear();
    job.give = true;
  };
  Row row;
  uint64_t position = 0;
  while (!stopped_->load(std::memory_order_relaxed) && pull(row, position, job.status)) {
    if (row.damaged) {
      job.rows.append(row, position);
      continue;
    }
    const auto length = decoder_->length(row, buckets_->feature);
    if (!length.ok()) {
      const Status said = places_->at(row.origin, length.status());
      if (on_error_ == OnError::stop) {
        job.status = said;
        return;
      }
      const std::string reason(said.message());
      job.rows.append({std::as_bytes(std::span(reason)), row.origin, true}, position);
      continue;
    }
    const auto& boundaries = buckets_->boundaries;
    const auto bucket = static_cast<size_t>(std::ranges::lower_bound(boundaries, *length) - boundaries.begin());
    waiting_[bucket].append(row, position);
    if (waiting_[bucket].size() == buckets_->sizes[bucket]) return take(bucket);
  }
  if (!job.status.ok()) return;
  // What is left, the shortest first.
  size_t bucket = 0;
  while (bucket < waiting_.size() && waiting_[bucket].size() == 0) ++bucket;
  if (bucket < waiting_.size() && !options_.drop_remainder) take(bucket);
  while (bucket < waiting_.size() && waiting_[bucket].size() == 0) ++bucket;
  job.last = bucket == waiting_.size() || options_.drop_remainder;
}

void Batcher::decode(Job& job) {
  if (!job.status.ok() || !job.give) return;
  // The map may be anybody's.
  bool fits = job.out.size() == spec_.size();
  for (size_t i = 0; fits && i < spec_.size(); ++i) fits = job.out[i].name == spec_[i].name;
  if (!fits || !job.out.metadata.empty()) job.out = {};
  BadRow bad;
  Status status = decoder_->decode(job.rows, job.good, options_, pool_, job.scratch.get(), job.out, bad);
  if (status.ok()) {
    job.status = fit_batch(spec_, options_, job.out);
    return;
  }
  if (on_error_ == OnError::stop || status.code() == StatusCode::cancelled) {
    job.status = places_->at(job.rows.entry(job.good[bad.row]).origin, status);
    return;
  }
  find_damage(job);
  if (!job.spoilt) job.status = status;  // of no row
}

// Each good row by itself: those that cannot be decoded become damaged.
void Batcher::find_damage(Job& job) {
  RowBlock rows;
  TensorMap out;
  BadRow bad;
  size_t next = 0;
  for (size_t i = 0; i < job.rows.size(); ++i) {
    const bool good = next < job.good.size() && job.good[next] == i;
    next += good;
    Status status;
    if (good) {
      const uint32_t one[1] = {static_cast<uint32_t>(i)};
      status = decoder_->decode(job.rows, one, options_, pool_, job.scratch.get(), out, bad);
    }
    Row row = job.rows.row(i);
    std::string reason;
    if (!status.ok()) {
      job.spoilt = true;
      reason = places_->at(row.origin, status).message();
      row.bytes = std::as_bytes(std::span(reason));
      row.damaged = true;
    }
    rows.append(row, job.rows.entry(i).position);
  }
  if (job.spoilt) job.rows = std::move(rows);
}

// What was gathered is gathered anew, without the rows that turned out damaged: batches are then what they would be had those
// never been there. Called when no thread is at work.
void Batcher::regather() {
  RowBlock rows;
  for (uint64_t i = head_; i < tail_; ++i) {
    const Job& job = jobs_[i % jobs_.size()];
    for (size_t k = 0; k < job.rows.size(); ++k) rows.append(job.rows.row(k), job.rows.entry(k).position);
  }
  for (RowBlock& waiting : waiting_) {
    for (size_t k = 0; k < waiting.size(); ++k) rows.append(waiting.row(k), waiting.entry(k).position);
    waiting.clear();
  }
  for (; again_used_ < again_.size(); ++again_used_) rows.append(again_.row(again_used_), again_.entry(again_used_).position);
  if (buckets_) rows.sort_by_position();
  again_ = std::move(rows);
  again_used_ = 0;
  tail_ = head_;
  all_gathered_ = false;
}

// The batch of a job to the caller, whose old one it takes.
Status Batcher::deliver(Job& job, Element& element) {
  given_ += job.give;
  uint64_t position = 0;
  for (size_t i = 0; i < job.rows.size(); ++i) {
    position = job.rows.entry(i).position;
    if (!job.rows.entry(i).damaged) continue;
    ++left_out_;
    if (log_) log_(job.rows.row(i).text());
  }
  element.position[position_] = pass_;
  element.position[position_ + 1] = buckets_ ? given_ : position;
  element.position[position_ + 2] = left_out_;
  std::swap(element.tensors, job.out);
  return {};
}

void Batcher::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || (!gathering_ && !paused_ && !all_gathered_ && tail_ - head_ < jobs_.size()); });
    if (stop_) return;
    Job& job = jobs_[tail_++ % jobs_.size()];
    begin(job);
    gathering_ = true;
    lock.unlock();
    gather(job);
    lock.lock();
    gathering_ = false;
    all_gathered_ = job.last;
    lock.unlock();
    changed_.notify_all();
    decode(job);
    lock.lock();
    job.done = true;
    changed_.notify_all();
  }
}

Result<bool> Batcher::next(Element& element) {
  if (over_) return false;
  for (;;) {
    Job* job;
    if (threads_wanted_ == 0) {
      job = &jobs_[0];
      begin(*job);
      tail_ = head_ + 1;
      std::swap(job->out, element.tensors);  // to be used again
      gather(*job);
      decode(*job);
    } else {
      std::unique_lock lock(mutex_);
      if (threads_.empty()) {
        for (size_t i = 0; i < std::min(threads_wanted_, jobs_.size()); ++i) threads_.emplace_back([this] { run(); });
      }
      job = &jobs_[head_ % jobs_.size()];
      changed_.wait(lock, [&] { return tail_ > head_ && job->done; });
      if (job->spoilt) {
        paused_ = true;
        changed_.wait(lock, [&] {
          if (gathering_) return false;
          for (uint64_t i = head_; i < tail_; ++i) {
            if (!jobs_[i % jobs_.size()].done) return false;
          }
          return true;
        });
      }
    }
    if (job->spoilt) {
      {
        std::lock_guard lock(mutex_);
        regather();
        paused_ = false;
      }
      changed_.notify_all();
      continue;
    }
    if (!job->status.ok()) {
      over_ = true;
      return job->status;
    }
    const bool give = job->give;
    over_ = job->last;
    FERRY_RETURN_IF_ERROR(deliver(*job, element));
    {
      std::lock_guard lock(mutex_);
      ++head_;
    }
    changed_.notify_all();
    return give;
  }
}

}  // namespace ferry::dataset
