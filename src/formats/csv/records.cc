#include "formats/csv/records.h"

#include "formats/text.h"

namespace ferry::csv {

std::string unescaped(const Field& field) {
  std::string out;
  for (size_t i = 0; i < field.text.size(); ++i) {
    out += field.text[i];
    if (field.quoted && field.text[i] == '"') ++i;  // the second of a pair
  }
  return out;
}

Result<bool> RecordReader::next(std::vector<Field>& fields) {
  fields.clear();
  const char* const begin = text_.data();
  const char* const end = begin + text_.size();
  const char* at = begin + at_;
  while (at != end && (*at == '\n' || (*at == '\r' && (at + 1 == end || at[1] == '\n')))) ++at;
  at_ = static_cast<size_t>(at - begin);
  if (at == end) return false;
  for (;;) {
    Field field;
    if (at != end && *at == '"') {
      const char* const open = at;
      field.quoted = true;
      for (++at;; ++at) {
        if (at == end) return text::error_at(text_, open, "a quoted field is not closed before the end of the file");
        if (*at != '"') continue;
        if (at + 1 == end || at[1] != '"') break;
        ++at;
      }
      field.text = {open + 1, static_cast<size_t>(at - open - 1)};
      ++at;
      if (at != end && *at != delimiter_ && *at != '\n' && *at != '\r') {
        return text::error_at(text_, at,
                              concat("found ", quoted({at, 1}), " after a closing quote, expected the delimiter or the end of the line"));
      }
    } else {
      const char* const start = at;
      while (at != end && *at != delimiter_ && *at != '\n') ++at;
      const char* stop = at;
      if (stop != start && stop[-1] == '\r' && (at == end || *at == '\n')) --stop;
      field.text = {start, static_cast<size_t>(stop - start)};
    }
    fields.push_back(field);
    if (at != end && *at == delimiter_) {
      ++at;
      continue;
    }
    if (at != end && *at == '\r') ++at;
    if (at != end && *at == '\n') ++at;
    at_ = static_cast<size_t>(at - begin);
    return true;
  }
}

}  // namespace ferry::csv
