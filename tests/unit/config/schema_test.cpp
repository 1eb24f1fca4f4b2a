// Defaults, and that docs/configuration.md says of every field what the schema does.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mgmt/config/config.hpp"
#include "mgmt/config/rules.hpp"
#include "mgmt/config/syntax.hpp"

namespace phalanx::mgmt {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// Only what has no default.
const char kLeast[] = R"(
member: {id: 2, name: beta}
cluster:
  id: 10
  key_file: cluster.key
  members: [{id: 1, name: alpha, sync_address: 10.99.0.1}, {id: 2, name: beta, sync_address: "fd00::2"}]
management: {tls: {ca_file: a, certificate_file: b, key_file: c}}
sync: {interface: sync0}
interfaces: [{name: lan, device: lan0, zone: inside}, {name: wan, device: wan0, zone: outside}]
policy: {rules: [{name: all, action: DROP}]}
)";

TEST(Defaults, FillWhatIsNotSet) {
  const auto config = parse_config(kLeast, "x.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->cluster().mode(), v1::MODE_HIGH_AVAILABILITY);
  EXPECT_EQ(config->cluster().recovery(), v1::RECOVERY_ACTIVE_UP);
  EXPECT_EQ(config->cluster().when_isolated(), v1::ISOLATION_KEEP_ACTIVE);
  EXPECT_EQ(config->cluster().authentication(), v1::AUTHENTICATION_REQUIRED);
  EXPECT_EQ(config->cluster().report_interval_ms(), 10u);
  EXPECT_EQ(config->cluster().dead_after_ms(), 30u);
  EXPECT_EQ(config->cluster().members(0).management_address(), "10.99.0.1:8117");
  EXPECT_THAT(config->management().listen(), testing::ElementsAre("[fd00::2]:8117"));
  EXPECT_EQ(config->sync().udp_port(), 8116u);
  EXPECT_EQ(config->interfaces(0).virtual_mac(), "02:50:48:0a:00:01");
  EXPECT_EQ(config->interfaces(1).virtual_mac(), "02:50:48:0a:00:02");
  EXPECT_TRUE(config->interfaces(0).monitored());
  EXPECT_FALSE(config->interfaces(0).has_mtu());
  EXPECT_EQ(config->policy().rules(0).protocol(), v1::PROTOCOL_ANY);
  EXPECT_EQ(config->sessions().max(), 1048576u);
  EXPECT_EQ(config->sessions().tcp_pickup(), v1::TCP_PICKUP_REFUSE);
  EXPECT_EQ(config->sessions().timeouts().tcp_closed_s(), 5u);
  EXPECT_EQ(config->log().level(), v1::LOG_LEVEL_INFO);
}

TEST(Defaults, ProfilesSetTheTimers) {
  std::string text = kLeast;
  text.replace(text.find("  key_file"), 0, "  profile: CLUSTERXL\n");
  const auto config = parse_config(text, "x.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->cluster().report_interval_ms(), 100u);
  EXPECT_EQ(config->cluster().dead_after_ms(), 700u);
}

TEST(Defaults, FillingAgainChangesNothing) {
  auto config = parse_config(kLeast, "x.yaml");
  ASSERT_TRUE(config.ok());
  const std::string once = config->SerializeAsString();
  fill_defaults(*config);
  EXPECT_EQ(config->SerializeAsString(), once);
}

std::string type_of(const FieldDescriptor& field) {
  static const std::map<v1::Syntax, std::string> kSyntaxes = {
      {v1::SYNTAX_NAME, "name"},     {v1::SYNTAX_DEVICE, "device"},     {v1::SYNTAX_ADDRESS, "address"},
      {v1::SYNTAX_PREFIX, "prefix"}, {v1::SYNTAX_NETWORK, "network"},   {v1::SYNTAX_MAC, "MAC address"},
      {v1::SYNTAX_PORTS, "ports"},   {v1::SYNTAX_ENDPOINT, "endpoint"}, {v1::SYNTAX_LISTENER, "listener"},
      {v1::SYNTAX_FILE, "file"},     {v1::SYNTAX_CARD, "card"}};
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM: {
      auto names = value_names(*field.enum_type());
      std::erase(names, "OTHER");  // PROTOCOL_OTHER is not for configurations
      return absl::StrJoin(names, ", ");
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true, false";
    case FieldDescriptor::CPPTYPE_STRING:
      return kSyntaxes.at(rule_of(field).syntax());
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "mapping";
    default:
      return absl::StrCat(rule_of(field).minimum(), " to ", rule_of(field).maximum());
  }
}

// The rows that the page must have, field by field.
void add_rows(const Descriptor& type, const std::string& path, std::vector<std::string>& rows) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const v1::FieldRule& rule = rule_of(field);
    const std::string field_path = join_path(path, field.name()) + (field.is_repeated() ? "[]" : "");
    std::string kind = type_of(field);
    if (field.is_repeated()) kind = absl::StrCat("list of ", kind, ", ", rule.items_max(), " at most");
    const std::string absent = rule.required() ? "required" : rule.has_default_value() ? rule.default_value() : "";
    rows.push_back(absl::StrCat("| `", field_path, "` | ", kind, " | ", absent, " | ", rule.note(), " |"));
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) add_rows(*field.message_type(), field_path, rows);
  }
}

std::ifstream open_page() {
  const std::string here = __FILE__;
  return std::ifstream(here.substr(0, here.rfind("/tests/")) + "/docs/configuration.md");
}

TEST(Schema, ThePagesExampleIsRight) {
  std::stringstream text;
  text << open_page().rdbuf();
  const std::string page = text.str();
  const size_t begin = page.find("```yaml\n");
  ASSERT_NE(begin, std::string::npos);
  const size_t end = page.find("```\n", begin + 8);
  const auto config = parse_config(page.substr(begin + 8, end - begin - 8), "example");
  EXPECT_TRUE(config.ok()) << config.status();
}

TEST(Schema, ThePageSaysTheSame) {
  std::vector<std::string> expected;
  add_rows(*v1::Config::descriptor(), "", expected);
  std::ifstream page = open_page();
  ASSERT_TRUE(page.is_open());
  std::vector<std::string> found;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| `")) found.push_back(line);
  }
  EXPECT_EQ(found, expected) << "the table must be:\n" << absl::StrJoin(expected, "\n");
}

// What each field says of itself must make sense.
void check_type(const Descriptor& type) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const v1::FieldRule& rule = rule_of(field);
    SCOPED_TRACE(field.full_name());
    EXPECT_FALSE(rule.note().empty());
    EXPECT_EQ(field.is_repeated(), rule.items_max() > 0);
    EXPECT_FALSE(rule.required() && rule.has_default_value());
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      check_type(*field.message_type());
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      EXPECT_NE(rule.syntax(), v1::SYNTAX_UNSPECIFIED);
    } else if (!field.is_repeated() && field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM) {
      EXPECT_TRUE(field.has_presence()) << "not set and 0 could not be told apart";
    }
  }
}

TEST(Schema, EveryFieldIsFullyDescribed) { check_type(*v1::Config::descriptor()); }

}  // namespace
}  // namespace phalanx::mgmt
