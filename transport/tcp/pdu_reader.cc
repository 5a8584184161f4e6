#include "transport/tcp/pdu_reader.h"

#include <algorithm>
#include <cstring>

namespace causeway::tcp {

namespace {

std::uint32_t digest_at(const std::byte* at) noexcept {
    nvme::le32 value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

}  // namespace

/// Fills the header up to `until`; what is left of `bytes`.
std::span<const std::byte> pdu_reader::gather(std::span<const std::byte> bytes, std::size_t until) noexcept {
    const std::size_t n = std::min(bytes.size(), until - filled_);
    std::memcpy(header_.data() + filled_, bytes.data(), n);
    filled_ += static_cast<std::uint32_t>(n);
    return bytes.subspan(n);
}

bool pdu_reader::feed(std::span<const std::byte> bytes) noexcept {
    while (!bytes.empty()) {
        switch (step_) {
        case step::common:
            bytes = gather(bytes, sizeof(nvme::tcp_common_header));
            if (filled_ < sizeof(nvme::tcp_common_header))
                return true;
            if (const auto wrong = check_common_header(common(), agreed))
                return fail(*wrong);
            step_ = step::header;
            break;
        case step::header:
            bytes = gather(bytes, header_size(common(), agreed));
            if (filled_ == header_size(common(), agreed) && !header_complete())
                return false;
            break;
        case step::pad: {
            const std::size_t n = std::min<std::size_t>(bytes.size(), extent_.begin - filled_);
            filled_ += static_cast<std::uint32_t>(n);
            bytes = bytes.subspan(n);
            if (filled_ == extent_.begin) {
                step_ = step::data;
                filled_ = 0;
            }
            break;
        }
        case step::data: {
            const std::size_t n = std::min<std::size_t>(bytes.size(), extent_.length - filled_);
            if (data_)
                std::memcpy(data_ + filled_, bytes.data(), n);
            if (extent_.digest)
                sum_.add(bytes.first(n));
            filled_ += static_cast<std::uint32_t>(n);
            bytes = bytes.subspan(n);
            if (filled_ == extent_.length && !data_complete())
                return false;
            break;
        }
        case step::digest: {
            const std::size_t n = std::min<std::size_t>(bytes.size(), digest_.size() - filled_);
            std::memcpy(digest_.data() + filled_, bytes.data(), n);
            filled_ += static_cast<std::uint32_t>(n);
            bytes = bytes.subspan(n);
            if (filled_ == digest_.size() && !finish(digest_at(digest_.data()) == sum_.value()))
                return false;
            break;
        }
        case step::over: return false;
        }
    }
    return !over();
}

std::span<std::byte> pdu_reader::place() const noexcept {
    if (step_ != step::data || !data_)
        return {};
    return {data_ + filled_, extent_.length - filled_};
}

bool pdu_reader::placed(std::size_t bytes) noexcept {
    if (extent_.digest)
        sum_.add({data_ + filled_, bytes});
    filled_ += static_cast<std::uint32_t>(bytes);
    return filled_ != extent_.length || data_complete();
}

bool pdu_reader::header_complete() noexcept {
    const std::uint32_t hlen = common().hlen;
    if (header_size(common(), agreed) != hlen) {
        crc32c sum;
        sum.add({header_.data(), hlen});
        if (const std::uint32_t received = digest_at(header_.data() + hlen); received != sum.value())
            return fail({nvme::tcp_fatal_error::header_digest_error, received});
    }
    extent_ = data_of(common(), agreed);
    const auto answer = sink_.begin(current());
    if (const auto* wrong = std::get_if<violation>(&answer))
        return fail(*wrong);
    if (extent_.length == 0)
        return finish(true);
    data_ = std::get<std::byte*>(answer);
    sum_ = {};
    step_ = filled_ < extent_.begin ? step::pad : step::data;
    if (step_ == step::data)
        filled_ = 0;
    return true;
}

bool pdu_reader::data_complete() noexcept {
    if (!extent_.digest)
        return finish(true);
    step_ = step::digest;
    filled_ = 0;
    return true;
}

/// The PDU is complete; the next one begins.
bool pdu_reader::finish(bool intact) noexcept {
    step_ = step::common;
    filled_ = 0;
    if (!sink_.end(current(), intact))
        step_ = step::over;
    return !over();
}

bool pdu_reader::fail(const violation& v) noexcept {
    step_ = step::over;
    sink_.violated(v, {header_.data(), std::min<std::size_t>(filled_, largest_header)});
    return false;
}

}  // namespace causeway::tcp
