// SPDX-License-Identifier: Apache-2.0
#include "gateway/state_file.h"

#include "rpc/json_text.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace causeway::gateway {

namespace {

using rpc::json;

std::string checksum(std::string_view text) {
    return fmt::format("{:016x}", XXH64(text.data(), text.size(), 0));
}

std::string header(std::string_view body) {
    return rpc::to_line(json{{"causeway_state", state_file::format},
                             {"version", CAUSEWAY_VERSION},
                             {"bytes", body.size()},
                             {"xxh64", checksum(body)}});
}

/// Why `text` is not a state that this program can use; empty: it is.
std::string complaint(std::string_view header, std::string_view body) {
    const auto parsed = rpc::parse_json(header);
    if (!parsed || !parsed->value.is_object() || !parsed->value.contains("causeway_state") ||
        !parsed->value["causeway_state"].is_number_unsigned())
        return "it does not begin with the header of a gateway's state";
    const json& fields = parsed->value;
    if (const auto found = fields["causeway_state"].get<std::uint64_t>(); found < 1 || found > state_file::format)
        return fmt::format("its format is {}, and this program reads formats up to {}: use the program that wrote it "
                           "or a newer one",
                           found, state_file::format);
    if (fields.value("bytes", json()) != body.size() || fields.value("xxh64", json()) != checksum(body))
        return "its content does not match its checksum: restore it from a backup, or take its configuration with "
               "tail -n +2, check it, and start with --json and an empty folder";
    return {};
}

}  // namespace

core::result<std::optional<std::string>> state_file::load() const {
    auto text = files_->read(path());
    if (!text || !*text)
        return text;
    const auto end_of_header = (*text)->find('\n');
    const std::string_view all = **text;
    const std::string_view first = all.substr(0, end_of_header);
    const std::string_view rest =
        end_of_header == std::string::npos ? std::string_view() : all.substr(first.size() + 1);
    if (auto wrong = complaint(first, rest); !wrong.empty())
        return core::fail(EINVAL, std::move(wrong), path());
    return std::optional<std::string>(rest);
}

core::result<> state_file::store(std::string_view configuration) const {
    const std::string fresh = path() + ".new";
    std::string content = header(configuration);
    content += configuration;
    if (auto written = files_->write_synced(fresh, content); !written)
        return written;
    if (auto renamed = files_->rename(fresh, path()); !renamed)
        return renamed;
    return files_->sync_folder(folder_);
}

core::result<state_folder> state_folder::open(std::string path) {
    if (::mkdir(path.c_str(), 0700) == 0) {
        if (const auto synced = posix_file_system().sync_folder(path + "/.."); !synced)
            return tl::make_unexpected(synced.error());
    } else if (errno != EEXIST) {
        return core::fail_errno(errno, path);
    }
    core::unique_fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder)
        return core::fail_errno(errno, path);
    if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? core::fail(EBUSY, "another gateway keeps its state there: give each its own folder", path)
                   : core::fail_errno(errno, path);
    return state_folder(std::move(folder), state_file(posix_file_system(), std::move(path)));
}

}  // namespace causeway::gateway
