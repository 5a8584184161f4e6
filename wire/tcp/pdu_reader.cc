// SPDX-License-Identifier: Apache-2.0
#include "wire/tcp/pdu_reader.h"

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

std::size_t pdu_reader::feed(const std::span<const std::byte> all) noexcept {
    auto bytes = all;
    while (!bytes.empty() && !over()) {
        switch (step_) {
        case step::common:
            bytes = gather(bytes, sizeof(nvme::tcp_common_header));
            if (filled_ < sizeof(nvme::tcp_common_header))
                break;
            step_ = step::header;
            if (const auto wrong = check_common_header(common(), negotiated))
                fail(*wrong);
            else
                header_size_ = header_size(common(), negotiated);
            break;
        case step::header:
            bytes = gather(bytes, header_size_);
            if (filled_ == header_size_)
                header_complete();
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
            if (filled_ == extent_.length)
                data_complete();
            break;
        }
        case step::digest: {
            const std::size_t n = std::min<std::size_t>(bytes.size(), digest_.size() - filled_);
            std::memcpy(digest_.data() + filled_, bytes.data(), n);
            filled_ += static_cast<std::uint32_t>(n);
            bytes = bytes.subspan(n);
            if (filled_ == digest_.size())
                finish(digest_at(digest_.data()) == sum_.value());
            break;
        }
        case step::over: break;
        }
    }
    return all.size() - bytes.size();
}

std::span<std::byte> pdu_reader::destination() const noexcept {
    if (step_ != step::data || !data_)
        return {};
    return {data_ + filled_, extent_.length - filled_};
}

void pdu_reader::received_in_place(std::size_t bytes) noexcept {
    if (extent_.digest)
        sum_.add({data_ + filled_, bytes});
    filled_ += static_cast<std::uint32_t>(bytes);
    if (filled_ == extent_.length)
        data_complete();
}

void pdu_reader::header_complete() noexcept {
    const std::uint32_t hlen = common().hlen;
    if (header_size_ != hlen) {
        crc32c sum;
        sum.add({header_.data(), hlen});
        if (const std::uint32_t received = digest_at(header_.data() + hlen); received != sum.value())
            return fail({nvme::tcp_fatal_error::header_digest_error, received});
    }
    extent_ = data_of(common(), negotiated);
    begin();
}

void pdu_reader::begin() noexcept {
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
}

void pdu_reader::data_complete() noexcept {
    if (!extent_.digest)
        return finish(true);
    step_ = step::digest;
    filled_ = 0;
}

/// The PDU is complete; the next one begins.
void pdu_reader::finish(bool intact) noexcept {
    step_ = step::common;
    filled_ = 0;
    if (!sink_.end(current(), intact))
        step_ = step::over;
}

void pdu_reader::fail(const violation& v) noexcept {
    step_ = step::over;
    sink_.violated(v, {header_.data(), std::min<std::size_t>(filled_, largest_header)});
}

}  // namespace causeway::tcp
