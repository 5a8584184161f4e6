// SPDX-License-Identifier: Apache-2.0
#include "nvme/identify.h"

#include "nvme/testing/golden.h"
#include "nvme/text.h"

#include <gtest/gtest.h>

namespace causeway::nvme {
namespace {

using testing::byte_at;
using testing::image;
using testing::sent;

/// Sets one byte of an otherwise empty structure, as a host or a controller would send it.
template <class T>
T with_byte(std::size_t offset, std::uint8_t value) {
    image<sizeof(T)> bytes{};
    bytes[offset] = value;
    return testing::read<T>(bytes);
}

// Each row: the first byte of the field by the tables of Base 2.0, "Identify Controller data structure".
TEST(identify_controller, fields_are_where_the_specification_puts_them) {
    using c = identify_controller;
    EXPECT_EQ(with_byte<c>(0, 9).vid, 9);
    EXPECT_EQ(with_byte<c>(2, 9).ssvid, 9);
    EXPECT_EQ(with_byte<c>(4, 9).sn[0], 9);
    EXPECT_EQ(with_byte<c>(24, 9).mn[0], 9);
    EXPECT_EQ(with_byte<c>(64, 9).fr[0], 9);
    EXPECT_EQ(with_byte<c>(72, 9).rab, 9);
    EXPECT_EQ(with_byte<c>(73, 9).ieee[0], 9);
    EXPECT_EQ(with_byte<c>(76, 9).cmic, 9);
    EXPECT_EQ(with_byte<c>(77, 9).mdts, 9);
    EXPECT_EQ(with_byte<c>(78, 9).cntlid, 9);
    EXPECT_EQ(with_byte<c>(80, 9).ver, 9u);
    EXPECT_EQ(with_byte<c>(84, 9).rtd3r, 9u);
    EXPECT_EQ(with_byte<c>(88, 9).rtd3e, 9u);
    EXPECT_EQ(with_byte<c>(92, 9).oaes, 9u);
    EXPECT_EQ(with_byte<c>(96, 9).ctratt, 9u);
    EXPECT_EQ(with_byte<c>(100, 9).rrls, 9);
    EXPECT_EQ(with_byte<c>(111, 9).cntrltype, 9);
    EXPECT_EQ(with_byte<c>(112, 9).fguid[0], 9);
    EXPECT_EQ(with_byte<c>(128, 9).crdt1, 9);
    EXPECT_EQ(with_byte<c>(130, 9).crdt2, 9);
    EXPECT_EQ(with_byte<c>(132, 9).crdt3, 9);
    EXPECT_EQ(with_byte<c>(253, 9).nvmsr, 9);
    EXPECT_EQ(with_byte<c>(254, 9).vwci, 9);
    EXPECT_EQ(with_byte<c>(255, 9).mec, 9);
    EXPECT_EQ(with_byte<c>(256, 9).oacs, 9);
    EXPECT_EQ(with_byte<c>(258, 9).acl, 9);
    EXPECT_EQ(with_byte<c>(259, 9).aerl, 9);
    EXPECT_EQ(with_byte<c>(260, 9).frmw, 9);
    EXPECT_EQ(with_byte<c>(261, 9).lpa, 9);
    EXPECT_EQ(with_byte<c>(262, 9).elpe, 9);
    EXPECT_EQ(with_byte<c>(263, 9).npss, 9);
    EXPECT_EQ(with_byte<c>(264, 9).avscc, 9);
    EXPECT_EQ(with_byte<c>(265, 9).apsta, 9);
    EXPECT_EQ(with_byte<c>(266, 9).wctemp, 9);
    EXPECT_EQ(with_byte<c>(268, 9).cctemp, 9);
    EXPECT_EQ(with_byte<c>(270, 9).mtfa, 9);
    EXPECT_EQ(with_byte<c>(272, 9).hmpre, 9u);
    EXPECT_EQ(with_byte<c>(276, 9).hmmin, 9u);
    EXPECT_EQ(with_byte<c>(280, 9).tnvmcap.low, 9u);
    EXPECT_EQ(with_byte<c>(288, 9).tnvmcap.high, 9u);
    EXPECT_EQ(with_byte<c>(296, 9).unvmcap.low, 9u);
    EXPECT_EQ(with_byte<c>(312, 9).rpmbs, 9u);
    EXPECT_EQ(with_byte<c>(316, 9).edstt, 9);
    EXPECT_EQ(with_byte<c>(318, 9).dsto, 9);
    EXPECT_EQ(with_byte<c>(319, 9).fwug, 9);
    EXPECT_EQ(with_byte<c>(320, 9).kas, 9);
    EXPECT_EQ(with_byte<c>(322, 9).hctma, 9);
    EXPECT_EQ(with_byte<c>(324, 9).mntmt, 9);
    EXPECT_EQ(with_byte<c>(326, 9).mxtmt, 9);
    EXPECT_EQ(with_byte<c>(328, 9).sanicap, 9u);
    EXPECT_EQ(with_byte<c>(332, 9).hmminds, 9u);
    EXPECT_EQ(with_byte<c>(336, 9).hmmaxd, 9);
    EXPECT_EQ(with_byte<c>(338, 9).nsetidmax, 9);
    EXPECT_EQ(with_byte<c>(340, 9).endgidmax, 9);
    EXPECT_EQ(with_byte<c>(342, 9).anatt, 9);
    EXPECT_EQ(with_byte<c>(343, 9).anacap, 9);
    EXPECT_EQ(with_byte<c>(344, 9).anagrpmax, 9u);
    EXPECT_EQ(with_byte<c>(348, 9).nanagrpid, 9u);
    EXPECT_EQ(with_byte<c>(352, 9).pels, 9u);
    EXPECT_EQ(with_byte<c>(356, 9).domain_id, 9);
    EXPECT_EQ(with_byte<c>(368, 9).megcap.low, 9u);
    EXPECT_EQ(with_byte<c>(512, 9).sqes, 9);
    EXPECT_EQ(with_byte<c>(513, 9).cqes, 9);
    EXPECT_EQ(with_byte<c>(514, 9).maxcmd, 9);
    EXPECT_EQ(with_byte<c>(516, 9).nn, 9u);
    EXPECT_EQ(with_byte<c>(520, 9).oncs, 9);
    EXPECT_EQ(with_byte<c>(522, 9).fuses, 9);
    EXPECT_EQ(with_byte<c>(524, 9).fna, 9);
    EXPECT_EQ(with_byte<c>(525, 9).vwc, 9);
    EXPECT_EQ(with_byte<c>(526, 9).awun, 9);
    EXPECT_EQ(with_byte<c>(528, 9).awupf, 9);
    EXPECT_EQ(with_byte<c>(530, 9).icsvscc, 9);
    EXPECT_EQ(with_byte<c>(531, 9).nwpc, 9);
    EXPECT_EQ(with_byte<c>(532, 9).acwu, 9);
    EXPECT_EQ(with_byte<c>(534, 9).cdfs, 9);
    EXPECT_EQ(with_byte<c>(536, 9).sgls, 9u);
    EXPECT_EQ(with_byte<c>(540, 9).mnan, 9u);
    EXPECT_EQ(with_byte<c>(544, 9).maxdna.low, 9u);
    EXPECT_EQ(with_byte<c>(560, 9).maxcna, 9u);
    EXPECT_EQ(with_byte<c>(768, 9).subnqn[0], 9);
    EXPECT_EQ(with_byte<c>(1792, 9).ioccsz, 9u);
    EXPECT_EQ(with_byte<c>(1796, 9).iorcsz, 9u);
    EXPECT_EQ(with_byte<c>(1800, 9).icdoff, 9);
    EXPECT_EQ(with_byte<c>(1802, 9).fcatt, 9);
    EXPECT_EQ(with_byte<c>(1803, 9).msdbd, 9);
    EXPECT_EQ(with_byte<c>(1804, 9).ofcs, 9);
    EXPECT_EQ(with_byte<c>(1806, 9).dctype, 9);
    EXPECT_EQ(with_byte<c>(2048, 9).psd[0].mp, 9);
    EXPECT_EQ(with_byte<c>(2048 + 31 * 32 + 4, 9).psd[31].enlat, 9u);
    EXPECT_EQ(with_byte<c>(3072, 9).vendor_specific[0], 9);
}

TEST(identify_controller, a_fabrics_controller_in_bytes) {
    identify_controller c{};
    copy_padded(c.sn, "SPDK00000000000001");
    c.ieee[0] = 0x5c;  // OUI E4-D2-5C, low byte first
    c.ieee[1] = 0xd2;
    c.ieee[2] = 0xe4;
    c.cmic = cmic_multi_port | cmic_multi_controller | cmic_ana;
    c.ver = 0x00020000;
    c.oaes = oaes_namespace_attribute | oaes_ana_change;
    c.frmw = frmw_slot1_read_only | frmw_slots(1);
    c.vwc = vwc_present | vwc_flush_all_not_supported;
    c.sgls = sgls_supported | sgls_keyed | sgls_address_offset;
    copy_terminated(c.subnqn, "nqn.2016-06.io.spdk:cnode1");
    c.ioccsz = (64 + 4096) / 16;

    EXPECT_EQ(byte_at(c, 4), 'S');
    EXPECT_EQ(byte_at(c, 23), ' ');
    EXPECT_EQ(byte_at(c, 73), 0x5c);
    EXPECT_EQ(byte_at(c, 76), 0x0b);
    EXPECT_EQ(byte_at(c, 82), 0x02);
    EXPECT_EQ(byte_at(c, 93), 0x09);
    EXPECT_EQ(byte_at(c, 260), 0x03);
    EXPECT_EQ(byte_at(c, 525), 0x05);
    EXPECT_EQ(byte_at(c, 536), 0x05);
    EXPECT_EQ(byte_at(c, 538), 0x10);
    EXPECT_EQ(byte_at(c, 768), 'n');
    EXPECT_EQ(byte_at(c, 768 + 26), 0);
    EXPECT_EQ(byte_at(c, 1792), 0x04);
    EXPECT_EQ(byte_at(c, 1793), 0x01);
}

// NVM Command Set 1.0, "Identify Namespace data structure".
TEST(identify_namespace, fields_are_where_the_specification_puts_them) {
    using n = identify_namespace;
    EXPECT_EQ(with_byte<n>(0, 9).nsze, 9u);
    EXPECT_EQ(with_byte<n>(8, 9).ncap, 9u);
    EXPECT_EQ(with_byte<n>(16, 9).nuse, 9u);
    EXPECT_EQ(with_byte<n>(24, 9).nsfeat, 9);
    EXPECT_EQ(with_byte<n>(25, 9).nlbaf, 9);
    EXPECT_EQ(with_byte<n>(26, 9).flbas, 9);
    EXPECT_EQ(with_byte<n>(27, 9).mc, 9);
    EXPECT_EQ(with_byte<n>(28, 9).dpc, 9);
    EXPECT_EQ(with_byte<n>(29, 9).dps, 9);
    EXPECT_EQ(with_byte<n>(30, 9).nmic, 9);
    EXPECT_EQ(with_byte<n>(31, 9).rescap, 9);
    EXPECT_EQ(with_byte<n>(32, 9).fpi, 9);
    EXPECT_EQ(with_byte<n>(33, 9).dlfeat, 9);
    EXPECT_EQ(with_byte<n>(34, 9).nawun, 9);
    EXPECT_EQ(with_byte<n>(36, 9).nawupf, 9);
    EXPECT_EQ(with_byte<n>(38, 9).nacwu, 9);
    EXPECT_EQ(with_byte<n>(40, 9).nabsn, 9);
    EXPECT_EQ(with_byte<n>(42, 9).nabo, 9);
    EXPECT_EQ(with_byte<n>(44, 9).nabspf, 9);
    EXPECT_EQ(with_byte<n>(46, 9).noiob, 9);
    EXPECT_EQ(with_byte<n>(48, 9).nvmcap.low, 9u);
    EXPECT_EQ(with_byte<n>(64, 9).npwg, 9);
    EXPECT_EQ(with_byte<n>(66, 9).npwa, 9);
    EXPECT_EQ(with_byte<n>(68, 9).npdg, 9);
    EXPECT_EQ(with_byte<n>(70, 9).npda, 9);
    EXPECT_EQ(with_byte<n>(72, 9).nows, 9);
    EXPECT_EQ(with_byte<n>(74, 9).mssrl, 9);
    EXPECT_EQ(with_byte<n>(76, 9).mcl, 9u);
    EXPECT_EQ(with_byte<n>(80, 9).msrc, 9);
    EXPECT_EQ(with_byte<n>(92, 9).anagrpid, 9u);
    EXPECT_EQ(with_byte<n>(99, 9).nsattr, 9);
    EXPECT_EQ(with_byte<n>(100, 9).nvmsetid, 9);
    EXPECT_EQ(with_byte<n>(102, 9).endgid, 9);
    EXPECT_EQ(with_byte<n>(104, 9).nguid[0], 9);
    EXPECT_EQ(with_byte<n>(120, 9).eui64[0], 9);
    EXPECT_EQ(with_byte<n>(128, 9).lbaf[0].ms, 9);
    EXPECT_EQ(with_byte<n>(130, 9).lbaf[0].lbads, 9);
    EXPECT_EQ(with_byte<n>(131, 9).lbaf[0].rp, 9);
    EXPECT_EQ(with_byte<n>(128 + 63 * 4 + 2, 9).lbaf[63].lbads, 9);
    EXPECT_EQ(with_byte<n>(384, 9).vendor_specific[0], 9);
}

TEST(identify_namespace, of_the_nvm_command_set) {
    using n = identify_namespace_nvm;
    EXPECT_EQ(with_byte<n>(0, 9).lbstm, 9u);
    EXPECT_EQ(with_byte<n>(8, 9).pic, 9);
    EXPECT_EQ(with_byte<n>(12, 9).elbaf[0], 9u);
    EXPECT_EQ(with_byte<n>(12 + 63 * 4, 9).elbaf[63], 9u);
}

TEST(identify_namespace, independent_of_the_command_set) {
    using n = identify_namespace_independent;
    EXPECT_EQ(with_byte<n>(0, 9).nsfeat, 9);
    EXPECT_EQ(with_byte<n>(1, 9).nmic, 9);
    EXPECT_EQ(with_byte<n>(2, 9).rescap, 9);
    EXPECT_EQ(with_byte<n>(3, 9).fpi, 9);
    EXPECT_EQ(with_byte<n>(4, 9).anagrpid, 9u);
    EXPECT_EQ(with_byte<n>(8, 9).nsattr, 9);
    EXPECT_EQ(with_byte<n>(10, 9).nvmsetid, 9);
    EXPECT_EQ(with_byte<n>(12, 9).endgid, 9);
    EXPECT_EQ(with_byte<n>(14, 9).nstat, 9);
}

TEST(identify_controller, of_the_nvm_command_set) {
    using c = identify_controller_nvm;
    EXPECT_EQ(with_byte<c>(0, 9).vsl, 9);
    EXPECT_EQ(with_byte<c>(1, 9).wzsl, 9);
    EXPECT_EQ(with_byte<c>(2, 9).wusl, 9);
    EXPECT_EQ(with_byte<c>(3, 9).dmrl, 9);
    EXPECT_EQ(with_byte<c>(4, 9).dmrsl, 9u);
    EXPECT_EQ(with_byte<c>(8, 9).dmsl, 9u);
}

TEST(identify, descriptor_header) {
    ns_id_descriptor_header h{};
    h.type = to_underlying(nidt::uuid);
    h.nidl = nid_bytes(nidt::uuid);
    EXPECT_EQ(sent(h), (image<4>{0x03, 0x10, 0x00, 0x00}));
    EXPECT_EQ(nid_bytes(nidt::eui64), 8);
    EXPECT_EQ(nid_bytes(nidt::nguid), 16);
    EXPECT_EQ(nid_bytes(nidt::csi), 1);
}

TEST(identify, command) {
    command c{};
    c.cdw10 = 0x00070013;
    c.cdw11 = 0x02000005;
    c.cdw14 = 0x81;
    EXPECT_EQ(identify_view{c}.cns(), cns::controller_list);
    EXPECT_EQ(identify_view{c}.cntid(), 7);
    EXPECT_EQ(identify_view{c}.csi(), csi::zoned);
    EXPECT_EQ(identify_view{c}.cns_specific(), 5);
    EXPECT_EQ(identify_view{c}.uuid_index(), 1);
}

}  // namespace
}  // namespace causeway::nvme
