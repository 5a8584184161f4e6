// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/keyring.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace causeway::nvmf {
namespace {

class keys : public testing::Test {
  protected:
    keys() {
        std::string name = std::filesystem::temp_directory_path() / "causeway-keys-XXXXXX";
        folder = ::mkdtemp(name.data());
    }
    ~keys() override { std::filesystem::remove_all(folder); }

    std::string file(const std::string& name, const std::string& content, mode_t mode = 0600) {
        const std::string path = folder / name;
        std::ofstream(path) << content;
        ::chmod(path.c_str(), mode);
        return path;
    }
    int add(const std::string& name, const std::string& path) {
        const auto added = ring.add_file(name, path);
        return added ? 0 : added.error().code;
    }

    std::filesystem::path folder;
    keyring ring;
};

TEST_F(keys, are_read_once_and_found_by_name) {
    const std::string path = file("a", "DHHC-1:00:secret:\n");
    EXPECT_EQ(add("a", path), 0);
    std::filesystem::remove(path);
    ASSERT_TRUE(ring.find("a"));
    EXPECT_EQ(ring.find("a")->text(), "DHHC-1:00:secret:");
    EXPECT_EQ(ring.find("a")->path, path);
    EXPECT_FALSE(ring.find("b"));
}

TEST_F(keys, that_cannot_be_are_refused) {
    EXPECT_EQ(add("a", file("a", "DHHC-1:00:secret:")), 0);
    EXPECT_EQ(add("a", file("b", "DHHC-1:00:secret:")), EEXIST);
    EXPECT_EQ(add("", file("b", "DHHC-1:00:secret:")), EINVAL);
    EXPECT_EQ(add("b", "relative"), EINVAL);
    EXPECT_EQ(add("b", folder / "missing"), ENOENT);
    EXPECT_EQ(add("b", folder), EINVAL) << "a folder";
    EXPECT_EQ(add("b", "/dev/null"), EINVAL) << "a device";
    EXPECT_EQ(add("b", file("empty", "\n")), EINVAL);
    EXPECT_EQ(add("b", file("junk", "-----BEGIN CERTIFICATE-----\n")), EINVAL);
    EXPECT_EQ(add("b", file("long", std::string(1025, 'x'))), EINVAL);
    for (const mode_t mode : {0640, 0604, 0610, 0602})
        EXPECT_EQ(add("b", file("open", "DHHC-1:00:secret:", mode)), EPERM) << mode;
    ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
    EXPECT_EQ(add("b", folder / "pipe"), EINVAL) << "and nobody waits for its other end";
    EXPECT_EQ(ring.all().size(), 1u);
}

TEST_F(keys, that_are_removed_live_on_where_they_are_used) {
    EXPECT_EQ(add("a", file("a", "DHHC-1:00:one:")), 0);
    const auto used = ring.find("a");
    EXPECT_EQ(ring.all()[0].uses, 2);
    EXPECT_TRUE(ring.remove("a"));
    EXPECT_EQ(ring.remove("a").error().code, ENOKEY);
    EXPECT_FALSE(ring.find("a"));
    EXPECT_EQ(add("a", file("b", "DHHC-1:00:two:")), 0);
    EXPECT_EQ(used->text(), "DHHC-1:00:one:");
    const auto all = ring.all();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_FALSE(all[0].removed);
    EXPECT_TRUE(all[1].removed);
    EXPECT_EQ(all[1].uses, 1);
}

TEST_F(keys, that_nobody_uses_any_more_are_gone) {
    EXPECT_EQ(add("a", file("a", "DHHC-1:00:one:")), 0);
    EXPECT_TRUE(ring.remove("a"));
    EXPECT_TRUE(ring.all().empty());
}

}  // namespace
}  // namespace causeway::nvmf
