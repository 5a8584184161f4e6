// SPDX-License-Identifier: Apache-2.0
#include "tools/output_file.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <sys/stat.h>
#include <thread>

namespace causeway::tools {
namespace {

namespace fs = std::filesystem;

class output_file : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = ::testing::TempDir() + "outputXXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    void TearDown() override { fs::remove_all(folder_); }

    static std::string text_of(const fs::path& path) {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::size_t names() const {
        return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
    }

    fs::path folder_;
};

TEST_F(output_file, a_file_is_replaced_and_keeps_its_permissions) {
    const fs::path path = folder_ / "a";
    ASSERT_TRUE(write_output(path, "one"));
    fs::permissions(path, fs::perms(0600));
    ASSERT_TRUE(write_output(path, "two"));
    EXPECT_EQ(text_of(path), "two");
    EXPECT_EQ(fs::status(path).permissions(), fs::perms(0600));
    EXPECT_EQ(names(), 1u) << "nothing is left beside it";
}

TEST_F(output_file, a_link_stays_a_link) {
    std::ofstream(folder_ / "a") << "before";
    fs::create_symlink("a", folder_ / "link");
    ASSERT_TRUE(write_output(folder_ / "link", "after"));
    EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
    EXPECT_EQ(text_of(folder_ / "a"), "after");
    fs::create_symlink("absent", folder_ / "to_nothing");
    ASSERT_TRUE(write_output(folder_ / "to_nothing", "new"));
    EXPECT_TRUE(fs::is_symlink(folder_ / "to_nothing"));
    EXPECT_EQ(text_of(folder_ / "absent"), "new");
}

TEST_F(output_file, what_is_no_regular_file_is_written_to) {
    const fs::path pipe = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    fs::create_symlink("pipe", folder_ / "link");
    std::string read;
    std::thread reader([&] { read = text_of(pipe); });
    const auto written = write_output(folder_ / "link", "text");
    if (!fs::is_fifo(pipe) || !fs::is_symlink(folder_ / "link"))
        std::ofstream(pipe).close();  // else the reader would wait
    reader.join();
    EXPECT_TRUE(written);
    EXPECT_EQ(read, "text");
    EXPECT_TRUE(fs::is_fifo(pipe));
    EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
}

TEST_F(output_file, an_error_has_the_path) {
    const auto written = write_output(folder_ / "absent" / "a", "text");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ENOENT);
    EXPECT_EQ(written.error().about, folder_ / "absent" / "a");
}

}  // namespace
}  // namespace causeway::tools
