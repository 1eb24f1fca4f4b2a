#include "mgmt/config/yaml_reader.hpp"

#include <yaml-cpp/yaml.h>

#include <exception>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mgmt/config/rules.hpp"
#include "mgmt/config/syntax.hpp"

namespace phalanx::mgmt {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Values visited: aliases make a small text a big tree. The largest configuration that the schema's limits on lists
// allow to be useful (4096 rules of 30 values) fits.
constexpr size_t kValuesMax = 200'000;

Position position_of(const YAML::Mark& mark) {
  return mark.is_null() ? Position{1, 1} : Position{mark.line + 1, mark.column + 1};
}

std::string kind_of(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Scalar:
      return "a value";
    default:
      return "nothing";
  }
}

std::string expected(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return describe_range(field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat("a value of ", field.enum_type()->name());
    default:
      return "a text";
  }
}

class Reader {
 public:
  explicit Reader(Problems& problems) : problems_(problems) {}

  void read_message(const YAML::Node& node, Message& message, const std::string& path) {
    if (!visit(node, path)) return;
    if (!node.IsMap()) {
      problems_.add(path, absl::StrCat("expected a mapping, found ", kind_of(node)));
      return;
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (stopped_) return;
      read_key(entry.first, entry.second, message, path, seen);
    }
  }

 private:
  // Remembers the value's place; false when there have been too many.
  bool visit(const YAML::Node& node, const std::string& path) {
    if (stopped_) return false;
    problems_.place(path, position_of(node.Mark()));
    if (++values_ <= kValuesMax) return true;
    problems_.add(path, absl::StrCat("too large: more than ", kValuesMax, " values"));
    stopped_ = true;
    return false;
  }

  void read_key(const YAML::Node& key, const YAML::Node& value, Message& message, const std::string& path,
                std::set<std::string>& seen) {
    const Position position = position_of(key.Mark());
    if (!key.IsScalar()) {
      problems_.add_at(position, path, absl::StrCat("a key must be a name, found ", kind_of(key)));
      return;
    }
    const std::string& name = key.Scalar();
    const auto* type = message.GetDescriptor();
    const auto* field = type->FindFieldByName(name);
    if (field == nullptr) {
      std::vector<std::string> names;
      names.reserve(static_cast<size_t>(type->field_count()));
      for (int i = 0; i < type->field_count(); ++i) names.push_back(type->field(i)->name());
      problems_.add_at(position, join_path(path, printable(name)),
                       absl::StrCat("unknown key", suggestion(name, names)));
      return;
    }
    const std::string field_path = join_path(path, name);
    if (!seen.insert(name).second) {
      problems_.add_at(position, field_path, "key is given twice");
      return;
    }
    if (field->is_repeated()) {
      read_list(value, message, *field, field_path);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      read_message(value, *message.GetReflection()->MutableMessage(&message, field), field_path);
    } else {
      read_scalar(value, message, *field, field_path);
    }
  }

  void read_list(const YAML::Node& node, Message& message, const FieldDescriptor& field, const std::string& path) {
    if (!visit(node, path)) return;
    if (!node.IsSequence()) {
      problems_.add(path, absl::StrCat("expected a list, found ", kind_of(node)));
      return;
    }
    if (node.size() > rule_of(field).items_max()) {
      problems_.add(path, absl::StrCat("has ", node.size(), " entries, ", rule_of(field).items_max(), " at most"));
      return;
    }
    size_t i = 0;
    for (const auto& item : node) {
      if (stopped_) return;
      const std::string item_path = absl::StrCat(path, "[", i++, "]");
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        read_message(item, *message.GetReflection()->AddMessage(&message, &field), item_path);
      } else {
        read_scalar(item, message, field, item_path);
      }
    }
  }

  void read_scalar(const YAML::Node& node, Message& message, const FieldDescriptor& field, const std::string& path) {
    if (!visit(node, path)) return;
    const bool text = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
    // yaml-cpp tags quoted scalars "!": "5" in quotes is a text.
    if (!node.IsScalar() || (!text && node.Tag() == "!")) {
      problems_.add(path,
                    absl::StrCat("expected ", expected(field), ", found ", node.IsScalar() ? "a text" : kind_of(node)));
    } else if (const auto problem = set_scalar(message, field, node.Scalar())) {
      problems_.add(path, *problem);
    } else {
      return;
    }
    // An entry that is refused keeps its place, so that the entries behind it keep theirs.
    if (field.is_repeated()) hold_place(message, field);
  }

  static void hold_place(Message& message, const FieldDescriptor& field) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      message.GetReflection()->AddString(&message, &field, "");
    } else {
      message.GetReflection()->AddUInt32(&message, &field, 0);
    }
  }

  static std::string printable(const std::string& name) {
    const std::string text = quoted(name);
    return text == absl::StrCat("\"", name, "\"") ? name : text;
  }

  Problems& problems_;
  size_t values_ = 0;
  bool stopped_ = false;
};

}  // namespace

void read_yaml(absl::string_view text, Message& message, Problems& problems) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.empty() || documents[0].IsNull()) {
      problems.add_at({1, 1}, "", "the file is empty");
    } else if (documents.size() > 1) {
      problems.add_at(position_of(documents[1].Mark()), "", "a second document; one is expected");
    } else {
      Reader(problems).read_message(documents[0], message, "");
    }
  } catch (const YAML::Exception& e) {
    problems.add_at(position_of(e.mark), "", absl::StrCat("not YAML: ", e.msg));
  } catch (const std::exception& e) {
    problems.add_at({1, 1}, "", absl::StrCat("not YAML: ", e.what()));
  }
}

}  // namespace phalanx::mgmt
