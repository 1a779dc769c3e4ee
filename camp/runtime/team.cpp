// Threads that work through lists of functions together.
//
// They wait awake for each other within a list, and for a while after it: an evaluation takes a few
// lists, and to wake a thread up can take as long as its work.

#include "team.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

struct Step {
    Function *function;
    void *const *addresses;
    bool together;  // begins when all threads have done what comes before
};

// Functions of GNU's OpenMP, or of one that has its names.
struct Pool {
    void (*parallel)(void (*function)(void *), void *data, unsigned threads, unsigned flags);
    int (*number)();
    int (*threads)();
};

namespace {

constexpr std::chrono::microseconds awake(2000);

// Waits for a condition that another thread is about to fulfil; gives up at the deadline.
template <typename Condition>
bool wait_awake(Condition condition, std::chrono::steady_clock::time_point deadline) {
    for (;;) {
        for (int k = 0; k < 1000; ++k)
            if (condition()) return true;
        if (std::chrono::steady_clock::now() > deadline) return false;
        // Where there are fewer cores than threads, another one may have to come first.
        std::this_thread::yield();
    }
}

class Team {
  public:
    explicit Team(int64_t threads) : threads_(threads) {
        for (int64_t number = 1; number < threads; ++number)
            std::thread([this, number] { serve(number); }).detach();
    }

    void run(const Step *steps, int64_t count, int64_t atoms) {
        const std::lock_guard one_caller(callers_);
        steps_ = steps;
        count_ = count;
        atoms_ = atoms;
        arrived_ = 0;
        {
            const std::lock_guard lock(mutex_);
            ++lists_;
        }
        wake_up_.notify_all();
        wait_for(work(0));
    }

  private:
    void serve(int64_t number) {
        for (int64_t done = 0;; ++done) {
            const auto next = [&] { return lists_ != done; };
            if (!wait_awake(next, std::chrono::steady_clock::now() + awake)) {
                std::unique_lock lock(mutex_);
                wake_up_.wait(lock, next);
            }
            work(number);
        }
    }

    // Returns how often threads arrive somewhere until all have done everything.
    int64_t work(int64_t number) {
        const Part part{number, atoms_ * number / threads_, atoms_ * (number + 1) / threads_};
        int64_t expected = 0;
        for (int64_t k = 0; k < count_; ++k) {
            if (steps_[k].together) {
                ++arrived_;
                wait_for(expected += threads_);
            }
            steps_[k].function(part, steps_[k].addresses);
        }
        // From here on there may be another list.
        ++arrived_;
        return expected + threads_;
    }

    void wait_for(int64_t arrivals) {
        wait_awake([&] { return arrived_ >= arrivals; },
                   std::chrono::steady_clock::time_point::max());
    }

    const int64_t threads_;
    std::mutex callers_, mutex_;
    std::condition_variable wake_up_;
    std::atomic<int64_t> lists_{0}, arrived_{0};
    const Step *steps_;
    int64_t count_, atoms_;
};

}  // namespace

extern "C" {

// Never ends, as its threads may be at work when the program does.
Team *camp_team(int64_t threads) { return new Team(threads); }

// Work through a list for so many atoms; several callers wait for each other.
void camp_run(Team *team, const Step *steps, int64_t count, int64_t atoms) {
    team->run(steps, count, atoms);
}

// The same by the threads of an OpenMP library that is in the process already, one function after
// the other; as many parts, whatever number of threads it gives.
void camp_run_in_pool(const Pool *pool, const Step *steps, int64_t count, int64_t atoms,
                      int64_t parts) {
    for (const Step *step = steps; step < steps + count; ++step) {
        struct Work {
            const Pool *pool;
            const Step *step;
            int64_t atoms, parts;
        } work{pool, step, atoms, parts};
        const auto share = [](void *given) {
            const auto &[pool, step, atoms, parts] = *static_cast<Work *>(given);
            for (int64_t k = pool->number(); k < parts; k += pool->threads())
                step->function(Part{k, atoms * k / parts, atoms * (k + 1) / parts},
                               step->addresses);
        };
        pool->parallel(share, &work, static_cast<unsigned>(parts), 0);
    }
}
}
