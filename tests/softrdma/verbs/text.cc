// SPDX-License-Identifier: Apache-2.0
// Words for the numbers of the interface, and rates.

#include <algorithm>
#include <array>
#include <infiniband/verbs.h>

namespace {

constexpr std::array status_texts = {
    "success",
    "local length error",
    "local QP operation error",
    "local EE context operation error",
    "local protection error",
    "Work Request Flushed Error",
    "memory management operation error",
    "bad response error",
    "local access error",
    "remote invalid request error",
    "remote access error",
    "remote operation error",
    "transport retry counter exceeded",
    "RNR retry counter exceeded",
    "local RDD violation error",
    "remote invalid RD request",
    "aborted error",
    "invalid EE context number",
    "invalid EE context state",
    "fatal error",
    "response timeout error",
    "general error",
    "tag matching error",
    "tag matching rendezvous incomplete",
};
static_assert(status_texts.size() == IBV_WC_TM_RNDV_INCOMPLETE + 1);

constexpr std::array event_texts = {
    "CQ error",
    "local work queue catastrophic error",
    "invalid request local work queue error",
    "local access violation work queue error",
    "communication established",
    "send queue drained",
    "path migrated",
    "path migration request error",
    "local catastrophic error",
    "port active",
    "port error",
    "LID change",
    "P_Key change",
    "SM change",
    "SRQ catastrophic error",
    "SRQ limit reached",
    "last WQE reached",
    "client reregistration",
    "GID table change",
    "WQ fatal",
};
static_assert(event_texts.size() == IBV_EVENT_WQ_FATAL + 1);

template <std::size_t N>
const char* word(const std::array<const char*, N>& words, int number) {
    return number >= 0 && static_cast<std::size_t>(number) < N ? words[static_cast<std::size_t>(number)] : "unknown";
}

struct rate {
    ibv_rate code;
    int multiple;  ///< of 2.5 Gb/s; -1 when it is none
    int mbps;
};

constexpr rate rates[] = {
    {IBV_RATE_2_5_GBPS, 1, 2500},     {IBV_RATE_5_GBPS, 2, 5000},         {IBV_RATE_10_GBPS, 4, 10000},
    {IBV_RATE_20_GBPS, 8, 20000},     {IBV_RATE_30_GBPS, 12, 30000},      {IBV_RATE_40_GBPS, 16, 40000},
    {IBV_RATE_60_GBPS, 24, 60000},    {IBV_RATE_80_GBPS, 32, 80000},      {IBV_RATE_120_GBPS, 48, 120000},
    {IBV_RATE_14_GBPS, 6, 14062},     {IBV_RATE_56_GBPS, 22, 56250},      {IBV_RATE_112_GBPS, 45, 112500},
    {IBV_RATE_168_GBPS, 67, 168750},  {IBV_RATE_25_GBPS, 10, 25781},      {IBV_RATE_100_GBPS, 41, 103125},
    {IBV_RATE_200_GBPS, 82, 206250},  {IBV_RATE_300_GBPS, 124, 309375},   {IBV_RATE_28_GBPS, 11, 28125},
    {IBV_RATE_50_GBPS, 20, 53125},    {IBV_RATE_400_GBPS, 160, 425000},   {IBV_RATE_600_GBPS, 240, 637500},
    {IBV_RATE_800_GBPS, 320, 850000}, {IBV_RATE_1200_GBPS, 480, 1275000},
};

template <class Field>
const rate* find(Field rate::*field, Field value) {
    const auto* r = std::find_if(std::begin(rates), std::end(rates), [&](const rate& r) { return r.*field == value; });
    return r == std::end(rates) ? nullptr : r;
}

}  // namespace

extern "C" {

const char* ibv_wc_status_str(ibv_wc_status s) {
    return word(status_texts, s);
}

const char* ibv_event_type_str(ibv_event_type e) {
    return word(event_texts, e);
}

const char* ibv_node_type_str(ibv_node_type n) {
    return n == IBV_NODE_CA ? "InfiniBand channel adapter" : "unknown";
}

const char* ibv_port_state_str(ibv_port_state s) {
    constexpr std::array words = {"no state change (NOP)", "DOWN", "INIT", "ARMED", "ACTIVE", "ACTIVE DEFER"};
    return word(words, s);
}

int ibv_rate_to_mult(ibv_rate r) {
    const rate* found = find(&rate::code, r);
    return found ? found->multiple : -1;
}

ibv_rate mult_to_ibv_rate(int multiple) {
    const rate* found = find(&rate::multiple, multiple);
    return found ? found->code : IBV_RATE_MAX;
}

int ibv_rate_to_mbps(ibv_rate r) {
    const rate* found = find(&rate::code, r);
    return found ? found->mbps : -1;
}

ibv_rate mbps_to_ibv_rate(int mbps) {
    const rate* found = find(&rate::mbps, mbps);
    return found ? found->code : IBV_RATE_MAX;
}
}
