#include "drivers/emulator/xml_tags.hpp"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace phalanx::emulator {

bool xml_name_char(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == ':' || c == '.'; }

absl::StatusOr<std::optional<XmlTag>> XmlTags::next() {
  for (;;) {  // each round passes over a '<'
    const auto open = rest_.find('<');
    if (open == absl::string_view::npos) {
      return std::nullopt;
    }
    rest_.remove_prefix(open + 1);
    const bool comment = absl::StartsWith(rest_, "!--");
    if (!comment && !absl::StartsWith(rest_, "?") && !absl::StartsWith(rest_, "!")) {
      return tag();
    }
    const absl::string_view end = comment ? "-->" : ">";
    const auto close = rest_.find(end);
    if (close == absl::string_view::npos) {
      return absl::InvalidArgumentError("a comment without end");
    }
    rest_.remove_prefix(close + end.size());
  }
}

void XmlTags::skip_space() {
  while (!rest_.empty() && absl::ascii_isspace(rest_[0])) {
    rest_.remove_prefix(1);
  }
}

bool XmlTags::take(char c) {
  if (rest_.empty() || rest_[0] != c) {
    return false;
  }
  rest_.remove_prefix(1);
  return true;
}

absl::string_view XmlTags::take_name() {
  std::size_t length = 0;
  while (length < rest_.size() && xml_name_char(rest_[length])) {
    ++length;
  }
  const auto name = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return name;
}

absl::StatusOr<std::optional<XmlTag>> XmlTags::tag() {
  XmlTag tag;
  tag.closes = take('/');
  tag.name = take_name();
  if (tag.name.empty()) {
    return absl::InvalidArgumentError("a tag without a name");
  }
  for (;;) {  // each round takes an attribute or ends
    skip_space();
    if (take('>')) {
      return tag;
    }
    if (take('/')) {
      tag.empty = true;
      if (!take('>')) {
        return absl::InvalidArgumentError(absl::StrCat("tag ", tag.name, " is not closed"));
      }
      return tag;
    }
    if (auto status = attribute(tag); !status.ok()) {
      return status;
    }
  }
}

absl::Status XmlTags::attribute(XmlTag& tag) {
  const auto name = take_name();
  skip_space();
  if (name.empty() || !take('=')) {
    return absl::InvalidArgumentError(absl::StrCat("tag ", tag.name, " has a broken attribute or no end"));
  }
  skip_space();
  const char quote = rest_.empty() ? '\0' : rest_[0];
  const auto end = quote == '"' || quote == '\'' ? rest_.find(quote, 1) : absl::string_view::npos;
  if (end == absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("tag ", tag.name, ": the value of ", name, " is not closed"));
  }
  tag.attributes[name] = rest_.substr(1, end - 1);
  rest_.remove_prefix(end + 1);
  return absl::OkStatus();
}

}  // namespace phalanx::emulator
