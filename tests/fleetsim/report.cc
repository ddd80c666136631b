#include "tests/fleetsim/report.h"

#include <cstdio>
#include <string>

#include "spdlog/fmt/fmt.h"

namespace procctl::fleetsim {
namespace {

double Seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

double Milliseconds(std::chrono::nanoseconds time) { return Seconds(time) * 1e3; }

std::int64_t Read(const Counter& counter) { return counter.load(std::memory_order_relaxed); }

// Texts of errors are printable ASCII already.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

void Report::Tell(const Storm& storm) const {
  const double share =
      100.0 * static_cast<double>(storm.most_in_a_second) / static_cast<double>(nodes_);
  if (json_) {
    fmt::print(
        "{{\"storm\":{{\"began_s\":{:.3f},\"took_s\":{:.3f},\"fewest\":{},\"arrivals\":{},"
        "\"most_in_a_second\":{},\"most_percent\":{:.2f}}}}}\n",
        Seconds(storm.began) - static_cast<double>(start_ns_) / 1e9, Seconds(storm.took),
        storm.fewest, storm.arrivals, storm.most_in_a_second, share);
  } else {
    fmt::print(
        "all {} nodes connected {:.1f} s after the first was missing: {} arrivals, at most {} "
        "({:.1f} %) in one second\n",
        nodes_, Seconds(storm.took), storm.arrivals, storm.most_in_a_second, share);
  }
}

void Report::Second(Stats* stats, std::int64_t now_ns) {
  for (const Storm& storm : stats->TakeStorms()) Tell(storm);
  const Counters& c = stats->counters;
  const double elapsed = static_cast<double>(now_ns - last_ns_) / 1e9;
  const auto rate = [&](std::int64_t total, std::int64_t* last) {
    const double per_second = static_cast<double>(total - *last) / elapsed;
    *last = total;
    return per_second;
  };
  const double acked = rate(Read(c.events_acked), &last_acked_);
  const double sent = rate(Read(c.events_sent), &last_sent_);
  const double in = rate(Read(c.messages_in), &last_in_);
  const double out = rate(Read(c.messages_out), &last_out_);
  last_ns_ = now_ns;
  const char* const form =
      json_ ? "{{\"t\":{:.3f},\"connected\":{},\"sent_per_s\":{:.0f},\"acked_per_s\":{:.0f},"
              "\"in_per_s\":{:.0f},\"out_per_s\":{:.0f},\"orders\":{},\"tries\":{}}}\n"
            : "{:8.1f} s  connected {:6}  events {:7.0f}/s sent {:7.0f}/s acked  messages "
              "{:6.0f}/s in {:6.0f}/s out  orders {}  tries {}\n";
  fmt::print(fmt::runtime(form), static_cast<double>(now_ns - start_ns_) / 1e9, stats->connected(),
             sent, acked, in, out, Read(c.orders), Read(c.tries));
  std::fflush(stdout);
}

void Report::End(Stats* stats, std::int64_t now_ns) {
  for (const Storm& storm : stats->TakeStorms()) Tell(storm);
  const Counters& c = stats->counters;
  const auto storm = stats->CurrentStorm(now_ns);
  const char* const form =
      json_ ? "{{\"end\":{{\"seconds\":{:.3f},\"all_connected\":{},\"events_made\":{},"
              "\"events_sent\":{},\"events_acked\":{},\"events_lost\":{},\"event_acks\":{},"
              "\"ack_ms_p50\":{:.3f},\"ack_ms_p99\":{:.3f},\"welcome_ms_p50\":{:.3f},"
              "\"welcome_ms_p99\":{:.3f},\"orders\":{},\"repeated_orders\":{},\"verdicts\":{},"
              "\"details\":{},\"snapshots\":{},\"resyncs\":{},\"deltas\":{},\"heartbeats\":{},"
              "\"messages_in\":{},\"messages_out\":{},\"tries\":{},\"held_back\":{},\"hostile_"
              "sessions\":{}"
            : "after {:.1f} s (all connected: {})\n"
              "events    made {}, sent {}, acknowledged {}, folded into EVENTS_LOST {}; {} "
              "acknowledgements\n"
              "latency   event to acknowledgement p50 {:.1f} ms, p99 {:.1f} ms; connection to "
              "Welcome p50 {:.1f} ms, p99 {:.1f} ms\n"
              "orders    {}, repeated {}, verdicts {}, details {}\n"
              "rows      snapshots {}, resyncs {}, deltas {}, heartbeats {}\n"
              "messages  in {}, out {}; tries to connect {}, of which {} had to wait for others; "
              "hostile sessions {}\n";
  fmt::print(fmt::runtime(form), static_cast<double>(now_ns - start_ns_) / 1e9, !storm.has_value(),
             Read(c.events_made), Read(c.events_sent), Read(c.events_acked), Read(c.events_lost),
             Read(c.event_acks), Milliseconds(stats->ack_latency.At(0.5)),
             Milliseconds(stats->ack_latency.At(0.99)),
             Milliseconds(stats->welcome_latency.At(0.5)),
             Milliseconds(stats->welcome_latency.At(0.99)), Read(c.orders), Read(c.repeated_orders),
             Read(c.verdicts), Read(c.details), Read(c.snapshots), Read(c.resyncs), Read(c.deltas),
             Read(c.heartbeats), Read(c.messages_in), Read(c.messages_out), Read(c.tries),
             Read(c.held_back), Read(c.hostile_sessions));
  if (json_) fmt::print(",\"errors\":{{");
  const char* separator = "";
  for (const auto& [kind, count] : stats->errors()) {
    if (json_) {
      fmt::print("{}{}:{}", separator, Quoted(kind), count);
    } else {
      fmt::print("error     {} x {}\n", count, kind);
    }
    separator = ",";
  }
  if (json_) fmt::print("}}}}}}\n");
  std::fflush(stdout);
}

}  // namespace procctl::fleetsim
