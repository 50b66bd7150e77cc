#define _GNU_SOURCE
#include "CVirtualClock.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// When files changed, by the virtual clock: the kernel knows only the real one. A change is noted when it is made by a
// name, or else when it is first looked at. Files are numbered in the order in which they were first looked at, because the
// kernel's numbers go on from one process to the next.

struct change {
    uint64_t number;
    uint64_t order;
    int64_t real;
    int64_t virtual;
};

static struct change *changes;
static size_t capacity;
static size_t count;
static uint64_t full_device;
static int is_full;

static struct change *place_of(uint64_t number) {
    size_t index = (number * 0x9E3779B97F4A7C15u) & (capacity - 1);
    while (changes[index].number != 0 && changes[index].number != number) index = (index + 1) & (capacity - 1);
    return &changes[index];
}

static void grow(void) {
    struct change *old = changes;
    size_t before = capacity;
    capacity = capacity == 0 ? 4096 : 2 * capacity;
    changes = calloc(capacity, sizeof *changes);
    if (changes == NULL) abort();
    for (size_t index = 0; index < before; index++)
        if (old[index].number != 0) *place_of(old[index].number) = old[index];
    free(old);
}

static void put(struct stat *status) {
    if (2 * count >= capacity) grow();
    struct change *place = place_of(status->st_ino);
    int64_t real = (int64_t)status->st_ctim.tv_sec * 1000000000 + status->st_ctim.tv_nsec;
    uint64_t order = place->number == 0 ? ++count : place->order;
    if (place->number == 0 || place->real != real) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        *place = (struct change){status->st_ino, order, real, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec};
    }
    status->st_ino = order;
    status->st_ctim.tv_sec = place->virtual / 1000000000;
    status->st_ctim.tv_nsec = place->virtual % 1000000000;
    status->st_mtim = status->st_ctim;
}

void virtual_files_forget(void) {
    if (changes != NULL) memset(changes, 0, capacity * sizeof *changes);
    count = 0;
    is_full = 0;
}

void virtual_disk_set_full(const char *folder, int full) {
    struct stat status;
    is_full = full && syscall(SYS_newfstatat, AT_FDCWD, folder, &status, 0) == 0;
    if (is_full) full_device = status.st_dev;
}

/// These stand before the C library's: a program's own definition is taken by every library in it.
int fstatat(int folder, const char *path, struct stat *status, int flags) {
    int result = (int)syscall(SYS_newfstatat, folder, path, status, flags);
    if (result == 0 && virtual_clock_runs()) put(status);
    return result;
}

/// The same in every process: it stands in the names of files, and these in messages.
pid_t getpid(void) { return virtual_clock_runs() ? 1 : real_process(); }

pid_t real_process(void) { return (pid_t)syscall(SYS_getpid); }

int rename(const char *old, const char *new) {
    int result = (int)syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, 0);
    struct stat status;
    if (result == 0 && virtual_clock_runs()) fstatat(AT_FDCWD, new, &status, AT_SYMLINK_NOFOLLOW);
    return result;
}

int symlink(const char *target, const char *path) {
    if (is_full) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_symlinkat, target, AT_FDCWD, path);
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
    struct stat status;
    if (is_full && syscall(SYS_fstat, descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_dev == full_device) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_write, descriptor, bytes, size);
}
