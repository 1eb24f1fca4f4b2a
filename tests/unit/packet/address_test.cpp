#include "host/packet/address.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace phalanx {
namespace {

using testing::HasSubstr;

TEST(Address, GoesToTextAndBack) {
  for (const char* text : {"0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "fe80::200:5eff:fe00:5213", "2001:db8:1:2:3:4:5:6"}) {
    const auto address = parse_ip(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(to_string(*address), text);
  }
  EXPECT_EQ(*parse_ip("192.0.2.1"), IpAddress::v4(0xc0000201));
  EXPECT_EQ(*parse_ip("2001:db8::1"), IpAddress::v6(0x20010db8'00000000, 1));
  EXPECT_EQ(to_string(IpAddress{}), "none");
}

TEST(Address, RefusesWhatIsNone) {
  for (const char* text :
       {"", "10.0.0", "10.0.0.256", "1.2.3.4.5", ":::", "2001:db8::1::2", "10.0.0.1 ", "localhost"}) {
    EXPECT_FALSE(parse_ip(text).ok()) << text;
  }
  EXPECT_FALSE(parse_ip(std::string_view("10.0.0.1\0x", 10)).ok());
}

TEST(Mac, GoesToTextAndBack) {
  const auto mac = parse_mac("00:1C:7f:00:0a:FF");
  ASSERT_TRUE(mac.ok());
  EXPECT_EQ(*mac, (MacAddress{0x00, 0x1c, 0x7f, 0x00, 0x0a, 0xff}));
  EXPECT_EQ(to_string(*mac), "00:1c:7f:00:0a:ff");
  for (const char* text : {"", "00:1c:7f:00:0a", "00:1c:7f:00:0a:f", "00:1c:7f:00:0a:ff:", "00-1c-7f-00-0a-ff",
                           "00:1c:7f:00:0a:fg", "00:1c:7f:00: a:ff", "00:1c:7f:00:-a:ff"}) {
    EXPECT_FALSE(parse_mac(text).ok()) << text;
  }
}

TEST(Prefix, ContainsByLeadingBits) {
  struct Case {
    const char* prefix;
    const char* address;
    bool inside;
  };
  for (const Case& c : {Case{"10.0.0.0/8", "10.255.0.1", true}, Case{"10.0.0.0/8", "11.0.0.1", false},
                        Case{"0.0.0.0/0", "203.0.113.9", true}, Case{"192.0.2.1/32", "192.0.2.1", true},
                        Case{"192.0.2.1/32", "192.0.2.2", false}, Case{"0.0.0.0/0", "::1", false},
                        Case{"2001:db8::/32", "2001:db8:ffff::1", true}, Case{"2001:db8::/32", "2001:db9::", false},
                        Case{"2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", true},
                        Case{"2001:db8::80/121", "2001:db8::ff", true}, Case{"2001:db8::80/121", "2001:db8::7f", false},
                        Case{"2001:db8::1/128", "2001:db8::1", true}, Case{"::/0", "2001:db8::1", true}}) {
    const auto prefix = parse_prefix(c.prefix);
    ASSERT_TRUE(prefix.ok()) << c.prefix;
    EXPECT_EQ(to_string(*prefix), c.prefix);
    EXPECT_EQ(prefix->contains(*parse_ip(c.address)), c.inside) << c.prefix << " " << c.address;
  }
}

TEST(Prefix, RefusalsSayWhy) {
  EXPECT_THAT(parse_prefix("10.0.0.1/8").status().message(), HasSubstr("10.0.0.0/8"));
  EXPECT_THAT(parse_prefix("10.0.0.0/33").status().message(), HasSubstr("0 to 32"));
  EXPECT_THAT(parse_prefix("::/129").status().message(), HasSubstr("0 to 128"));
  EXPECT_THAT(parse_prefix("10.0.0.0").status().message(), HasSubstr("no prefix length"));
  for (const char* text : {"10.0.0.0/", "10.0.0.0/x", "10.0.0.0/8x", "/8", "10.0.0.0/-1", "2001:db8::1/64"}) {
    EXPECT_FALSE(parse_prefix(text).ok()) << text;
  }
}

}  // namespace
}  // namespace phalanx
