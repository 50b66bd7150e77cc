#pragma once
#include <sys/types.h>

/// Starts a program in its own process group with the three given descriptors as its standard streams, every other
/// descriptor closed, all signals at their defaults and none blocked. `directory` may be NULL.
/// Returns 0 and the process in `pid`, or an errno.
int hecate_spawn(const char *path, char *const arguments[], char *const environment[], const char *directory,
                 int input, int output, int error, pid_t *pid);

/// Opens a descriptor that becomes readable when the process ends (pidfd_open(2)), or returns -1.
int hecate_pidfd(pid_t pid);

/// Opens a pipe whose two ends are closed on exec (pipe2(2), which Swift's Glibc module lacks).
int hecate_pipe(int ends[2]);

/// Keeps glibc to a few malloc arenas, so that threads that allocate rarely do not each hold memory.
void hecate_limit_arenas(int count);

/// Lets the process have as many descriptors as the system allows it, up to 65536: every stream of events is one.
void hecate_raise_descriptor_limit(void);

/// Gives free memory back to the system.
void hecate_trim_memory(void);
