// As much of XML as the metadata of a bitstream needs: tags and their attributes, one after the other.
#ifndef PHALANX_DRIVERS_EMULATOR_XML_TAGS_HPP
#define PHALANX_DRIVERS_EMULATOR_XML_TAGS_HPP

#include <map>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace phalanx::emulator {

// Views into the text.
struct XmlTag {
  absl::string_view name;
  bool closes = false;  // </name>
  bool empty = false;   // <name/>
  std::map<absl::string_view, absl::string_view> attributes;
};

// Letters, digits and _ - : .
bool xml_name_char(char c);

// Reads tag by tag; text between tags, comments and processing instructions are passed over. No entities: the names and
// numbers that are wanted have none. The text must outlive it.
class XmlTags {
 public:
  explicit XmlTags(absl::string_view xml) : rest_(xml) {}

  // The next tag, nullopt at the end; an error names the tag that is malformed.
  absl::StatusOr<std::optional<XmlTag>> next();

 private:
  absl::StatusOr<std::optional<XmlTag>> tag();
  absl::Status attribute(XmlTag& tag);
  void skip_space();
  bool take(char c);
  absl::string_view take_name();

  absl::string_view rest_;
};

}  // namespace phalanx::emulator

#endif
