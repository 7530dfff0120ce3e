#include "engine/session.h"

#include "ops/variable.h"

namespace ferry::engine {

Result<const Schedule*> Session::prepare(std::span<const std::string> feeds, std::span<const std::string> fetches,
                                         std::span<const std::string> targets) {
  std::vector<std::string> key(feeds.begin(), feeds.end());
  key.emplace_back("\n");  // no name
  key.insert(key.end(), fetches.begin(), fetches.end());
  key.emplace_back("\n");
  key.insert(key.end(), targets.begin(), targets.end());
  const std::scoped_lock lock(mutex_);
  if (const auto it = schedules_.find(key); it != schedules_.end()) return it->second.get();
  FERRY_ASSIGN_OR_RETURN(auto schedule, program_.build(feeds, fetches, targets));
  return schedules_.emplace(std::move(key), std::move(schedule)).first->second.get();
}

Result<std::vector<ops::Value>> Session::run(const Schedule& schedule, std::vector<ops::Value> feeds, const RunOptions& options) const {
  if (feeds.size() != schedule.num_feeds())
    return invalid_argument(concat(schedule.num_feeds(), " tensors are to be fed, ", feeds.size(), " are given"));
  ops::Run run;
  run.limits = limits_;
  run.pool = options.pool;
  run.deadline = options.deadline;
  run.cancelled = options.cancelled;
  run.max_steps = options.max_steps;
  std::vector<ops::Value> out(schedule.num_fetches());
  FERRY_RETURN_IF_ERROR(schedule.run(run, feeds, out));
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].is_reference()) {
      FERRY_ASSIGN_OR_RETURN(out[i], ops::read_reference(out[i]));
    }
    if (out[i].is_dead()) return invalid_argument(concat("Retval[", i, "] does not have value"));
  }
  return out;
}

}  // namespace ferry::engine
