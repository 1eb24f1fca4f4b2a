// The little of XML that an xclbin's metadata is written in: elements with attributes; text, comments and processing
// instructions are passed over, document types are refused. Nothing is copied, nothing recurses, all is bounded.
#ifndef PHALANX_DRIVERS_BITSTREAM_XML_HPP
#define PHALANX_DRIVERS_BITSTREAM_XML_HPP

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace phalanx::bitstream {

inline constexpr size_t kXmlBytesMax = 4u << 20;  // ours has 10 KiB; v++ adds some 100 KiB of debug tables
inline constexpr size_t kXmlElementsMax = 65536;
inline constexpr size_t kXmlDepthMax = 32;
inline constexpr size_t kXmlAttributesMax = 32;  // of one element

struct XmlElement {
  struct Attribute {
    std::string_view name;
    std::string_view value;  // as written: references like &lt; are not resolved
  };
  std::string_view name;
  std::vector<Attribute> attributes;
  size_t parent = 0;  // index; the root's is its own
  size_t depth = 0;   // the root's is 0

  // Empty if there is none of that name.
  std::string_view attribute(std::string_view wanted) const;
};

// Elements in the order of their start tags; views into `text`. InvalidArgument with the byte where it is wrong.
absl::StatusOr<std::vector<XmlElement>> parse_xml(std::string_view text);

// Indices of the children of `parent` called `name`, in order.
std::vector<size_t> children(const std::vector<XmlElement>& elements, size_t parent, std::string_view name);

}  // namespace phalanx::bitstream

#endif
