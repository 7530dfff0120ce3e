// Folders: a directory of the disk, a zip archive, a part of either.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "ferry/io.h"
#include "io/zip.h"

namespace ferry {
namespace {

class Directory : public Folder {
 public:
  Directory(std::string path, const Limits& limits) : path_(std::move(path)), limits_(limits) {}

  Result<std::shared_ptr<const ByteSource>> open(std::string_view name) const override {
    FERRY_RETURN_IF_ERROR(check_relative(name));
    const std::string path = within(name);
    struct stat info;
    // A pipe beside a file would block for ever.
    if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
      return io_error(concat(ferry::quoted(path), " is no regular file"));
    }
    auto source = open_source(path, {.limits = limits_, .decompress = false});
    if (!source.ok()) return source.status().with_context(path);
    return source;
  }

  bool has(std::string_view name) const override {
    struct stat info;
    return check_relative(name).ok() && ::stat(within(name).c_str(), &info) == 0 && S_ISREG(info.st_mode);
  }

  Result<std::vector<std::string>> list(std::string_view folder) const override {
    if (!folder.empty()) FERRY_RETURN_IF_ERROR(check_relative(folder));
    const std::string path = folder.empty() ? path_ : within(folder);
    std::error_code error;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
      std::error_code unknown;
      names.push_back(it->path().filename().string() + (it->is_directory(unknown) ? "/" : ""));
      if (names.size() > limits_.max_tensors)
        return limit_exceeded(concat(ferry::quoted(path), " holds more than ", limits_.max_tensors, " files"));
    }
    if (error == std::errc::no_such_file_or_directory) return not_found(concat("cannot list ", ferry::quoted(path), ": ", error.message()));
    if (error) return io_error(concat("cannot list ", ferry::quoted(path), ": ", error.message()));
    std::ranges::sort(names);
    return names;
  }

  std::string_view name() const override { return path_; }

 private:
  std::string within(std::string_view name) const { return concat(path_, path_.ends_with('/') ? "" : "/", name); }
  std::string path_;
  Limits limits_;
};

// Members by name; a member whose name would leave the folder cannot be asked for.
class ZipFolder : public Folder {
 public:
  explicit ZipFolder(ZipReader zip) : zip_(std::move(zip)), name_(zip_.source().name()) {
    for (size_t i = 0; i < zip_.members().size(); ++i) {
      const std::string& member = zip_.members()[i].name;
      if (!member.ends_with('/') && check_relative(member).ok()) members_.emplace(member, i);
    }
  }

  Result<std::shared_ptr<const ByteSource>> open(std::string_view name) const override {
    FERRY_RETURN_IF_ERROR(check_relative(name));
    const auto it = members_.find(name);
    if (it == members_.end()) return not_found(concat("the archive has no member ", quoted(name)));
    auto bytes = zip_.read(it->second);
    if (!bytes.ok()) return bytes.status().with_context(concat("member ", quoted(name)));
    return memory_source(*std::move(bytes), concat(name_, "!", name));
  }

  bool has(std::string_view name) const override { return members_.contains(name); }

  Result<std::vector<std::string>> list(std::string_view folder) const override {
    if (!folder.empty()) FERRY_RETURN_IF_ERROR(check_relative(folder));
    const std::string prefix = folder.empty() ? std::string() : concat(folder, "/");
    std::vector<std::string> names;
    for (auto it = members_.lower_bound(prefix); it != members_.end() && it->first.starts_with(prefix); ++it) {
      const std::string_view rest = std::string_view(it->first).substr(prefix.size());
      const size_t slash = rest.find('/');
      const std::string_view entry = rest.substr(0, slash == std::string_view::npos ? slash : slash + 1);
      if (names.empty() || names.back() != entry) names.emplace_back(entry);
    }
    if (names.empty() && !folder.empty()) return not_found(concat("the archive has no folder ", quoted(folder)));
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
  }

  std::string_view name() const override { return name_; }

 private:
  ZipReader zip_;
  std::string name_;
  std::map<std::string, size_t, std::less<>> members_;
};

class SubFolder : public Folder {
 public:
  SubFolder(std::shared_ptr<const Folder> folder, std::string_view prefix)
      : folder_(std::move(folder)), prefix_(prefix), name_(concat(folder_->name(), "/", prefix)) {}

  Result<std::shared_ptr<const ByteSource>> open(std::string_view name) const override {
    FERRY_RETURN_IF_ERROR(check_relative(name));
    return folder_->open(within(name));
  }
  bool has(std::string_view name) const override { return check_relative(name).ok() && folder_->has(within(name)); }
  Result<std::vector<std::string>> list(std::string_view folder) const override {
    if (folder.empty()) return folder_->list(prefix_);
    FERRY_RETURN_IF_ERROR(check_relative(folder));
    return folder_->list(within(folder));
  }
  std::string_view name() const override { return name_; }

 private:
  std::string within(std::string_view name) const { return concat(prefix_, "/", name); }
  std::shared_ptr<const Folder> folder_;
  std::string prefix_, name_;
};

}  // namespace

Status check_relative(std::string_view name) {
  const auto refuse = [&](std::string_view why) {
    return invalid_argument(concat("the file name ", quoted(name), " ", why, ", expected one that stays in its folder"));
  };
  if (name.empty()) return refuse("is empty");
  if (name.find('\0') != std::string_view::npos) return refuse("has a NUL byte");
  if (name.front() == '/') return refuse("is absolute");
  for (size_t start = 0; start <= name.size();) {
    const size_t end = std::min(name.find('/', start), name.size());
    const std::string_view part = name.substr(start, end - start);
    if (part.empty()) return refuse("has an empty part");
    if (part == "." || part == "..") return refuse(concat("has the part ", quoted(part)));
    start = end + 1;
  }
  return {};
}

bool is_folder(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::shared_ptr<const Folder> directory(std::string path, const Limits& limits) {
  return std::make_shared<Directory>(std::move(path), limits);
}

Result<std::shared_ptr<const Folder>> zip_folder(std::shared_ptr<const ByteSource> source, const Limits& limits) {
  FERRY_ASSIGN_OR_RETURN(ZipReader zip, ZipReader::open(std::move(source), limits));
  return std::shared_ptr<const Folder>(std::make_shared<ZipFolder>(std::move(zip)));
}

std::shared_ptr<const Folder> sub_folder(std::shared_ptr<const Folder> folder, std::string_view prefix) {
  return prefix.empty() ? std::move(folder) : std::make_shared<SubFolder>(std::move(folder), prefix);
}

}  // namespace ferry
