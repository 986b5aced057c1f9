/* Shifts the clock of a process and its children by the seconds in the file $SOAK_CLOCK, and when the machine
   started, as the kernel would: loaded with LD_PRELOAD. Clocks that nobody can set are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long *shift_s;

__attribute__((constructor)) static void attach(void) {
    const char *path = getenv("SOAK_CLOCK");
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int file = path ? real(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *memory = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (memory != MAP_FAILED) shift_s = memory;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, time);
    if (!failed && shift_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += *shift_s;
    return failed;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
    int failed = real(time, zone);
    if (!failed && shift_s) time->tv_sec += *shift_s;
    return failed;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}

/* /proc/stat says when the machine started; it moves with the clock */
static const char *moved(const char *path) {
    const char *other = getenv("SOAK_PROC_STAT");
    return other && path && strcmp(path, "/proc/stat") == 0 ? other : path;
}

#define OPENER(name)                                                                   \
    int name(const char *path, int flags, ...) {                                       \
        static int (*real)(const char *, int, ...);                                    \
        if (!real) real = dlsym(RTLD_NEXT, #name);                                     \
        va_list rest;                                                                  \
        va_start(rest, flags);                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;        \
        va_end(rest);                                                                  \
        return real(moved(path), flags, mode);                                         \
    }
OPENER(open)
OPENER(open64)
