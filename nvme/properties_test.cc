// SPDX-License-Identifier: Apache-2.0
#include "nvme/properties.h"

#include <gtest/gtest.h>

namespace causeway::nvme {
namespace {

TEST(properties, cap) {
    cap c;
    c.set_mqes(127).set_cqr(true).set_to(30).set_css(cap::css_nvm).set_crwms(true);
    EXPECT_EQ(c.value, 0x080000201e01007fu);
    EXPECT_EQ(c.mqes(), 127);
    EXPECT_TRUE(c.cqr());
    EXPECT_EQ(c.to(), 30);
    EXPECT_EQ(c.css(), cap::css_nvm);
    EXPECT_EQ(c.mpsmin(), 0);
    EXPECT_TRUE(c.crwms());
    EXPECT_FALSE(c.crims());

    // As an SSD reports it: doorbell stride 1, pages from 4 KiB to 128 MiB, reset supported.
    const cap ssd{0x00f0003128010fff};
    EXPECT_EQ(ssd.mqes(), 4095);
    EXPECT_EQ(ssd.to(), 40);
    EXPECT_EQ(ssd.dstrd(), 1);
    EXPECT_TRUE(ssd.nssrs());
    EXPECT_EQ(ssd.css(), cap::css_nvm);
    EXPECT_EQ(ssd.mpsmax(), 15);
}

TEST(properties, every_field_of_cap_has_its_own_bits) {
    EXPECT_EQ(cap{}.set_ams(3).value, 0x60000u);
    EXPECT_EQ(cap{}.set_dstrd(0xf).value, 0xf00000000u);
    EXPECT_EQ(cap{}.set_nssrs(true).value, 0x1000000000u);
    EXPECT_EQ(cap{}.set_css(0xff).value, 0x1fe000000000u);
    EXPECT_EQ(cap{}.set_mpsmin(0xf).value, 0x000f000000000000u);
    EXPECT_EQ(cap{}.set_mpsmax(0xf).value, 0x00f0000000000000u);
    EXPECT_EQ(cap{}.set_crims(true).value, 0x1000000000000000u);
}

TEST(properties, version) {
    EXPECT_EQ(version(2, 0), 0x00020000u);
    EXPECT_EQ(version(1, 4), 0x00010400u);
    EXPECT_EQ(version(1, 2, 1), 0x00010201u);
}

TEST(properties, cc) {
    // What Linux writes to enable a fabrics controller.
    const cc c{0x00460001};
    EXPECT_TRUE(c.en());
    EXPECT_EQ(c.css(), cc::css_nvm);
    EXPECT_EQ(c.mps(), 0);
    EXPECT_EQ(c.ams(), 0);
    EXPECT_EQ(c.shn(), cc::shutdown::none);
    EXPECT_EQ(c.iosqes(), 6);
    EXPECT_EQ(c.iocqes(), 4);
    EXPECT_FALSE(c.crime());

    EXPECT_EQ(cc{0x00464001}.shn(), cc::shutdown::normal);
    EXPECT_EQ(cc{}.set_en(true).set_iosqes(6).set_iocqes(4).value, 0x00460001u);
    EXPECT_EQ(cc{}.set_css(cc::css_all).value, 0x60u);
    EXPECT_EQ(cc{}.set_mps(0xf).value, 0x780u);
    EXPECT_EQ(cc{}.set_ams(7).value, 0x3800u);
    EXPECT_EQ(cc{}.set_shn(cc::shutdown::abrupt).value, 0x8000u);
    EXPECT_EQ(cc{}.set_crime(true).value, 0x1000000u);
}

TEST(properties, csts) {
    EXPECT_EQ(csts{}.set_rdy(true).value, 0x1u);
    EXPECT_EQ(csts{}.set_cfs(true).value, 0x2u);
    EXPECT_EQ(csts{}.set_shst(csts::shutdown::occurring).value, 0x4u);
    EXPECT_EQ(csts{}.set_shst(csts::shutdown::complete).value, 0x8u);
    EXPECT_EQ(csts{}.set_nssro(true).value, 0x10u);
    EXPECT_EQ(csts{}.set_pp(true).value, 0x20u);
    EXPECT_EQ(csts{0xb}.shst(), csts::shutdown::complete);
    EXPECT_EQ(csts{0xb}.set_rdy(false).value, 0xau);
}

TEST(properties, crto) {
    EXPECT_EQ(crto{}.set_crwmt(30).value, 0x1eu);
    EXPECT_EQ(crto{}.set_crimt(1).set_crwmt(2).value, 0x10002u);
}

TEST(properties, nssr_spells_nvme) {
    EXPECT_EQ(nssr_reset, 'N' << 24 | 'V' << 16 | 'M' << 8 | 'e');
}

TEST(properties, sizes) {
    EXPECT_EQ(property_bytes(property::cap), 8u);
    EXPECT_EQ(property_bytes(property::asq), 8u);
    EXPECT_EQ(property_bytes(property::vs), 4u);
    EXPECT_EQ(property_bytes(property::cc), 4u);
    EXPECT_EQ(property_bytes(property::csts), 4u);
    EXPECT_EQ(property_bytes(property::crto), 4u);
}

TEST(properties, offsets) {
    EXPECT_EQ(to_underlying(property::cap), 0x0u);
    EXPECT_EQ(to_underlying(property::vs), 0x8u);
    EXPECT_EQ(to_underlying(property::cc), 0x14u);
    EXPECT_EQ(to_underlying(property::csts), 0x1cu);
    EXPECT_EQ(to_underlying(property::nssr), 0x20u);
    EXPECT_EQ(to_underlying(property::aqa), 0x24u);
    EXPECT_EQ(to_underlying(property::asq), 0x28u);
    EXPECT_EQ(to_underlying(property::acq), 0x30u);
    EXPECT_EQ(to_underlying(property::crto), 0x68u);
}

}  // namespace
}  // namespace causeway::nvme
