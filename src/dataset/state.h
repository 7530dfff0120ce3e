// Where an iterator stands, as text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/status.h"

namespace ferry::dataset {

// {"tensorferry_dataset": 1, "stages": [..], "epoch": 0, "begun": true, "ended": false, "position": [..], "sizes": [..], "drawn": [..]}
struct State {
  std::vector<std::string> stages;  // what describe() says of each
  uint64_t epoch = 0;
  bool begun = false, ended = false;
  std::vector<uint64_t> position;  // of the element given last
  std::vector<uint64_t> sizes;     // of repeats: Context::sizes
  std::vector<uint64_t> drawn;     // seeds
};

std::string state_text(const State& state);
Result<State> state_from_text(std::string_view text);
// An error names the first stage that is another one.
Status check_same_stages(const State& given, const State& ours);

}  // namespace ferry::dataset
