#include "drivers/bitstream/xml.hpp"

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

namespace phalanx::bitstream {
namespace {

bool is_name(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.' || c == ':';
}
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<XmlElement>> run() {
    while (next_markup()) {
      if (absl::Status status = markup(); !status.ok()) return status;
    }
    if (!open_.empty()) return wrong(absl::StrFormat("<%s> is not closed", elements_[open_.back()].name));
    if (elements_.empty()) return wrong("no element");
    return std::move(elements_);
  }

 private:
  absl::Status wrong(std::string_view what) const {
    return absl::InvalidArgumentError(absl::StrFormat("byte %u: %s", at_, what));
  }

  // To the next '<'.
  bool next_markup() {
    const size_t found = text_.find('<', at_);
    at_ = found == std::string_view::npos ? text_.size() : found;
    return found != std::string_view::npos;
  }

  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  absl::Status skip_to(std::string_view end) {
    const size_t found = text_.find(end, at_);
    if (found == std::string_view::npos) return wrong(absl::StrFormat("no %s", end));
    at_ = found + end.size();
    return absl::OkStatus();
  }

  absl::Status markup() {
    if (take("<?")) return skip_to("?>");
    if (take("<!--")) return skip_to("-->");
    if (take("<![CDATA[")) return skip_to("]]>");
    if (take("<!")) return wrong("document types are not taken");
    if (take("</")) return end_tag();
    take("<");
    return start_tag();
  }

  std::string_view name() {
    const size_t start = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }

  bool skip_space() {
    const size_t start = at_;
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    return at_ != start;
  }

  absl::Status end_tag() {
    const std::string_view closed = name();
    skip_space();
    if (!take(">")) return wrong("no > of an end tag");
    if (open_.empty() || elements_[open_.back()].name != closed) {
      return wrong(absl::StrFormat("</%s> closes nothing", closed));
    }
    open_.pop_back();
    return absl::OkStatus();
  }

  absl::Status start_tag() {
    XmlElement element;
    element.name = name();
    if (element.name.empty()) return wrong("no name of an element");
    if (open_.empty() && !elements_.empty()) return wrong("a second root");
    if (elements_.size() == kXmlElementsMax) return wrong(absl::StrFormat("more than %u elements", kXmlElementsMax));
    if (open_.size() == kXmlDepthMax) return wrong(absl::StrFormat("deeper than %u", kXmlDepthMax));
    bool space = skip_space();
    while (at_ < text_.size() && is_name(text_[at_])) {
      if (!space) return wrong("no space before an attribute");
      if (absl::Status status = attribute(element); !status.ok()) return status;
      space = skip_space();
    }
    const bool empty = take("/");
    if (!take(">")) return wrong("no > of a start tag");
    element.parent = open_.empty() ? 0 : open_.back();
    element.depth = open_.size();
    elements_.push_back(std::move(element));
    if (!empty) open_.push_back(elements_.size() - 1);
    return absl::OkStatus();
  }

  absl::Status attribute(XmlElement& element) {
    const std::string_view key = name();
    skip_space();
    if (!take("=")) return wrong("no = of an attribute");
    skip_space();
    if (at_ == text_.size() || (text_[at_] != '"' && text_[at_] != '\'')) return wrong("no quote of an attribute");
    const size_t start = at_ + 1;
    const size_t end = text_.find(text_[at_], start);
    if (end == std::string_view::npos) return wrong("an attribute without an end");
    if (!element.attribute(key).empty()) return wrong(absl::StrFormat("attribute %s twice", key));
    if (element.attributes.size() == kXmlAttributesMax) {
      return wrong(absl::StrFormat("more than %u attributes", kXmlAttributesMax));
    }
    element.attributes.push_back({key, text_.substr(start, end - start)});
    at_ = end + 1;
    return absl::OkStatus();
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<XmlElement> elements_;
  std::vector<size_t> open_;
};

}  // namespace

std::string_view XmlElement::attribute(std::string_view wanted) const {
  for (const Attribute& attribute : attributes) {
    if (attribute.name == wanted) return attribute.value;
  }
  return {};
}

absl::StatusOr<std::vector<XmlElement>> parse_xml(std::string_view text) {
  if (text.size() > kXmlBytesMax) {
    return absl::InvalidArgumentError(absl::StrFormat("%u bytes, more than %u", text.size(), kXmlBytesMax));
  }
  return Scanner(text).run();
}

std::vector<size_t> children(const std::vector<XmlElement>& elements, size_t parent, std::string_view name) {
  std::vector<size_t> found;
  // Start tags are in order: a parent's descendants follow it until one is no deeper than it.
  for (size_t i = parent + 1; i < elements.size() && elements[i].depth > elements[parent].depth; ++i) {
    if (elements[i].parent == parent && elements[i].name == name) found.push_back(i);
  }
  return found;
}

}  // namespace phalanx::bitstream
