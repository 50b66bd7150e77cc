#pragma once
#include <stdint.h>
#include <sys/types.h>

/// Makes `clock_gettime` of this whole process give the times set here. Call it before the first clock is read.
void virtual_clock_start(void);

/// Sets both clocks, in nanoseconds: `monotonic` since some start, `realtime` since 1970.
void virtual_clock_set(int64_t monotonic, int64_t realtime);

/// The processor time this process has really used, in nanoseconds.
int64_t real_processor_time(void);

/// The time that has really passed since some start, in nanoseconds.
int64_t real_time(void);

/// The number that this process really has; `getpid` gives 1 while the clock is virtual.
pid_t real_process(void);

/// Whether the clock is virtual.
int virtual_clock_runs(void);

/// Forgets when files changed; to be called for each new world.
void virtual_files_forget(void);

/// Whether nothing more can be written on the file system of a folder.
void virtual_disk_set_full(const char *folder, int full);
