// Finding a checkpoint: the file `checkpoint` that TensorFlow keeps in a folder of them, prefixes, data files for their index.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/io.h"
#include "ferry/status.h"

namespace ferry::ckpt {

// CheckpointState, as text: model_checkpoint_path, all_model_checkpoint_paths, and times.
struct State {
  std::string latest;
  std::vector<std::string> all;
};
inline constexpr std::string_view kStateFile = "checkpoint", kStateStart = "model_checkpoint_path:";
Result<State> read_state(std::string_view text);
Result<State> read_state(const ByteSource& file);

// The index (or the table of a Saver V1) of the checkpoint that a path means and does not name: PREFIX, PREFIX.data-00000-of-00001,
// PREFIX.meta. Nothing where the path is as good as any.
std::optional<std::string> locate(const std::string& path, bool is_there);

// The index in a folder: of the latest by its state file, of a SavedModel's variables, or the only one there is.
bool may_hold(const Folder& folder);
Result<std::shared_ptr<const ByteSource>> open_latest(const Folder& folder);
// The same for a state file that was given itself.
Result<std::shared_ptr<const ByteSource>> open_state(const Folder& folder, const ByteSource& state);

}  // namespace ferry::ckpt
