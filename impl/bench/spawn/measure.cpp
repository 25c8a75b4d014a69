// SPDX-License-Identifier: MIT
#include "measure.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cmath>
#include <functional>
#include <mutex>
#include <random>
#include <thread>

namespace bench {

namespace {

using Clock = std::chrono::steady_clock;
constexpr unsigned spawns_per_thread_min = 4, spawns_per_round = 64, turns_min = 2;
// The same for every peer: the after-effects of a turn (a table of 15,000 entries, freed by RCU milliseconds later;
// cold caches; copy-on-write) fall mostly on the beginning of the next turn.
constexpr double turn_us = 5000;
constexpr unsigned timed_per_turn_max = 100, timed_per_untimed = 4;
constexpr int priced = 3;

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// One peer at a point: the function that runs its turn, and the samples so far.
struct Entrant {
  std::size_t peer;                                                // index of its samples
  std::function<bool(unsigned timed, std::vector<double>*)> turn;  // false: the program did not run
  std::vector<double> samples_us;
  unsigned turns = 0, timed_per_turn = 1;
};

bool enter(const bench_peer& peer, void* prepared) { return peer.enter == nullptr || peer.enter(prepared) == 0; }
void leave(const bench_peer& peer, void* prepared) {
  if (peer.leave != nullptr) peer.leave(prepared);
}

// Sets how many turns the peer takes and how many spawns a turn has, from the time of one spawn.
bool price(Entrant& e, const Effort& effort) {
  std::vector<double> ignored;
  for (int i = 0; i < priced; ++i)
    if (!e.turn(1, &ignored)) return false;
  const double one_us = *std::min_element(ignored.begin(), ignored.end());  // the least disturbed by other load
  e.timed_per_turn =
      static_cast<unsigned>(std::clamp(turn_us / std::max(one_us, 1.0), 1.0, double{timed_per_turn_max}));
  const auto start = Clock::now();
  if (!e.turn(e.timed_per_turn, &ignored)) return false;
  const double affordable = effort.seconds_per_peer_max * 1e6 / std::max(us_since(start), 1.0);
  e.turns = static_cast<unsigned>(std::clamp(affordable, double{turns_min}, double(effort.rounds_max)));
  return true;
}

// Spreads turns over the rounds: before a round, entrant e has had floor(round * turns / rounds) turns.
bool takes_part(const Entrant& e, unsigned round, unsigned rounds) {
  return std::uint64_t{round + 1} * e.turns / rounds > std::uint64_t{round} * e.turns / rounds;
}

bool run_rounds(std::vector<Entrant>& entrants, const Effort& effort, std::size_t* failed) {
  unsigned rounds = 0;
  for (Entrant& e : entrants) {
    *failed = e.peer;
    if (!price(e, effort)) return false;
    rounds = std::max(rounds, e.turns);
  }
  std::mt19937 draw(1);
  std::vector<Entrant*> order;
  for (Entrant& e : entrants) order.push_back(&e);
  for (unsigned round = 0; round < rounds; ++round) {
    std::shuffle(order.begin(), order.end(), draw);
    for (Entrant* e : order) {
      *failed = e->peer;
      if (takes_part(*e, round, rounds) && !e->turn(e->timed_per_turn, &e->samples_us)) return false;
    }
  }
  return true;
}

bool add_samples(std::vector<Entrant>& entrants, const std::vector<const bench_peer*>& peers, const Effort& effort,
                 Samples* samples, std::string* error) {
  std::size_t failed = 0;
  if (!run_rounds(entrants, effort, &failed)) {
    *error = std::string(peers[failed]->name) + ": the program did not run, or did not exit as it should";
    return false;
  }
  samples->resize(peers.size());
  for (Entrant& e : entrants) {
    std::vector<double>& all = (*samples)[e.peer];
    all.insert(all.end(), e.samples_us.begin(), e.samples_us.end());
  }
  return true;
}

bool latency_spawns(const bench_peer& peer, void* prepared, unsigned timed, std::vector<double>* samples_us) {
  for (unsigned i = 0; i < (timed + timed_per_untimed - 1) / timed_per_untimed; ++i)
    if (peer.run(prepared) != status_expected) return false;
  for (unsigned i = 0; i < timed; ++i) {
    const auto start = Clock::now();
    const int status = peer.run(prepared);
    const double us = us_since(start);
    if (status != status_expected) return false;
    samples_us->push_back(us);
  }
  return true;
}

bool latency_turn(const bench_peer& peer, void* prepared, unsigned timed, std::vector<double>* samples_us) {
  if (!enter(peer, prepared)) return false;
  const bool is_done = latency_spawns(peer, prepared, timed, samples_us);
  leave(peer, prepared);
  return is_done;
}

// Threads that wait for work. Each prepares the peers for itself.
class Crew {
 public:
  Crew(const std::vector<const bench_peer*>& peers, const bench_job& job, unsigned threads)
      : peers_(peers),
        job_(job),
        spawns_(std::max(spawns_per_thread_min, spawns_per_round / threads)),
        size_(threads),
        gate_(threads + 1),
        missing_(peers.size()) {
    for (const bench_peer* peer : peers_) ready_.push_back(prepare(*peer, job_));
    for (unsigned t = 0; t < threads; ++t) threads_.emplace_back([this] { work(); });
    gate_.arrive_and_wait();  // all have prepared
  }
  ~Crew() {
    peer_ = no_more;
    gate_.arrive_and_wait();
    for (std::thread& t : threads_) t.join();
  }
  bool turn(std::size_t peer, std::vector<double>* samples_us) {
    if (!enter(*peers_[peer], ready_[peer].get())) return false;
    peer_ = peer;
    gate_.arrive_and_wait();
    const auto start = Clock::now();
    gate_.arrive_and_wait();
    const double us = us_since(start);
    leave(*peers_[peer], ready_[peer].get());
    samples_us->push_back(us / (size_ * spawns_));
    return !failed_;
  }
  bool is_available(std::size_t peer) const { return ready_[peer] != nullptr && !missing_[peer]; }

 private:
  static constexpr std::size_t no_more = ~std::size_t{0};

  void work() {
    std::vector<Prepared> prepared;
    for (std::size_t p = 0; p < peers_.size(); ++p) {
      const std::lock_guard one_at_a_time(preparing_);  // a peer may prepare what only one thread at a time can
      prepared.push_back(prepare(*peers_[p], job_));
      if (prepared.back() == nullptr) missing_[p] = true;
    }
    gate_.arrive_and_wait();
    for (;;) {
      gate_.arrive_and_wait();
      if (peer_ == no_more) return;
      for (unsigned i = 0; i < spawns_; ++i)
        if (peers_[peer_]->run(prepared[peer_].get()) != status_expected) failed_ = true;
      gate_.arrive_and_wait();
    }
  }

  const std::vector<const bench_peer*>& peers_;
  const bench_job& job_;
  unsigned spawns_, size_;
  std::barrier<> gate_;
  std::atomic<std::size_t> peer_ = 0;
  std::atomic<bool> failed_ = false;
  std::vector<std::atomic<bool>> missing_;
  std::mutex preparing_;
  std::vector<Prepared> ready_;  // for the measuring thread
  std::vector<std::thread> threads_;
};

}  // namespace

Figure figure_of(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  const auto rank = [&](double share) { return v[static_cast<std::size_t>(std::ceil(share * double(v.size()))) - 1]; };
  return {rank(0.5), rank(0.99), static_cast<unsigned>(v.size())};
}

bool measure_latency(const std::vector<const bench_peer*>& peers, const bench_job& job, const Effort& effort,
                     Samples* samples, std::string* error) {
  std::vector<Prepared> prepared;
  std::vector<Entrant> entrants;
  for (std::size_t p = 0; p < peers.size(); ++p) {
    prepared.push_back(prepare(*peers[p], job));
    if (void* ready = prepared.back().get())
      entrants.push_back({p,
                          [peer = peers[p], ready](unsigned timed, std::vector<double>* to) {
                            return latency_turn(*peer, ready, timed, to);
                          },
                          {}});
  }
  return add_samples(entrants, peers, effort, samples, error);
}

bool measure_threads(const std::vector<const bench_peer*>& peers, const bench_job& job, unsigned threads,
                     const Effort& effort, Samples* samples, std::string* error) {
  Crew crew(peers, job, threads);
  std::vector<Entrant> entrants;
  for (std::size_t p = 0; p < peers.size(); ++p)
    if (crew.is_available(p))
      entrants.push_back({p, [&crew, p](unsigned, std::vector<double>* to) { return crew.turn(p, to); }, {}});
  return add_samples(entrants, peers, effort, samples, error);
}

}  // namespace bench
