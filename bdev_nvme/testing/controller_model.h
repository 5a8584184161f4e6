// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/function.h"
#include "bdev_nvme/testing/events.h"
#include "bdev_nvme/testing/faults.h"
#include "bdev_nvme/testing/model_options.h"
#include "bdev_nvme/testing/model_queues.h"
#include "bdev_nvme/testing/namespace_store.h"
#include "bdev_nvme/testing/register_block.h"
#include "nvme/identify.h"
#include "nvme/pcie.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

namespace causeway::bdev_nvme::testing {

/// An NVMe controller in this process, for the driver to be tested against: registers in plain memory, queues and data
/// where the host says. NVM Express Base Specification 2.0, NVM Command Set Specification 1.0.
///
/// It does something in `step()` alone. One thread at a time may call that and all below it, and it may be another one
/// than the driver's: they meet in registers, doorbells and phase tags, which are atomic. Time is counted in steps.
class controller_model final : public function {
  public:
    explicit controller_model(model_options options = {});
    ~controller_model() override;
    controller_model(const controller_model&) = delete;
    controller_model& operator=(const controller_model&) = delete;

    const std::string& address() const noexcept override { return options_.address; }
    std::span<std::byte> registers() const noexcept override { return registers_.bytes(); }
    const dma_reach& reach() const noexcept override { return memory_; }
    void start_dma() noexcept override { dma_.store(true, std::memory_order_release); }
    bool stop_dma() noexcept override {
        dma_.store(dma_does_not_stop_, std::memory_order_release);
        return !dma_does_not_stop_;
    }
    int numa_node() const noexcept override { return options_.numa_node; }
    void on_removal(std::function<void()> f) override;

    /// Reads registers and doorbells once and does all that is due. Returns how many commands it fetched or completed.
    unsigned step();
    /// The same for the commands of one I/O queue alone, on a thread of the queue's own. REQUIRES: its completion queue
    /// is no other's, no faults are planned, and no `step()` at the same time makes or deletes queues.
    unsigned step_queue(std::uint16_t qid);

    // Faults of single commands: see faults.h.

    void inject(const fault_rule& r) { plan_.add(r); }
    void follow(const random_faults& f) { plan_.follow(f); }
    void clear_faults() { plan_.clear(); }
    /// Executes up to `most` of the commands that are withheld or delayed, the oldest first. How many.
    unsigned release(unsigned most = ~0u);
    std::size_t held() const noexcept;
    /// Writes a completion as it stands, but for the phase. False: there is no such queue.
    bool post(std::uint16_t qid, nvme::completion c, bool stale = false);
    /// Event requests are answered at once, for ever, with this.
    void answer_events_at_once(std::optional<std::uint32_t> dw0) { babble_ = dw0; }

    // Faults of the controller.

    void set_fatal();  ///< CSTS.CFS, until it is reset. Nothing: it is disabled.
    void hold_ready(std::optional<bool> value) {
        held_ready_ = value;
    }                                                             ///< CSTS.RDY keeps this value, independently of CC
    void keep_dma(bool on) noexcept { dma_does_not_stop_ = on; }  ///< stop_dma() fails
    void hang_shutdown(bool on) { shutdown_hangs_ = on; }
    /// From now on registers read all ones and nothing is done. `tell`: as the bus tells it.
    void remove(bool tell = true);
    void poke32(std::size_t at, std::uint32_t v) noexcept { registers_.set32(at, v); }
    void poke64(std::size_t at, std::uint64_t v) noexcept { registers_.set64(at, v); }
    /// Called with what Identify or Get Log Page is about to return.
    using alter_identify = std::function<void(nvme::cns, std::uint32_t nsid, std::span<std::byte>)>;
    using alter_log_page = std::function<void(nvme::lid, std::span<std::byte>)>;
    void on_identify(alter_identify f) { alter_identify_ = std::move(f); }
    void on_log_page(alter_log_page f) { alter_log_page_ = std::move(f); }

    // What changes in a controller that works.

    void add_namespace(model_namespace shape);
    void remove_namespace(std::uint32_t nsid);
    void resize_namespace(std::uint32_t nsid, std::uint64_t blocks);
    namespace_store* find(std::uint32_t nsid) noexcept;
    /// Shown in the SMART log page as it stands, but for what the model counts itself.
    nvme::smart_log& health() noexcept { return health_; }
    /// Sets critical warnings, and tells the host.
    void warn(std::uint8_t critical_warnings);
    void raise(nvme::async_event_type type, std::uint8_t information, nvme::lid page);

    // What tests look at.

    const model_options& options() const noexcept { return options_; }
    dma_reach& memory() noexcept { return memory_; }
    bool ready() const noexcept { return ready_; }
    bool dma_started() const noexcept { return reaches_host(); }
    bool removed() const noexcept { return removed_; }
    std::uint64_t steps() const noexcept { return steps_.get(); }
    std::size_t submission_queues() const noexcept;  ///< for I/O
    std::size_t completion_queues() const noexcept;  ///< for I/O
    std::size_t event_requests() const noexcept { return events_.requests(); }
    std::uint64_t host_memory_bytes() const noexcept;
    bool has_shadow_doorbells() const noexcept { return shadow_ != nullptr; }
    const queue_counters& counters(std::uint16_t qid) const noexcept { return counters_[qid]; }
    std::uint64_t io_commands(nvme::io_opcode o) const noexcept;
    std::uint64_t deallocating_zeroes() const noexcept { return deallocating_zeroes_.get(); }
    std::uint64_t admin_commands(nvme::admin_opcode o) const noexcept;
    std::uint64_t enables() const noexcept { return enables_.get(); }
    std::uint64_t shutdowns() const noexcept { return shutdowns_.get(); }
    /// The number of doorbell writes with invalid values. An event reports them to the host.
    std::uint64_t bad_doorbells() const noexcept { return bad_doorbells_.load(std::memory_order_relaxed); }
    /// Commands that named memory which the device does not reach.
    std::uint64_t dma_faults() const noexcept { return dma_faults_.load(std::memory_order_relaxed); }

  private:
    struct outcome {
        nvme::status status;
        std::uint32_t dw0 = 0;
        bool answers = true;  ///< no: it ends later, by itself
    };

    // controller_model.cc: registers and state
    void show_capabilities();
    void leave_behind();
    void follow_configuration();
    void enable(nvme::cc cc);
    void disable();
    void drop_queues();
    void show_status();
    bool reaches_host() const noexcept { return dma_.load(std::memory_order_acquire); }
    bool serves() const noexcept {
        return ready_ && !fatal_ && shutdown_ == nvme::csts::shutdown::none && reaches_host();
    }

    // queues.cc: from doorbells to commands, and from commands to completions
    std::size_t tail_doorbell(std::uint16_t qid) const noexcept {
        return nvme::submission_doorbell(qid, options_.dstrd);
    }
    std::size_t head_doorbell(std::uint16_t qid) const noexcept {
        return nvme::completion_doorbell(qid, options_.dstrd);
    }
    void look_at_tail(submission_queue& sq);
    void look_at_shadow_tail(submission_queue& sq);
    void look_at_head(completion_queue& cq);
    void look_at_strays();
    void bad_doorbell(nvme::error_event what);
    unsigned serve(submission_queue& sq);
    unsigned run_due(submission_queue& sq);
    void write_waiting(completion_queue& cq);
    void take(submission_queue& sq, taken_command c);
    void execute(submission_queue& sq, const taken_command& c);
    void complete(submission_queue& sq, const nvme::command& c, const outcome& o);
    void put(completion_queue& cq, const nvme::completion& c, bool stale);
    void answer_events();

    // host_memory.cc: what lies in the host's memory
    data_pointer_rules rules(const submission_queue& sq) const noexcept;
    bool reached(std::span<const piece> pieces) noexcept;
    nvme::status gather_data(submission_queue& sq, const nvme::command& c, std::size_t bytes);
    nvme::status to_host(submission_queue& sq, const nvme::command& c, std::span<std::byte> bytes);
    nvme::status from_host(submission_queue& sq, const nvme::command& c, std::span<std::byte> bytes);
    outcome set_host_memory(submission_queue& sq, const nvme::command& c);
    outcome get_host_memory(submission_queue& sq, const nvme::command& c);
    void use_host_memory() noexcept;

    // admin_commands.cc
    outcome admin(submission_queue& sq, const nvme::command& c);
    outcome create_cq(const nvme::command& c);
    outcome create_sq(const nvme::command& c);
    outcome delete_cq(const nvme::command& c);
    outcome delete_sq(const nvme::command& c);
    outcome abort(const nvme::command& c);
    outcome async_event_request(const nvme::command& c);
    outcome doorbell_buffer_config(const nvme::command& c);
    // identify.cc
    outcome identify(submission_queue& sq, const nvme::command& c);
    nvme::identify_controller controller_data() const;
    nvme::identify_namespace namespace_data(const namespace_store& n) const;
    void identifiers(const namespace_store& n, std::span<std::byte> into) const;
    std::uint32_t highest_nsid() const noexcept;
    // features.cc
    outcome set_features(submission_queue& sq, const nvme::command& c);
    outcome get_features(submission_queue& sq, const nvme::command& c);
    bool has_feature(nvme::fid f) const noexcept;
    std::uint32_t default_feature(nvme::fid f) const noexcept;
    // log_pages.cc
    outcome get_log_page(submission_queue& sq, const nvme::command& c);
    void log_error(const submission_queue& sq, const nvme::command& c, nvme::status s);
    void namespace_changed(std::uint32_t nsid);
    // io_commands.cc
    outcome io(submission_queue& sq, const nvme::command& c);
    outcome read_write(submission_queue& sq, const nvme::command& c, namespace_store& n);
    outcome write_zeroes(const nvme::command& c, namespace_store& n);
    outcome verify(const nvme::command& c, namespace_store& n);
    outcome dataset_management(submission_queue& sq, const nvme::command& c, namespace_store& n);
    outcome copy(submission_queue& sq, const nvme::command& c, namespace_store& n);
    nvme::status separate_metadata(submission_queue& sq, const nvme::command& c, std::size_t bytes);
    std::uint64_t max_bytes(std::uint8_t exponent) const noexcept;
    bool io_supported(nvme::io_opcode o) const noexcept;
    void execute_fused(submission_queue& sq, const taken_command& c);

    model_options options_;
    register_block registers_;
    dma_reach memory_;
    std::atomic<bool> dma_{false};  ///< bus mastering
    std::mutex removal_lock_;
    std::function<void()> removal_;

    // as CC and CSTS have it
    nvme::cc cc_{};
    std::size_t page_ = 4096;
    bool ready_ = false;
    bool fatal_ = false;
    bool removed_ = false;
    nvme::csts::shutdown shutdown_ = nvme::csts::shutdown::none;
    std::optional<std::uint64_t> ready_at_, disabled_at_, shut_down_at_;
    std::optional<bool> held_ready_;
    bool dma_does_not_stop_ = false;
    bool shutdown_hangs_ = false;

    std::vector<std::unique_ptr<submission_queue>> submission_;  ///< by identifier
    std::vector<std::unique_ptr<completion_queue>> completion_;  ///< by identifier
    std::uint16_t granted_;                                      ///< I/O queues that may be made
    std::byte* shadow_ = nullptr;                                ///< doorbells in the host's memory
    std::byte* event_indices_ = nullptr;
    std::map<std::size_t, std::uint32_t> strays_;  ///< doorbells of queues that do not exist, as seen last

    std::map<std::uint32_t, namespace_store> namespaces_;
    /// Those of whose format the host was told something else. Even a device that lies about its blocks moves no more
    /// than the host has room for: nothing in a host could help otherwise.
    std::set<std::uint32_t> misdescribed_;
    std::map<nvme::fid, std::uint32_t> features_;
    std::vector<nvme::host_memory_descriptor> host_memory_;
    nvme::command host_memory_command_{};
    event_queue events_;
    std::optional<std::uint32_t> babble_;
    std::set<std::uint32_t> changed_;
    std::mutex errors_lock_;  ///< queues that are stepped apart fail at the same time
    std::deque<nvme::error_information_entry> errors_;
    std::uint64_t error_count_ = 0;
    nvme::smart_log health_{};

    fault_plan plan_;
    alter_identify alter_identify_;
    alter_log_page alter_log_page_;

    core::counter steps_, enables_, shutdowns_, deallocating_zeroes_;
    std::atomic<std::uint64_t> bad_doorbells_{0}, dma_faults_{0};
    std::atomic<std::uint32_t> bad_doorbell_kinds_{0};  ///< not reported yet; a bit for each error_event
    std::vector<queue_counters> counters_;              ///< by identifier
};

}  // namespace causeway::bdev_nvme::testing
