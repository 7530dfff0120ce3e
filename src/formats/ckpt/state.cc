#include "formats/ckpt/state.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "formats/ckpt/bundle.h"

namespace ferry::ckpt {
namespace {

constexpr uint64_t kMostState = 1 << 24;
constexpr std::string_view kSavedModelIndex = "variables/variables.index";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// A quoted string of protobuf's text format, at its opening quote; `at` moves behind it.
Result<std::string> read_quoted(std::string_view text, size_t& at) {
  const auto cut = [&] { return data_loss_at(at, "a text that does not end"); };
  const char quote = text[at++];
  std::string out;
  for (;;) {
    if (at >= text.size() || text[at] == '\n') return cut();
    char c = text[at++];
    if (c == quote) return out;
    if (c != '\\') {
      out += c;
      continue;
    }
    if (at >= text.size()) return cut();
    c = text[at++];
    constexpr std::string_view kNamed = "nrtabfv", kMeant = "\n\r\t\a\b\f\v";
    if (const size_t i = kNamed.find(c); i != std::string_view::npos) {
      out += kMeant[i];
    } else if (c >= '0' && c <= '7') {
      int value = c - '0';
      for (int k = 0; k < 2 && at < text.size() && text[at] >= '0' && text[at] <= '7'; ++k) value = 8 * value + (text[at++] - '0');
      out += static_cast<char>(value);
    } else {
      out += c;
    }
  }
}

// "model.ckpt-00000-of-00002" for "model.ckpt": the first file of a sharded Saver V1.
std::optional<std::string> first_v1_shard(const std::filesystem::path& prefix) {
  const std::string wanted = prefix.filename().string() + "-00000-of-";
  const auto parent = prefix.has_parent_path() ? prefix.parent_path() : std::filesystem::path(".");
  std::error_code error;
  for (std::filesystem::directory_iterator it(parent, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with(wanted)) return (prefix.parent_path() / it->path().filename()).string();
  }
  return std::nullopt;
}

// What the name of a checkpoint in a state file is in its folder: relative to it, or a whole path of wherever it was written.
Result<std::shared_ptr<const ByteSource>> open_prefix(const Folder& folder, const std::string& prefix) {
  for (const std::string& name : {prefix, std::string(last_part(prefix))}) {
    if (!check_relative(name).ok()) continue;
    const std::string index = concat(name, kIndexSuffix);
    if (folder.has(index)) return folder.open(index);
    if (folder.has(name)) return folder.open(name);
  }
  return not_found(concat("the state file ", ferry::quoted(concat(folder.name(), "/", kStateFile)), " names the checkpoint ",
                          ferry::quoted(prefix), ", and no such file is in its folder"));
}

}  // namespace

Result<State> read_state(std::string_view text) {
  State out;
  size_t at = 0;
  const auto skip_space = [&] {
    while (at < text.size() && (is_space(text[at]) || text[at] == ',' || text[at] == ';')) ++at;
  };
  for (skip_space(); at < text.size(); skip_space()) {
    if (text[at] == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    const size_t begin = at;
    while (at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_')) ++at;
    const std::string_view field = text.substr(begin, at - begin);
    skip_space();
    if (field.empty() || at >= text.size() || text[at] != ':') return data_loss_at(begin, "no field of a CheckpointState");
    ++at;
    skip_space();
    if (at < text.size() && (text[at] == '"' || text[at] == '\'')) {
      FERRY_ASSIGN_OR_RETURN(std::string value, read_quoted(text, at));
      if (field == "model_checkpoint_path")
        out.latest = std::move(value);
      else if (field == "all_model_checkpoint_paths")
        out.all.push_back(std::move(value));
    } else {
      while (at < text.size() && !is_space(text[at])) ++at;  // a time
    }
  }
  return out;
}

Result<State> read_state(const ByteSource& file) {
  if (file.size() > kMostState) return data_loss(concat("a state file of ", file.size(), " bytes"));
  FERRY_ASSIGN_OR_RETURN(const Buffer bytes, file.view(0, file.size()));
  return read_state(bytes.text());
}

std::optional<std::string> locate(const std::string& path, bool is_there) {
  namespace fs = std::filesystem;
  if (path.empty() || path == "-") return std::nullopt;
  std::error_code error;
  const auto exists = [&](const std::string& name) { return fs::is_regular_file(name, error); };
  // PREFIX.data-00003-of-00010 and PREFIX.meta, where the index is beside them.
  const std::string_view text = path;
  std::string_view prefix;
  constexpr std::string_view kNumbers = "-00000-of-00000", kData = ".data", kMeta = ".meta";
  if (text.ends_with(kMeta)) {
    prefix = text.substr(0, text.size() - kMeta.size());
  } else if (text.size() > kNumbers.size() + kData.size() &&
             text.substr(text.size() - kNumbers.size() - kData.size(), kData.size()) == kData) {
    prefix = text.substr(0, text.size() - kNumbers.size() - kData.size());
  }
  if (!prefix.empty()) {
    if (std::string index = concat(prefix, kIndexSuffix); exists(index)) return index;
    if (text.ends_with(kMeta) && exists(std::string(prefix))) return std::string(prefix);
    return std::nullopt;
  }
  if (is_there) return std::nullopt;
  if (std::string index = concat(path, kIndexSuffix); exists(index)) return index;
  return first_v1_shard(path);
}

bool may_hold(const Folder& folder) {
  if (folder.has(kStateFile) || folder.has(kSavedModelIndex)) return true;
  const auto files = folder.list();
  return files.ok() && std::ranges::count_if(*files, [](const std::string& name) { return name.ends_with(kIndexSuffix); }) > 0;
}

Result<std::shared_ptr<const ByteSource>> open_state(const Folder& folder, const ByteSource& state) {
  FERRY_ASSIGN_OR_RETURN(const State found, read_state(state));
  if (found.latest.empty()) return data_loss("the state file names no checkpoint (model_checkpoint_path)");
  return open_prefix(folder, found.latest);
}

Result<std::shared_ptr<const ByteSource>> open_latest(const Folder& folder) {
  if (folder.has(kStateFile)) {
    FERRY_ASSIGN_OR_RETURN(const auto state, folder.open(kStateFile));
    return open_state(folder, *state);
  }
  if (folder.has(kSavedModelIndex)) return folder.open(kSavedModelIndex);
  FERRY_ASSIGN_OR_RETURN(const auto files, folder.list());
  std::vector<std::string> found;
  for (const std::string& name : files) {
    if (name.ends_with(kIndexSuffix)) found.push_back(name);
  }
  if (found.size() == 1) return folder.open(found[0]);
  if (found.empty()) return not_found("the folder holds no checkpoint");
  std::string names;
  for (size_t i = 0; i < std::min<size_t>(found.size(), 10); ++i) names += concat(i == 0 ? "" : ", ", found[i]);
  return invalid_argument(concat("the folder holds ", found.size(),
                                 " checkpoints and no state file that says which is the latest; name one: ", names,
                                 found.size() > 10 ? ", …" : ""));
}

}  // namespace ferry::ckpt
