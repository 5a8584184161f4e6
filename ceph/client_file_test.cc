// SPDX-License-Identifier: Apache-2.0
#include "ceph/client_file.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace causeway::ceph {
namespace {

using client = client_file::entry;
using testing::ElementsAre;
using testing::IsEmpty;

const client a{"fsid-1", "v1:10.0.0.1:0/1"}, b{"fsid-1", "v1:10.0.0.1:0/2"}, c{"fsid-2", "v1:10.0.0.1:0/3"};

class ClientFile : public testing::Test {
  protected:
    ~ClientFile() override { std::filesystem::remove(path_); }
    std::shared_ptr<client_file> open() {
        auto f = client_file::open(path_);
        EXPECT_TRUE(f) << f.error().text();
        return f ? *f : nullptr;
    }
    bool there() const { return std::filesystem::exists(path_); }
    const std::string path_ = testing::TempDir() + "causeway_clients_" + std::to_string(::getpid());
};

TEST_F(ClientFile, what_a_dead_owner_has_left_is_its_successors_to_fence_once) {
    auto first = open();
    for (const auto& e : {a, b, c})
        EXPECT_TRUE(first->add(e));
    first->remove(b);  // gone in order
    first.reset();     // dead: nobody has removed the others

    auto second = open();
    EXPECT_THAT(second->predecessors("fsid-1"), ElementsAre(a.addresses));
    EXPECT_TRUE(second->had_predecessors("fsid-1"));
    EXPECT_FALSE(second->had_predecessors("fsid-3"));
    EXPECT_TRUE(second->add(b));
    EXPECT_THAT(second->fenced_predecessors("fsid-1"), IsEmpty());
    EXPECT_TRUE(second->fenced(a));
    EXPECT_THAT(second->predecessors("fsid-1"), IsEmpty());
    EXPECT_THAT(second->fenced_predecessors("fsid-1"), ElementsAre(a.addresses));
    EXPECT_THAT(second->fenced_predecessors("fsid-2"), IsEmpty());
    second.reset();

    auto third = open();
    EXPECT_THAT(third->predecessors("fsid-1"), ElementsAre(b.addresses));
    EXPECT_THAT(third->predecessors("fsid-2"), ElementsAre(c.addresses))
        << "not fenced yet: the cluster was not asked for";
}

TEST_F(ClientFile, nobody_takes_over_from_a_living_owner) {
    auto owner = open();
    EXPECT_TRUE(owner->add(a));
    EXPECT_TRUE(owner->add(b)) << "the file that replaces the first is locked, too";
    const auto other = client_file::open(path_);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, EBUSY);
}

TEST_F(ClientFile, an_orderly_end_leaves_no_file) {
    auto owner = open();
    EXPECT_FALSE(there());
    EXPECT_TRUE(owner->add(a));
    EXPECT_TRUE(there());
    owner->remove(a);
    EXPECT_FALSE(there());
    EXPECT_TRUE(owner->add(b)) << "and it may begin again";
    EXPECT_TRUE(there());
}

TEST_F(ClientFile, lines_that_are_none_are_left_out) {
    std::ofstream(path_) << "# heading\n\nfsid-1\n" << a.fsid << " " << a.addresses << "\n";
    EXPECT_THAT(open()->predecessors("fsid-1"), ElementsAre(a.addresses));
}

TEST_F(ClientFile, a_folder_that_is_not_there_is_said) {
    auto f = *client_file::open("/nowhere/clients");
    EXPECT_EQ(f->add(a).error().code, ENOENT);
}

}  // namespace
}  // namespace causeway::ceph
