#define _GNU_SOURCE
#include "CVirtualClock.h"
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_virtual;
static int64_t monotonic_now;
static int64_t realtime_now;

void virtual_clock_start(void) { is_virtual = 1; }

int virtual_clock_runs(void) { return is_virtual; }

void virtual_clock_set(int64_t monotonic, int64_t realtime) {
    monotonic_now = monotonic;
    realtime_now = realtime;
}

/// Stands before the C library's: a program's own definition is taken by every shared library in it.
int clock_gettime(clockid_t clock, struct timespec *result) {
    int is_processor_time = clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID;
    if (!is_virtual || is_processor_time) return (int)syscall(SYS_clock_gettime, clock, result);
    int is_realtime = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    int64_t now = is_realtime ? realtime_now : monotonic_now;
    result->tv_sec = now / 1000000000;
    result->tv_nsec = now % 1000000000;
    return 0;
}

static int64_t real(clockid_t clock) {
    struct timespec time;
    syscall(SYS_clock_gettime, clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t real_processor_time(void) { return real(CLOCK_PROCESS_CPUTIME_ID); }
int64_t real_time(void) { return real(CLOCK_MONOTONIC); }
